"""The license data are complete: every day, every citation, every number."""

from __future__ import annotations

import copy
import datetime as dt
import re

import pytest

from analysis import paths
from analysis.licenses import compare, rule_base, services
from analysis.licenses.corpus import build, citations, find_faults, read
from analysis.licenses.model import Gap
from analysis.licenses.reasons import value_at
from runlog.errors import BadData

DAY = dt.timedelta(days=1)
FIRST, LAST = dt.date(2010, 4, 1), dt.date(2026, 12, 31)
AMENDMENT_DAYS = [
    "2010-04-01",
    "2017-04-01",
    "2018-06-01",
    "2020-05-01",
    "2021-05-01",
    "2023-06-01",
    "2026-06-01",
    "2026-08-12",
]


def test_every_parameter_has_article_revision_quote_validity_and_check():
    periods = [p for parameter in rule_base().parameters for p in parameter.periods]
    assert len(periods) == 47
    for period in periods:
        assert period.last_verified >= dt.date(2026, 8, 22)
        assert period.status in ("statute", "ordinance", "guideline")
        for citation in period.citations:
            assert citation.article
            assert 0 < len(citation.quote or "") <= 50
            assert re.fullmatch(r"\w+_\d{8}_\w+|FSA-\d\d_\d{8}", citation.revision)


def test_every_citation_outside_the_guideline_has_a_quote():
    without = [(place, c.law) for place, c in citations(rule_base()) if not c.quote]
    assert {law for _, law in without} == {"FSA-05"}
    assert [place for place, _ in without] == [
        "plan_capacity",
        "publish",
        "notify_users",
        "contain",
    ]


def test_every_day_of_every_parameter_has_one_value_or_a_gap_with_a_reason():
    days = (LAST - FIRST).days + 1
    for parameter in rule_base().parameters:
        counts = [0] * days
        spans = [(p.valid_from, p.valid_to or LAST) for p in parameter.periods]
        spans += [(g.start, g.end) for g in parameter.gaps]
        for start, end in spans:
            for offset in range((start - FIRST).days, (end - FIRST).days + 1):
                counts[offset] += 1
        assert set(counts) == {1}, parameter.id
        assert all(g.reason.en and g.reason.ja for g in parameter.gaps)


@pytest.mark.parametrize("amended", AMENDMENT_DAYS)
def test_every_item_answers_the_day_before_on_and_after_an_amendment(amended):
    rules = rule_base()
    on = dt.date.fromisoformat(amended)
    for day in (on - DAY, on, on + DAY):
        if not FIRST <= day <= LAST:
            continue
        for kind in (rules.parameters, rules.rules, rules.regimes, rules.clauses):
            for item in kind:
                state = item.at(day)
                assert isinstance(state, Gap) or state.covers(day)


def test_amendments_are_those_of_the_timeline():
    assert [a.in_force.isoformat() for a in rule_base().amendments] == AMENDMENT_DAYS
    changing = [a.in_force.year for a in rule_base().amendments if a.changes_wallet_regimes]
    assert changing == [2010, 2021, 2023, 2026]


def test_the_regimes_of_a_day_are_those_that_existed():
    old = ["prepaid_own", "prepaid_third_party", "funds_transfer", "bank", "collection_agency"]
    types = ["funds_transfer_1", "funds_transfer_2", "funds_transfer_3"]
    assert [r.id for r in compare("2021-04-30").regimes] == old
    new = [*old[:2], *types, *old[3:]]
    assert [r.id for r in compare("2021-05-01").regimes] == new
    assert [r.id for r in compare("2023-05-31").regimes] == new
    assert [r.id for r in compare("2023-06-01").regimes] == [
        *old[:2],
        "prepaid_high_value",
        *new[2:],
    ]


def test_the_matrix_has_a_cell_for_every_topic_and_regime():
    for on in ("2010-04-01", "2018-11-03", "2021-05-01", "2026-12-31"):
        matrix = compare(on)
        assert len(matrix.cells) == len(matrix.topics) * len(matrix.regimes)
        assert all(c.en and c.ja for c in matrix.cells)
        assert not [c for c in matrix.cells if "{" in c.en + c.ja]


def test_a_cell_without_answer_says_why_and_cites_nothing():
    for cell in compare("2018-11-03").cells:
        assert bool(cell.articles) == (cell.answer not in ("unknown", "not_in_force"))


def test_a_revision_id_starts_with_its_law_and_a_date():
    for law in rule_base().laws:
        assert law.revision.startswith(f"{law.law_id}_20")


def test_no_period_starts_before_its_text_could_be_known_unless_the_facts_say_so():
    """A value with a gap before it must not leak into the gap."""
    rules = rule_base()
    for name in ("return_cost_ratio", "bank_capital_jpy", "one_off_cash_kyc_jpy"):
        found = value_at(rules, name, dt.date(2018, 11, 3))
        assert not found.known
        with pytest.raises(BadData, match="text of record"):
            _ = found.number


def test_data_with_a_hole_are_refused():
    content = copy.deepcopy(read(paths.data("licenses")))
    content["parameters"][0]["periods"][0]["valid_from"] = dt.date(2010, 4, 2)
    with pytest.raises(BadData, match="prepaid_base_balance_jpy: hole"):
        build(content)


def test_data_with_an_overlap_are_refused():
    content = copy.deepcopy(read(paths.data("licenses")))
    names = [p["id"] for p in content["parameters"]]
    cap = content["parameters"][names.index("transfer_cap_type2_jpy")]
    cap["gaps"][0]["end"] = dt.date(2021, 5, 1)
    with pytest.raises(BadData, match="transfer_cap_type2_jpy: overlap"):
        build(content)
    loose = build(content, check=False)
    with pytest.raises(BadData, match="2 states"):
        loose.parameter("transfer_cap_type2_jpy").at(dt.date(2021, 5, 1))


def test_data_without_a_quote_too_long_or_of_another_revision_are_refused():
    content = copy.deepcopy(read(paths.data("licenses")))
    citation = content["parameters"][0]["periods"][0]["citations"][0]
    citation["revision"] = "422CO0000000019_20240101_999CO0000000001"
    assert any("revision" in f for f in find_faults(build(content, check=False)))
    citation["quote"] = "円" * 51
    with pytest.raises(BadData, match="at most 50"):
        build(content)


def test_unknown_keys_and_words_are_refused():
    content = copy.deepcopy(read(paths.data("licenses")))
    content["parameters"][0]["periods"][0]["word"] = "くらい"
    assert any("くらい" in f for f in find_faults(build(content, check=False)))
    content["parameters"][0]["valeu"] = 1
    with pytest.raises(BadData, match="valeu"):
        build(content)


def test_broken_yaml_is_told_by_file_and_line(tmp_path):
    for path in paths.data("licenses").glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "rules.yaml").write_text("rules: [\n  - {\n", "utf-8")
    with pytest.raises(BadData, match=r"rules\.yaml line \d"):
        read(tmp_path)


def test_every_service_cell_names_its_source_and_confidence():
    found = services()
    assert len(found) == 13
    for service in found.values():
        cells = [*service.facts, *service.licenses]
        assert all(c.source and c.confidence for c in cells)
        assert all(d.source for d in service.demerits)
        for demerit in service.demerits:
            assert (demerit.traced_to == "rule") <= bool(demerit.topic and demerit.regime)
