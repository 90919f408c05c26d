"""Sentences of the license report, each from the answers: summary, tiles, findings, caveats."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from analysis.licenses import classify_service, deposit, preserve
from analysis.licenses.comparison import cell
from analysis.licenses.preservation import as_number
from analysis.licenses.services import ServiceClassification, services
from analysis.licenses.words import yen_exact
from analysis.licenses_report.case import LicenseCase
from analysis.licenses_report.frames import demerits_traced, existing
from analysis.licenses_report.what_if import set_aside, what_if
from analysis.tables import Finding, Tile

_VERBS = {"yes": "could", "no": "could not"}


def subject(case: LicenseCase) -> ServiceClassification:
    """Return the service of the report, classified on its day."""
    return classify_service(case.service.id, case.on, case.rules)


def summary(case: LicenseCase) -> list[str]:
    """Return the executive summary: what the service was, what followed, who differed."""
    found = subject(case)
    answer = found.classification
    name = case.service.name.en
    names = _names(answer.regimes, case)
    entry = _article(answer.regimes, "entry", case)
    outside = set(answer.regimes) <= {"none", "collection_agency"}
    verb = "stood outside the registered licenses" if outside else "needed this license"
    first = f"By what it did on {case.on}, {name} {verb}: **{names}**{'' if outside else entry}."
    if found.state != "running":
        first = f"{name}: {found.state} on {case.on}. What it did at the nearest time would on "
        first += f"that day be: **{names}**{'' if outside else entry}."
    if not answer.certain:
        first += " What is open stands with the reasons below."
    money = _VERBS.get(answer.cash_out)
    second = (
        f"So its users **{money} take money out**"
        f"{_article(answer.regimes, 'cash_out', case)}, and the law "
        f"{_identity(answer.kyc)}{_article(answer.regimes, 'kyc', case)}."
        if money
        else ""
    )
    return [first, second, _others(case), _since(case), _tracing(case), notice(case)]


def notice(case: LicenseCase) -> str:
    """Return the line that every page carries: research, not advice, and the date of the text."""
    rules = case.rules
    return f"{rules.disclaimer.en} {rules.disclaimer.ja} Text of the law as of {rules.text_date}."


def tiles(case: LicenseCase) -> list[Tile]:
    """Return the big values of the report."""
    found = subject(case).classification
    tone = {"yes": "good", "no": "bad"}
    spoken = {"yes": "yes", "no": "no", "not_applicable": "no rule applies"}
    periods = [p for parameter in case.rules.parameters for p in parameter.periods]
    cited = [p for p in periods if all(c.quote and c.revision for c in p.citations)]
    return [
        Tile(
            "License by activity",
            _short_names(found.regimes, case),
            f"{case.service.name.en}, {case.on}",
        ),
        Tile(
            "Take money out",
            spoken.get(found.cash_out, "unknown"),
            "by law, not by the operator's terms",
            tone.get(found.cash_out, "neutral"),  # type: ignore[arg-type]
        ),
        Tile("Identity check by law", spoken.get(found.kyc, "unknown"), "when a wallet is opened"),
        Tile("Set aside for users", _short_preservation(found.regimes, case), "in case it fails"),
        Tile("Rules with article and quote", f"{len(cited)} of {len(periods)}", "numbers of law"),
    ]


def calculator(case: LicenseCase) -> list[Tile]:
    """Return the deposit calculator's answers for the report's amounts."""
    prepaid = deposit(case.unused_balance_jpy, case.on, rules=case.rules)
    types = case.types if "funds_transfer" not in existing(case, case.today) else 1
    funds = preserve(case.undelivered_jpy, case.today, types=types, rules=case.rules)
    base = prepaid.extra.get("base_date", "")
    shown = _million(prepaid.value)
    other = _million(funds.value)
    least = funds.extra.get("at_least_jpy")
    note = f"at least ¥{least:,.0f}" if funds.value is None and least is not None else ""
    return [
        Tile(
            "Prepaid issuer must set aside",
            shown,
            f"for {yen_exact(case.unused_balance_jpy)} unused, base date {base}",
        ),
        Tile(
            "Funds-transfer operator must set aside",
            other,
            note
            or f"for {yen_exact(case.undelivered_jpy)} undelivered, {types} type(s), {case.today}",
        ),
    ]


def findings(case: LicenseCase) -> list[Finding]:
    """Return the findings, each with its articles and how sure it is."""
    found = subject(case).classification
    amounts = set_aside(case)
    changes = what_if(case)
    changed = changes[changes["change"] == "yes"]["topic"].tolist()
    name = case.service.name.en
    return [
        Finding(
            f"{name} on {case.on}: {_names(found.regimes, case)}",
            _cited(found.reason.flat()),
            "computed",
            "certain" if found.certain else "open questions remain",
        ),
        Finding(
            f"Money set aside of {amounts['balance']}: {amounts['prepaid']} as prepaid issuer, "
            f"{amounts['funds_transfer']} with funds transfer",
            "PSA art. 14(1), PSA-Order art. 6; PSA art. 43",
            "computed",
            _exactness(amounts, case),
        ),
        Finding(
            "A funds-transfer license would have changed: " + (", ".join(changed) or "nothing"),
            "cell by cell above",
            "computed",
            "M-H for the text before 2021" if case.on.isoformat() < "2021-05-01" else "H",
        ),
        Finding(
            "No rule examined here touches the ledger or the capacity of the system: the license "
            "would not by itself have prevented an outage",
            "none found in the texts examined; the 2026 guideline asks for capacity plans",
            "hypothesis",
            "",
        ),
    ]


def caveats(case: LicenseCase) -> list[str]:
    """Return what the reader must know before using a number."""
    day = case.rules.text_date
    return [
        notice(case),
        _one(
            f"The text read is that of **{day}**; the texts of 2018 and earlier were not read.",
            "Where only the present text is known, an earlier day is answered “unknown”.",
        ),
        _one(
            "A past value carries the citation of the present text; that it stood in the same",
            "place then was not checked, save where a transition clause says so.",
        ),
        _one(
            "Outage duties are those of the guideline of 2026-08-17. Days before are only",
            "**measured against the 2026 guideline**: it is not shown to have been in force.",
        ),
        _one(
            "That funds-transfer apps could not be funded by credit card is **practice**, told by",
            "a consumer magazine in 2018; no article says so.",
        ),
        _one(
            "License numbers come from a public secondary copy of the official lists and were not",
            "checked against the lists. Each cell of the services names its confidence.",
        ),
        _one(
            "Act 64/2026 takes effect in stages after the date of the text; later days than",
            f"{day} are answered as if nothing changed.",
        ),
    ]


def metrics(case: LicenseCase) -> dict[str, Any]:
    """Return the figures of the report for machines."""
    found = subject(case).classification
    traced = demerits_traced(case)
    running = [s.id for s in services().values() if s.state(case.on) == "running"]
    counts = traced["comes_from"].value_counts().to_dict() if len(traced) else {}
    prepaid = deposit(case.unused_balance_jpy, case.on, rules=case.rules)
    types = case.types if "funds_transfer" not in existing(case, case.today) else 1
    funds = preserve(case.undelivered_jpy, case.today, types=types, rules=case.rules)
    return {
        "on": case.on,
        "today": case.today,
        "service": case.service.id,
        "regimes": list(found.regimes),
        "cash_out": found.cash_out,
        "kyc": found.kyc,
        "certain": found.certain,
        "licenses_existing": existing(case, case.on),
        "services_running": running,
        "services_cash_out": {
            s: classify_service(s, case.on, case.rules).classification.cash_out for s in running
        },
        "demerits_by_origin": counts,
        "deposit_required_jpy": as_number(prepaid),
        "preserve_required_jpy": as_number(funds),
        "parameters": len(case.rules.parameters),
        "text_date": case.rules.text_date,
    }


def headline(case: LicenseCase) -> list[tuple[str, str]]:
    """Return what the index page shows of the report."""
    found = subject(case).classification
    spoken = {"yes": "yes", "no": "no"}
    return [
        (f"{case.service.name.en} on {case.on}", _names(found.regimes, case)),
        ("Money out", spoken.get(found.cash_out, found.cash_out)),
        ("Identity check by law", spoken.get(found.kyc, found.kyc)),
        ("Set aside for users", _short_preservation(found.regimes, case)),
    ]


def reasons_text(case: LicenseCase) -> str:
    """Return the tree of reasons of the report's service, English first, then Japanese."""
    found = subject(case)
    parts = [*found.classification.reason.lines("en"), ""]
    parts += found.classification.reason.lines("ja")
    questions = [f"open: {q}" for q in found.classification.open_questions]
    notes = [f"note: {n}" for n in found.notes]
    return "\n".join([*parts, *questions, *notes])


