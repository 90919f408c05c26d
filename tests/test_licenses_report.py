"""The license report says what the rules say, on any day, and the same again on the next run."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from notebook_rules import problems_of

from analysis.charts import licenses as charts
from analysis.licenses_report import frames, prose, show
from analysis.licenses_report.case import LicenseCase, open_case
from analysis.licenses_report.user_view import LEVELS, user_view
from analysis.licenses_report.what_if import set_aside, what_if
from analysis.licenses_report.worked import worked_cases
from analysis.report.metrics import to_bytes
from runlog.errors import BadData, UsageFault

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "02_remittance_licenses.ipynb"
DAYS = ("2010-04-01", "2018-11-03", "2021-05-01", "2023-06-01", "2026-12-31")


def case_of(on="2018-11-03", today="2026-08-22", service="kyash", **changed) -> LicenseCase:
    amounts = {"unused_balance_jpy": 10**9, "undelivered_jpy": 150_000_000, "types": 1}
    return open_case(on, today, service, **{**amounts, **changed})


def test_notebook_keeps_the_rules_of_a_report():
    assert problems_of(NOTEBOOK) == []


def test_notebook_defaults_are_days_of_the_data_and_never_the_wall_clock():
    source = nbformat.read(NOTEBOOK, as_version=4).cells[1].source
    assert 'on: str = "2018-11-03"' in source
    assert 'today: str = "2026-08-22"' in source
    folder = Path(show.__file__).parent
    text = "".join(p.read_text("utf-8") for p in folder.glob("*.py"))
    text += "".join(p.read_text("utf-8") for p in (folder.parent / "licenses").glob("*.py"))
    assert "today()" not in text
    assert ".now(" not in text


@pytest.mark.parametrize(
    ("on", "service"),
    zip(DAYS, ("kyash", "paymo", "paymo", "origami_pay", "line_pay"), strict=True),
)
def test_every_part_shows_something_on_every_day(on, service, monkeypatch):
    shown = []
    monkeypatch.setattr(show, "display", lambda *things: shown.extend(things))
    case = case_of(on, "2026-12-31", service)
    parts = (
        show.summary,
        show.comparison,
        show.services,
        show.users,
        show.amendments,
        show.cases,
        show.calculator,
        show.with_funds_transfer,
        show.duties,
        show.ending,
    )
    for part in parts:
        before = len(shown)
        part(case)
        assert len(shown) > before, part.__name__
    assert prose.reasons_text(case)
    assert to_bytes(prose.metrics(case)) == to_bytes(
        prose.metrics(case_of(on, "2026-12-31", service))
    )


def test_summary_of_the_incident_says_what_a_stranger_asks():
    said = " ".join(prose.summary(case_of()))
    assert "prepaid, third-party type" in said
    assert "could not take money out** (PSA art. 20(5))" in said
    assert "no identity check" in said
    assert "LINE Pay" in said
    assert "2021-05-01" in said
    assert "Research, not legal advice." in said
    assert "2026-08-22" in said


def test_summary_of_a_closed_service_does_not_claim_that_it_runs():
    first = prose.summary(case_of("2021-05-01", service="paymo"))[0]
    assert first.startswith("paymo: ended on 2021-05-01")
    assert "funds transfer" in first


def test_metrics_of_the_incident():
    found = json.loads(to_bytes(prose.metrics(case_of())))
    assert found["regimes"] == ["prepaid_third_party"]
    assert (found["cash_out"], found["kyc"]) == ("no", "no")
    assert found["deposit_required_jpy"] == 500_000_000
    assert found["preserve_required_jpy"] == 155_500_000
    assert found["services_cash_out"]["line_pay"] == "yes"
    assert found["services_cash_out"]["paypay"] == "no"
    assert found["demerits_by_origin"]["rule of law"] >= 6


def test_user_view_answers_with_a_level_and_an_article_or_unknown():
    view = user_view(case_of().on, case_of().rules)
    assert set(view["level"]) <= set(LEVELS)
    assert ((view["level"] == "unknown") == (view["articles"] == "")).all()
    cells = view.set_index(["topic", "regime"])["level"]
    assert cells["cash_out", "prepaid_third_party"] == "no"
    assert cells["cash_out", "funds_transfer"] == "yes"
    assert cells["preservation", "prepaid_third_party"] == "partly"


def test_worked_cases_answer_the_boundary_amounts():
    table = worked_cases(case_of().rules)
    answers = dict(zip(table["case"], table["answer"], strict=True))
    assert answers["One yen more"] == "preserve ¥5,000,000.5"
    assert answers["… ¥150,000,000"] == "preserve ¥155,500,000"
    assert answers["… ¥1,000,001"] == "not allowed"
    assert answers["Three types, nothing undelivered: the floor of each"] == "preserve ¥3,330,000"
    assert answers["… ¥100,001"].startswith("prepaid, high-value")
    assert (table["articles"] != "").all()


def test_what_if_names_what_changes_and_what_is_not_known():
    table = what_if(case_of()).set_index("topic")["change"].to_dict()
    assert table["cash-out"] == "yes"
    assert table["identification of users"] == "yes"
    assert table["holding a balance"] == "not known"
    assert set_aside(case_of()) == {
        "balance": "¥1,000,000,000",
        "prepaid": "¥500,000,000",
        "funds_transfer": "at least ¥1,000,000,000",
    }


def test_services_then_and_now_tell_the_ended_from_the_running():
    table = frames.services_then_and_now(case_of()).set_index("service")
    assert table.loc["Kyash", "license_then"] == "prepaid 3rd-party"
    assert "funds transfer type 2" in table.loc["Kyash", "license_now"]
    assert table.loc["paymo", "license_now"] == "ended 2019-05-30"
    assert table.loc["Merpay", "license_then"] == "not launched"


def test_curves_have_the_bends_of_the_law():
    curves = frames.preservation_curves(case_of()).set_index("balance_jpy")
    assert curves.loc[10_000_000, "prepaid_pct"] == 0
    assert curves.loc[10_000_001, "prepaid_pct"] == pytest.approx(50)
    assert curves.loc[1_000_000, "funds_pct"] == 1000
    assert curves.loc[100_000_000, "funds_pct"] == 105


def test_figures_name_their_axes_and_every_service():
    case = case_of()
    lanes = charts.service_lanes(frames.license_spans(case), [("2018-11-03", "asked about")])
    assert {trace.y[0] for trace in lanes.data} >= {"Kyash", "paymo", "PayPay"}
    grid = charts.user_answers(user_view(case.on, case.rules), "2018-11-03")
    assert len(grid.data[0].y) == 6
    curves = charts.set_aside(frames.preservation_curves(case), ("a", "b"), 10**9, "2026-08-22")
    assert "%" in curves.layout.yaxis.title.text
    assert "yen" in curves.layout.xaxis.title.text
    assert [t.name for t in curves.data] == ["a", "b"]


def test_a_report_without_known_cost_leaves_the_curve_out_and_says_so(monkeypatch):
    shown = []
    monkeypatch.setattr(show, "display", lambda *things: shown.extend(things))
    show.calculator(case_of("2018-11-03", "2018-11-03"))
    assert "second curve is missing" in repr(shown[-1])
    assert "at least" in repr(shown[0])


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"on": "2009-01-01"}, BadData, "outside the rules covered"),
        ({"on": "2026-01-01", "today": "2020-01-01"}, BadData, "lies before"),
        ({"service": "kyas"}, UsageFault, "did you mean"),
        ({"unused_balance_jpy": -1}, BadData, "negative"),
    ],
)
def test_bad_parameters_are_told_in_one_line(changed, error, words):
    with pytest.raises(error, match=words):
        case_of(**changed)
