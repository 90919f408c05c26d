"""The dossier: sourced facts, both sides of the hypothesis, arithmetic that can be argued with."""

from __future__ import annotations

import dataclasses

import pytest

from analysis import paths
from analysis.dossier import economics, show
from analysis.dossier.facts import evidence, facts, load_dossier
from analysis.incidents import compare, duties
from analysis.incidents.clock import Timeline
from analysis.incidents.store import load_corpus
from analysis.licenses import outage_duties, rule_base
from runlog.errors import BadData, UsageFault

GIVEN = economics.Assumptions(
    monthly_volume_jpy=1_000_000_000,
    interchange_pct=1.5,
    cashback_pct=2.0,
    funding_fee_pct=1.5,
    auto_charge_share_pct=80,
    employees=25,
    cost_per_employee_jpy=8_000_000,
)


@pytest.fixture(scope="module")
def dossier():
    return load_dossier()


@pytest.fixture(scope="module")
def case():
    return show.open_case()


def test_every_fact_has_sources_and_a_confidence(dossier):
    for item in [*dossier.items, *dossier.evidence]:
        for claim in item.claims:
            assert claim.sources and claim.confidence
            assert set(claim.sources) <= set(dossier.sources)


def test_facts_on_record(dossier):
    assert dossier.value("Employees in 2018").value == 25
    assert dossier.value("Server engineers in 2018").value == 3
    assert dossier.value("Capital in 2018, with capital reserve (yen)").value == 1_275_980_000
    assert dossier.value("Founded").value == "2015-01-23"


def test_conflicting_dates_of_the_end_of_auto_charge_are_both_shown(dossier):
    shown = facts(dossier, ("product",))
    values = shown.loc[shown["fact"] == "Auto-charge ended", "value"].tolist()
    assert values[0].startswith("2022-01-18") and "slip" in values[0]
    assert values[1] == "2021-01-18 (not used)"


def test_hypothesis_has_evidence_on_both_sides_and_the_2020_account_is_circumstantial(dossier):
    frame = evidence(dossier)
    assert {"for", "against", "circumstantial", "silent"} == set(frame["stance"])
    later = frame[frame["evidence"].str.contains("early 2020")]
    assert later["stance"].tolist() == ["circumstantial"]


def test_a_dossier_that_cites_an_unknown_source_is_refused(tmp_path):
    text = paths.data("dossier", "kyash.yaml").read_text("utf-8")
    broken = text.replace("sources: [ema-hiro, orangeitems]", "sources: [nobody]", 1)
    assert broken != text
    (tmp_path / "kyash.yaml").write_text(broken, "utf-8")
    with pytest.raises(BadData, match="Hosting: unknown source 'nobody'"):
        load_dossier("kyash", tmp_path)


def test_summary_calls_the_hypothesis_unproven(case):
    lines = show.check_lines(case)
    assert "kyash-2018-10-09: 216 min (206 to 226)" in lines
    assert "23.4 to 24.4 days" in lines


def test_margin_is_interchange_less_cashback_less_funding():
    assert GIVEN.margin_pct == pytest.approx(1.5 - 2.0 - 1.5 * 0.8)
    assert GIVEN.margin_month_jpy == -17_000_000
    assert GIVEN.payroll_month_jpy == round(25 * 8_000_000 / 12)
    assert economics.break_even_volume_jpy(GIVEN) is None
    assert "no volume" in economics.verdict(GIVEN)


def test_break_even_volume_pays_for_the_people():
    better = dataclasses.replace(GIVEN, cashback_pct=0.0, funding_fee_pct=0.0)
    volume = economics.break_even_volume_jpy(better)
    assert volume is not None
    assert round(volume * better.margin_pct / 100) == pytest.approx(better.payroll_month_jpy, abs=1)


def test_stopped_payments_follow_from_the_days_and_their_bounds():
    frame = economics.what_if(GIVEN, (15.0, 30.0)).set_index("result")
    stopped = frame.loc["Payments stopped by the restriction (yen)"]
    assert (stopped["low"], stopped["high"]) == (400_000_000, 800_000_000)
    margin = frame.loc["Margin of the stopped payments (yen)"]
    assert margin["low"] == -13_600_000 and margin["low"] < margin["high"]


def test_every_input_of_the_what_if_is_labelled():
    labels = economics.labelled(GIVEN)["label"]
    assert len(labels) == len(dataclasses.fields(GIVEN))
    assert all(x.startswith((economics.ASSUMPTION, economics.FACT)) for x in labels)


@pytest.mark.parametrize(
    ("name", "value"),
    [("interchange_pct", 101), ("cashback_pct", -1), ("employees", -1), ("monthly_volume_jpy", -5)],
)
def test_assumptions_that_make_no_sense_are_refused(name, value):
    with pytest.raises(UsageFault, match=name):
        dataclasses.replace(GIVEN, **{name: value}).checked()


def test_security_incident_is_not_among_the_outages_compared(case):
    assert "7pay-2019-07" not in set(case.table["incident_id"])
    assert len(case.table) == len(load_corpus()) - 1


def test_groups_of_causes_hold_every_outage_once(case):
    assert compare.by_cause(case.table)["incidents"].sum() == len(case.table)


def test_contrast_is_the_share_of_pairs_in_which_the_first_is_longer(case):
    known = case.table.dropna(subset=["affected_min"])
    first = known.loc[known["database"] == "yes", "affected_min"].tolist()
    second = known.loc[known["database"] == "no", "affected_min"].tolist()
    wins = sum((a > b) + 0.5 * (a == b) for a in first for b in second)
    assert case.contrast.longer == pytest.approx(wins / (len(first) * len(second)))
    assert case.contrast.longer_low <= case.contrast.longer <= case.contrast.longer_high


def test_contrast_is_the_same_each_time(case):
    assert compare.database_against_rest(case.table) == case.contrast


def test_outages_of_like_length_have_unlike_causes(case):
    near = compare.overlap(case.table, 216)
    assert near["cause_group"].nunique() >= 4
    assert near["affected_min"].between(108, 432).all()


def scored(incident: str):
    return duties.score(Timeline(load_corpus().get(incident)))


def test_duties_are_scored_from_the_record_under_their_label():
    assert duties.LABEL == "measured against the 2026 guideline"
    assert duties.edition() == "2026-08-17"
    frame = scored("kyash-2018-11-03").set_index("duty")
    published = "publish content, cause and expected recovery"
    assert frame.loc[f"{published}: content", "after_min"] == 164
    assert frame.loc[f"{published}: cause", "after_min"] == 1235
    recovery = frame.loc[f"{published}: expected recovery"]
    assert (recovery["after_min_low"], recovery["after_min_high"]) == (8556, 32225)
    notified = frame.loc["notify users' devices directly where possible"]
    assert notified["after_min"] == 279
    assert notified["article"] == "FSA-05 Ⅱ-3-1-1-2(10)⑤注"


def test_every_duty_of_the_rules_is_scored_and_no_other():
    wanted = [d.text.en for d in outage_duties("prepaid_third_party", rule_base().covered_to)]
    told = scored("kyash-2018-11-03")["duty"].tolist()
    assert list(dict.fromkeys(next(w for w in wanted if t.startswith(w)) for t in told)) == wanted


def test_a_duty_without_a_public_record_is_no_failure():
    frame = scored("kyash-2018-07-14")
    assert set(frame["verdict"]) == {"not on record", "nothing public"}
    assert "nothing here says that a duty was broken" in duties.CAUTION
