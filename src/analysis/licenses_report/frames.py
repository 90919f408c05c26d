"""Frames of the license report: matrix, services, spans of lanes, amendments, duties, curves."""

from __future__ import annotations

import datetime as dt

import pandas as pd

from analysis.licenses import (
    Answer,
    classify_service,
    compare,
    demerits,
    deposit,
    outage_duties,
    preserve,
)
from analysis.licenses.comparison import cell, exists
from analysis.licenses.model import Gap, Transition
from analysis.licenses.preservation import as_number
from analysis.licenses.services import Service, documented_licenses, services
from analysis.licenses.words import amount_en, article_en
from analysis.licenses_report.case import LicenseCase
from analysis.licenses_report.user_view import answer, by_id

TOPICS_SHOWN = (
    "definition",
    "entry",
    "minimum_assets",
    "transfer_cap",
    "holding",
    "cash_out",
    "preservation",
    "kyc",
    "card_funding",
)


def matrix(on: dt.date) -> pd.DataFrame:
    """Return the comparison as one row a topic, one column a license: sentence and articles."""
    found = compare(on)
    rows = []
    for topic, label, _ in found.topics:
        if topic not in TOPICS_SHOWN:
            continue
        row = {"topic": label}
        for regime in found.regimes:
            rule = found.cell(topic, regime.id)
            places = f" [{', '.join(rule.articles)}]" if rule.articles else ""
            said = f"unknown: {rule.en}" if rule.answer == "unknown" else rule.en
            row[regime.short] = said + places
        rows.append(row)
    return pd.DataFrame(rows)


def services_then_and_now(case: LicenseCase) -> pd.DataFrame:
    """Return one row a service: license, cash-out, fee, check on the day; license later."""
    rows = []
    for service in services().values():
        then = service.state(case.on)
        now = service.state(case.today)
        rows.append(
            {
                "service": service.name.en,
                "license_then": _held(service, case.on, case) if then == "running" else then,
                "cash_out": _fact(service, "cash_out", case.on, then),
                "fee": _fact(service, "fee", case.on, then),
                "kyc": _fact(service, "kyc", case.on, then),
                "license_now": _held(service, case.today, case)
                if now == "running"
                else _gone(service, now),
                "confidence": service.licenses[0].confidence if service.licenses else "",
            }
        )
    return pd.DataFrame(rows)


def user_by_service(case: LicenseCase) -> pd.DataFrame:
    """Return one row a running service: what its user could do, each answer with its articles.

    The answers are the law's for the licenses on record, or for what its activity needs where
    none is on record; they are not the operator's terms.
    """
    rows = []
    for service in services().values():
        if service.state(case.on) != "running":
            continue
        held = documented_licenses(service, case.on, case.rules)
        regimes = held or classify_service(service.id, case.on).classification.regimes
        row = {"service": service.name.en, "license": " + ".join(_short(r, case) for r in regimes)}
        for name, column in (
            ("cash_out", "take_money_out"),
            ("transfer", "send_at_once"),
            ("no_check", "start_without_check"),
            ("set_aside", "set_aside"),
        ):
            row[column] = _answers(name, regimes, case)
        rows.append(row)
    return pd.DataFrame(rows)


def demerits_traced(case: LicenseCase) -> pd.DataFrame:
    """Return one row per demerit: service, what the user meets, origin, rule, articles, source."""
    origin = {
        "rule": "rule of law",
        "business": "business choice",
        "practice": "practice of the card schemes, no article",
        "inference": "probably the rule (inference)",
        "unknown": "not known",
    }
    rows = [
        {
            "service": record["service"],
            "what_the_user_meets": record["demerit"],
            "comes_from": origin[record["traced_to"]],
            "because": record["rule"] if record["traced_to"] != "business" else "",
            "articles": record["articles"] if record["traced_to"] in ("rule", "inference") else "",
            "source": record["source"],
        }
        for record in demerits(case.on)
    ]
    return pd.DataFrame(rows, columns=_DEMERIT_COLUMNS)


def license_spans(case: LicenseCase) -> pd.DataFrame:
    """Return one row per license held: service, regime, start, end, start_known, label.

    A start that is not on record is the day by which the license was held. Spans are cut where the
    single type became type 2.
    """
    rows = []
    last = case.today
    for service in services().values():
        for held in service.licenses:
            start = held.since or held.known_by
            if start is None or start > last:
                continue
            end = min(held.until or last, last)
            rows.append(
                {
                    "service": service.name.en,
                    "regime": held.regime,
                    "start": start,
                    "end": end,
                    "start_known": held.since is not None,
                    "label": _label(held.regime, held.number),
                }
            )
        if not service.licenses:
            rows.append(_unlicensed(service, last))
    frame = pd.DataFrame(rows)
    return frame[frame["end"] > frame["start"]].reset_index(drop=True)


def regime_spans(case: LicenseCase) -> pd.DataFrame:
    """Return one row per license and span of existence: regime, name, start, end."""
    rows = []
    for regime in case.rules.regimes:
        spans = [(p.valid_from, p.valid_to or case.rules.covered_to) for p in regime.periods]
        rows.append(
            {
                "regime": regime.id,
                "name": regime.name.en,
                "start": min(s for s, _ in spans),
                "end": max(e for _, e in spans),
                "examined_before": not any(
                    isinstance(g, Gap) and g.kind == "not_examined" for g in regime.gaps
                ),
            }
        )
    return pd.DataFrame(rows)


