"""What the cells of the license notebook show: tables and figures, each with its caption."""

from __future__ import annotations

from analysis import tables
from analysis.charts import licenses as charts
from analysis.licenses.reasons import value_at
from analysis.licenses_report import frames, prose
from analysis.licenses_report.case import LicenseCase
from analysis.licenses_report.user_view import user_view
from analysis.licenses_report.what_if import set_aside, what_if
from analysis.licenses_report.worked import worked_cases
from analysis.tables import display


def summary(case: LicenseCase) -> None:
    """Display the big values and the executive summary."""
    display(tables.tiles(prose.tiles(case)), tables.summary(prose.summary(case)))


def comparison(case: LicenseCase) -> None:
    """Display what a user can count on under each license, and the rules behind it."""
    answers = user_view(case.on, case.rules)
    said = "Read a column for one license, a row for one wish. ✕ no, ◐ within limits, ✓ yes, "
    said += "? the facts do not settle it. The article stands in the hover text and below."
    matrix = tables.table(frames.matrix(case.on), "matrix", caption=f"The rules on {case.on}")
    display(charts.user_answers(answers, case.on.isoformat()), tables.paragraph(said), matrix)


def services(case: LicenseCase) -> None:
    """Display the licenses of the services over time, and the services then and later."""
    marks = [(case.on.isoformat(), "asked about"), (case.today.isoformat(), "today")]
    marks = marks[:1] if case.on == case.today else marks
    labels = {
        "service": "Service",
        "license_then": f"License on {case.on}",
        "cash_out": "Money out",
        "fee": "Price of it",
        "kyc": "Identity check",
        "license_now": f"License on {case.today}",
        "confidence": "Sure of license",
    }
    said = (
        "A bar is a license held; where its start is not on record it begins on the day by which "
    )
    said += "it was held. Two bars in a lane are two licenses of one service."
    held = frames.services_then_and_now(case)
    held = held.drop(columns="license_now") if case.on == case.today else held
    table = tables.table(held, "services", labels=labels)
    display(charts.service_lanes(frames.license_spans(case), marks), tables.paragraph(said), table)


def users(case: LicenseCase) -> None:
    """Display what a user could do with each service and why, and the demerits traced."""
    labels = {
        "license": "License",
        "take_money_out": "Take money out?",
        "send_at_once": "Send at once",
        "start_without_check": "Start without identity check?",
        "set_aside": "Set aside if the operator fails",
    }
    could = tables.table(frames.user_by_service(case), "users", labels=labels)
    traced = frames.demerits_traced(case)
    if traced.empty:
        display(could, tables.paragraph(f"No demerit is on record for {case.on}."))
        return
    caption = "What bothered users, and where it comes from"
    display(could, tables.table(traced, "demerits", caption=caption))


def amendments(case: LicenseCase) -> None:
    """Display which licenses existed when, and the amendments with their passing rules."""
    changing = [a for a in case.rules.amendments if a.changes_wallet_regimes]
    marks = [(a.in_force.isoformat(), a.act.en) for a in changing]
    figure = charts.regime_lanes(frames.regime_spans(case), marks, case.on.isoformat())
    said = "Only the amendments that changed the wallet licenses are drawn; the table has all."
    display(figure, tables.paragraph(said), tables.table(frames.amendments(case), "amendments"))


def cases(case: LicenseCase) -> None:
    """Display the boundary cases, worked."""
    display(tables.table(worked_cases(case.rules), "cases"))


def calculator(case: LicenseCase) -> None:
    """Display the deposit calculator for the given amounts, and the curves."""
    bound = value_at(case.rules, "prepaid_base_balance_jpy", case.today).text()
    names = (f"prepaid: half, above {bound}", "funds transfer: all and the cost, with a floor")
    curves = frames.preservation_curves(case)
    known = curves.dropna(subset=["funds_pct"])
    said = "Under 100 % less is set aside than users have in the wallet. The floor makes the share "
    said += "of a small funds-transfer operator run off the top of the drawing."
    if known.empty:
        said += " The cost of return is not known for this day: the second curve is missing."
    figure = charts.set_aside(curves, names, case.unused_balance_jpy, case.today.isoformat())
    display(tables.tiles(prose.calculator(case)), figure, tables.paragraph(said))


def with_funds_transfer(case: LicenseCase) -> None:
    """Display what would have changed with a funds-transfer license on the day."""
    amounts = set_aside(case)
    said = (
        f"Of {amounts['balance']} (chosen for this report, not a public figure) a prepaid issuer "
        f"had to set aside **{amounts['prepaid']}**, a funds-transfer operator "
        f"**{amounts['funds_transfer']}**."
    )
    labels = {"as_prepaid": "As prepaid issuer", "with_funds_transfer": "With funds transfer"}
    display(tables.table(what_if(case), "what-if", labels=labels), tables.paragraph(said))


def duties(case: LicenseCase) -> None:
    """Display the duties in an outage, each with its place and how it may be used."""
    display(tables.table(frames.duties(case), "duties"))


def ending(case: LicenseCase) -> None:
    """Display findings and caveats."""
    display(tables.findings(prose.findings(case)), tables.caveats(prose.caveats(case)))