def _million(yen: Fraction | None) -> str:
    """Whole hundred thousands read in millions; every other amount stays exact to the half yen."""
    if yen is None:
        return "unknown"
    if yen >= 1_000_000 and yen % 100_000 == 0:
        return f"¥{float(yen / 1_000_000):,g} million"
    return yen_exact(yen)


def _one(*parts: str) -> str:
    return " ".join(parts)


def _names(regimes: tuple[str, ...], case: LicenseCase) -> str:
    fixed = {"none": "under none of these licenses", "unknown": "not settled by the facts"}
    names = [fixed.get(r) or case.rules.regime(r).name.en for r in regimes]
    if len([r for r in regimes if r.startswith("funds_transfer_")]) > 1:
        rest = [
            n for n, r in zip(names, regimes, strict=True) if not r.startswith("funds_transfer_")
        ]
        names = ["funds transfer (the type depends on its limits)", *rest]
    return " and ".join(names)


def _short_names(regimes: tuple[str, ...], case: LicenseCase) -> str:
    fixed = {"none": "none of these", "unknown": "not settled"}
    types = [r for r in regimes if r.startswith("funds_transfer_")]
    if len(types) > 1:
        regimes = ("funds_transfer", *(r for r in regimes if r not in types))
    return " + ".join(fixed.get(r) or case.rules.regime(r).short for r in regimes)