def amendments(case: LicenseCase) -> pd.DataFrame:
    """Return one row per amendment: day, act, change, transition rules, articles, confidence."""
    rows = []
    for amendment in case.rules.amendments:
        passing = [_passing(t) for t in amendment.transitions]
        cited = [*amendment.citations, *(c for t in amendment.transitions for c in t.citations)]
        places = dict.fromkeys(f"{c.law} {article_en(c.article)}" for c in cited)
        rows.append(
            {
                "in_force": amendment.in_force.isoformat(),
                "act": amendment.act.en,
                "change": amendment.change.en,
                "transition_rules": "; ".join(passing),
                "articles": ", ".join(places),
                "confidence": amendment.confidence,
            }
        )
    return pd.DataFrame(rows)


def duties(case: LicenseCase) -> pd.DataFrame:
    """Return one row per duty in an outage: duty, who, place, quote, how it may be used."""
    sides = (("prepaid_third_party", "prepaid issuer"), ("funds_transfer_2", "funds transfer"))
    rows = [
        {
            "who": who,
            "duty": duty.text.en,
            "place": ", ".join(duty.articles),
            "quote": " / ".join(duty.quotes),
            "use": duty.label,
        }
        for regime, who in sides
        for duty in outage_duties(regime, case.on, case.rules)
    ]
    return pd.DataFrame(rows)


def preservation_curves(case: LicenseCase) -> pd.DataFrame:
    """Return what must be preserved over balances: balance_jpy, prepaid_pct, funds_pct.

    In percent of the balance, both as of the later day, where the whole formula is known; from
    ¥1,000,000 to ¥1,000,000,000, with the amounts beside each bend.
    """
    balances = {round(10 ** (6 + step / 20)) for step in range(61)}
    balances |= {10_000_000, 10_000_001, 9_523_809, 9_523_810, 100_000_000}
    rows = [
        {
            "balance_jpy": balance,
            "prepaid_pct": _percent(deposit(balance, case.today, rules=case.rules), balance),
            "funds_pct": _percent(preserve(balance, case.today, rules=case.rules), balance),
        }
        for balance in sorted(balances)
    ]
    return pd.DataFrame(rows)


def _percent(answer: Answer, balance_jpy: int) -> float | None:
    required = as_number(answer)
    return None if required is None else 100 * required / balance_jpy


def _passing(transition: Transition) -> str:
    value, unit = transition.value, transition.unit
    if unit == "regime":
        return transition.rule.en
    amount = str(value) if unit == "ratio" else amount_en(int(value), unit)
    return f"{transition.rule.en}: {amount}"


def _answers(name: str, regimes: tuple[str, ...], case: LicenseCase) -> str:
    """One answer a license, each with its articles; equal answers are said once."""
    question = by_id(name)
    found: dict[str, list[str]] = {}
    for regime in regimes:
        if regime in ("none", "unknown"):
            found.setdefault("no rule applies" if regime == "none" else "unknown", [])
            continue
        rule = cell(question.topic, regime, case.on, case.rules)
        _, text = answer(question, rule, case.on, case.rules)
        places = f" [{', '.join(rule.articles[:2])}]" if rule.articles else ""
        prefix = f"{_short(regime, case)}: " if len(regimes) > 1 else ""
        found.setdefault(prefix + text + places, [])
    return "; ".join(found)


def _short(regime: str, case: LicenseCase) -> str:
    fixed = {"none": "none of these", "unknown": "unknown"}
    return fixed.get(regime) or case.rules.regime(regime).short


def _held(service: Service, on: dt.date, case: LicenseCase) -> str:
    held = documented_licenses(service, on, case.rules)
    if held:
        return " + ".join(_short(r, case) for r in held)
    stated = service.facts_on("license", on)
    return stated[0].en if stated else "none on record"


def _gone(service: Service, state: str) -> str:
    return f"ended {service.ended.date}" if service.ended else state


def _fact(service: Service, topic: str, on: dt.date, state: str) -> str | None:
    if state != "running":
        return None
    found = service.facts_on(topic, on)
    return "; ".join(f"{f.en} ({f.confidence})" for f in found) if found else None


def _label(regime: str, number: str | None) -> str:
    names = {"prepaid_third_party": "prepaid", "funds_transfer": "funds transfer", "bank": "bank"}
    return names.get(regime, regime) + (f" No. {number}" if number else "")


def _unlicensed(service: Service, last: dt.date) -> dict[str, object]:
    start = service.launched.date if service.launched else service.activities[0].from_
    stated = [f.en for f in service.facts if f.topic == "license" and f.value != "unknown"]
    return {
        "service": service.name.en,
        "regime": "none",
        "start": start,
        "end": min(service.ended.date if service.ended else last, last),
        "start_known": service.launched is not None,
        "label": stated[0].split(":")[0] if stated else "none of these licenses",
    }


def existing(case: LicenseCase, on: dt.date) -> list[str]:
    """Return the ids of the licenses that exist on a day."""
    return [r.id for r in case.rules.regimes if exists(r, on)]


_DEMERIT_COLUMNS = [
    "service",
    "what_the_user_meets",
    "comes_from",
    "because",
    "articles",
    "source",
]
