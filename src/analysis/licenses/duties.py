"""What an operator under a regime owes on a day: standing rules, and duties in an outage."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from analysis.licenses.comparison import Cell, cell, exists, filled
from analysis.licenses.model import Bilingual, Citation, RuleBase, Transition
from analysis.licenses.reasons import (
    Reason,
    a_day,
    clause_reason,
    period_reason,
    rules_or_default,
)
from analysis.licenses.words import article_en

TOPICS = ("entry", "minimum_assets", "transfer_cap", "holding", "cash_out", "preservation", "kyc")
# how a duty may be used for a day before the text of it that was read
LATER_TEXT = "measured against the 2026 guideline"
_POWERS = ("report_order", "improvement_order", "suspension")


@dataclass(frozen=True)
class OutageDuty:
    """One duty in an outage.

    `in_force` is None when the wording of the day was not checked: the duty may then only be used
    to measure an incident against the guideline of 2026.
    """

    id: str
    text: Bilingual
    in_force: bool | None
    label: str
    articles: tuple[str, ...]
    quotes: tuple[str, ...]
    reason: Reason


@dataclass(frozen=True)
class Obligations:
    """What a regime asks on a day: one cell a topic, outage duties, powers, transition rules."""

    regime: str
    on: dt.date
    exists: bool
    cells: tuple[Cell, ...]
    outage: tuple[OutageDuty, ...]
    powers: tuple[Reason, ...]
    transitions: tuple[Transition, ...]


def obligations(regime: str, on: dt.date | str, rules: RuleBase | None = None) -> Obligations:
    """Return what a regime asks of an operator on a day.

    Raises UsageFault for an unknown regime, BadData for a day outside the covered span.
    """
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    there = exists(rules.regime(regime), day)
    cells = tuple(cell(topic, regime, day, rules) for topic in TOPICS) if there else ()
    powers = _powers(regime, day, rules) if there else ()
    passing = tuple(
        t for a in rules.amendments for t in a.transitions if t.covers(day) and _about(t, regime)
    )
    outage = tuple(outage_duties(regime, day, rules)) if there else ()
    return Obligations(regime, day, there, cells, outage, powers, passing)


def outage_duties(
    regime: str, on: dt.date | str, rules: RuleBase | None = None
) -> list[OutageDuty]:
    """Return the duties in an outage, each with its place and whether the wording is the day's."""
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    rules.regime(regime)
    # the type before 2021 is measured against what its successor owes now
    asked = "funds_transfer_2" if regime == "funds_transfer" else regime
    found = []
    for duty in rules.duties:
        if asked not in duty.regimes:
            continue
        text = filled(duty.duty, max(day, duty.valid_from), rules)
        in_force = True if duty.covers(day) else None
        label = "in force" if in_force else LATER_TEXT
        found.append(
            OutageDuty(
                duty.id,
                text,
                in_force,
                label,
                tuple(_place(c) for c in duty.citations),
                tuple(c.quote for c in duty.citations if c.quote),
                period_reason(text, duty),
            )
        )
    return found


def _powers(regime: str, on: dt.date, rules: RuleBase) -> tuple[Reason, ...]:
    side = "prepaid" if regime.startswith("prepaid") else "funds"
    if side == "funds" and not regime.startswith("funds_transfer"):
        return ()
    return tuple(clause_reason(rules.clause(f"{power}_{side}"), on)[1] for power in _POWERS)


def _about(transition: Transition, regime: str) -> bool:
    topics = {
        "prepaid_own": ("phased_deposit",),
        "prepaid_third_party": ("phased_deposit", "registration_grace"),
        "prepaid_high_value": ("high_value",),
        "funds_transfer_2": ("deemed",),
        "collection_agency": ("cross_border",),
    }
    return transition.id.startswith(topics.get(regime, ("(none)",)))


def _place(citation: Citation) -> str:
    return f"{citation.law} {article_en(citation.article)}"