def _article(regimes: tuple[str, ...], topic: str, case: LicenseCase) -> str:
    """The article of the first regime's rule, the main one of a topic."""
    regime = regimes[0]
    if regime in ("none", "unknown"):
        return ""
    articles = cell(topic, regime, case.on, case.rules).articles
    return f" ({articles[0]})" if articles else ""


def _identity(kyc: str) -> str:
    words = {"yes": "asked for an identity check", "no": "asked for no identity check"}
    return words.get(kyc, "leaves the identity check open")


def _others(case: LicenseCase) -> str:
    groups: dict[str, list[str]] = {"yes": [], "no": []}
    for service in services().values():
        if service.id == case.service.id or service.state(case.on) != "running":
            continue
        out = classify_service(service.id, case.on, case.rules).classification.cash_out
        if out in groups:
            groups[out].append(service.name.en)
    said = []
    if groups["yes"]:
        said.append(f"money could be taken out of {_list(groups['yes'])}")
    if groups["no"]:
        said.append(f"not out of {_list(groups['no'])}")
    return f"By the rules for what they did, {', '.join(said)} on the same day." if said else ""


def _since(case: LicenseCase) -> str:
    if case.today == case.on:
        return ""
    later = [
        a
        for a in case.rules.amendments
        if case.on < a.in_force <= case.today and a.changes_wallet_regimes
    ]
    if not later:
        return f"Between {case.on} and {case.today} no amendment changed the wallet licenses."
    said = "; ".join(f"**{a.in_force}** {a.change.en.split(';')[0]}" for a in later)
    return f"Until {case.today} the law changed the licenses {_times(len(later))}: {said}."


def _tracing(case: LicenseCase) -> str:
    traced = demerits_traced(case)
    if traced.empty:
        return ""
    rule = int((traced["comes_from"] == "rule of law").sum())
    choice = int((traced["comes_from"] == "business choice").sum())
    rest = len(traced) - rule - choice
    return (
        f"Of {len(traced)} demerits a user met on {case.on}, **{rule} follow from a rule of law**, "
        f"{choice} were business choices, and {rest} come from practice or are not settled."
    )


def _short_preservation(regimes: tuple[str, ...], case: LicenseCase) -> str:
    words = {"half": "half", "full": "all", "full_or_bank_deposit": "all", "none": "nothing"}
    answers = {
        words.get(cell("preservation", r, case.on, case.rules).answer, "unknown")
        for r in regimes
        if r not in ("none", "unknown")
    }
    return " / ".join(sorted(answers)) or "no rule applies"


def _cited(records: list[dict[str, Any]]) -> str:
    return ", ".join(list(dict.fromkeys(r["article_en"] for r in records))[:6])


def _exactness(amounts: dict[str, str], case: LicenseCase) -> str:
    if "unknown" in amounts.values():
        return "not settled by the texts that were read"
    bound = amounts["funds_transfer"].startswith("at least")
    return f"the cost of return on {case.on} is not known: a lower bound" if bound else "exact"


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
