"""Which regime an activity needs on a day, or none, or that it is not certain, with reasons.

The activity is taken apart into what the law asks about: prepaid value, remittance, collecting for
payees, deposits, account reading. Each part gives its regimes; the answer is their union.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace

from analysis.licenses.activity import Activity
from analysis.licenses.collection import collection_part
from analysis.licenses.comparison import cell
from analysis.licenses.model import Bilingual, RuleBase, Transition
from analysis.licenses.parts import Part
from analysis.licenses.prepaid import prepaid_part
from analysis.licenses.reasons import (
    Reason,
    a_day,
    clause_reason,
    period_reason,
    rules_or_default,
    said,
)
from analysis.licenses.remittance import remittance_part


@dataclass(frozen=True)
class Classification:
    """The regimes an activity needs on a day.

    Attributes:
        regimes: regime ids; `none` alone when no regime applies; `unknown` among them when a part
            is not settled. Several funds-transfer types mean that the type is not settled.
        certain: whether every part is settled; else `open_questions` say what is missing.
        cash_out, kyc: `yes`, `no`, `unknown` or `not_applicable`; with several regimes `yes` means
            that a part of the service has it, see `cash_out_by_regime`, `kyc_by_regime`.
        transitions: ids of the rules of passage running on the day for those already in business.
        reason: the tree.
    """

    on: dt.date
    regimes: tuple[str, ...]
    certain: bool
    cash_out: str
    kyc: str
    cash_out_by_regime: dict[str, str]
    kyc_by_regime: dict[str, str]
    open_questions: tuple[str, ...]
    transitions: tuple[str, ...]
    reason: Reason


def classify(
    activity: Activity, on: dt.date | str, rules: RuleBase | None = None
) -> Classification:
    """Return which regimes an activity needs on a day.

    Raises BadData for a day outside the covered span.
    """
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    parts = [part for find in _PARTS if (part := find(activity, day, rules))]
    found = list(dict.fromkeys(regime for part in parts for regime in part.regimes))
    regimes = [r for r in found if r != "none"] or ["none"]
    questions = tuple(q for part in parts for q in part.open_questions)
    settled = all(part.settled for part in parts)
    cash_out = {r: _code("cash_out", r, day, rules) for r in regimes}
    kyc = {r: _code("kyc", r, day, rules) for r in regimes}
    details = [_detail(topic, r, day, rules) for r in regimes for topic in ("cash_out", "kyc")]
    details += [_detail("preservation", r, day, rules) for r in regimes]
    passing = _passing(activity, regimes, day, rules)
    en_open, ja_open = ("", "") if settled else (" (candidates: not settled)", "（未確定）")
    tree = said(
        f"On {day}: " + ", ".join(_name_en(r, rules) for r in regimes) + en_open,
        f"{day}：" + "、".join(_name_ja(r, rules) for r in regimes) + ja_open,
        *(part.reason for part in parts),
        *(d for d in details if d),
        *(_passing_reason(t) for t in passing),
    )
    return Classification(
        day,
        tuple(regimes),
        not questions and settled,
        _together(cash_out),
        _together(kyc),
        cash_out,
        kyc,
        questions,
        tuple(t.id for t in passing),
        tree,
    )


def _passing(
    activity: Activity, regimes: list[str], on: dt.date, rules: RuleBase
) -> list[Transition]:
    """Rules of passage of the day for those who were in business when the law changed."""
    wanted = []
    if "prepaid_high_value" in regimes:
        wanted.append("high_value")
    if "prepaid_third_party" in regimes:
        wanted += ["phased_deposit", "registration_grace"]
    if activity.collects and activity.cross_border:
        wanted.append("cross_border")
    known = [t for a in rules.amendments for t in a.transitions if t.covers(on)]
    return [t for t in known if wanted and t.id.startswith(tuple(wanted))]


def _passing_reason(transition: Transition) -> Reason:
    until = f" (to {transition.valid_to})" if transition.valid_to else ""
    unit = "" if transition.unit == "ratio" else f" {transition.unit}"
    rule = transition.rule
    text = Bilingual(
        en=f"transition{until}: {rule.en}: {transition.value}{unit}",
        ja=f"経過措置：{rule.ja}：{transition.value}{unit}",
    )
    return period_reason(text, transition)


def _deposit_part(activity: Activity, on: dt.date, rules: RuleBase) -> Part | None:
    if not activity.takes_deposits:
        return None
    in_force, reason = clause_reason(rules.clause("deposit_taking"), on)
    return Part(("bank",) if in_force else ("unknown",), reason, settled=in_force)


def _account_part(activity: Activity, on: dt.date, rules: RuleBase) -> Part | None:
    if not activity.reads_accounts:
        return None
    _, reason = clause_reason(rules.clause("account_reading"), on)
    return Part(("none",), reason)


def _pass_through_part(activity: Activity, on: dt.date, rules: RuleBase) -> Part | None:
    if not activity.passes_through:
        return None
    _, definition = clause_reason(rules.clause("prepaid_definition"), on)
    reason = said(
        "no value is paid for in advance: a card or bank account is charged when paying",
        "前払いの価値がない（支払時にカード又は口座から引落し）",
        definition,
    )
    return Part(("none",), reason)


def _name_en(regime: str, rules: RuleBase) -> str:
    fixed = {"none": "none of these licenses", "unknown": "not settled"}
    return fixed.get(regime) or f"{rules.regime(regime).name.en} ({regime})"


def _name_ja(regime: str, rules: RuleBase) -> str:
    fixed = {"none": "いずれの規制にも当たらない", "unknown": "確定できない"}
    return fixed.get(regime) or rules.regime(regime).name.ja


def _code(topic: str, regime: str, on: dt.date, rules: RuleBase) -> str:
    if regime == "none":
        return "not_applicable"
    if regime == "unknown":
        return "unknown"
    return ANSWER_CODES.get(cell(topic, regime, on, rules).answer, "unknown")


def _detail(topic: str, regime: str, on: dt.date, rules: RuleBase) -> Reason | None:
    if regime in ("none", "unknown"):
        return None
    reason = cell(topic, regime, on, rules).reason
    label = next(t.label for t in rules.topics if t.id == topic)
    return replace(reason, en=f"{label.en}: {reason.en}", ja=f"{label.ja}：{reason.ja}")


def _together(answers: dict[str, str]) -> str:
    for answer in ("yes", "unknown", "no"):
        if answer in answers.values():
            return answer
    return "not_applicable"


ANSWER_CODES = {"permitted": "yes", "prohibited": "no", "yes": "yes", "no": "no"}
_PARTS: tuple[Callable[[Activity, dt.date, RuleBase], Part | None], ...] = (
    remittance_part,
    prepaid_part,
    collection_part,
    _deposit_part,
    _account_part,
    _pass_through_part,
)
