"""What a user can count on under each license: six questions, each answered from the rules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from analysis.licenses.comparison import Cell, cell, exists
from analysis.licenses.model import RuleBase
from analysis.licenses.permissions import TRANSFER_CAPS
from analysis.licenses.reasons import value_at

LEVELS = ("yes", "partly", "no", "unknown")


@dataclass(frozen=True)
class Question:
    """One question of a user, the topic of the rules that answers it, and how an answer reads.

    `read` gives (level, short text) of a cell; the level is one of `LEVELS`.
    """

    id: str
    text: str
    topic: str
    read: Callable[[Cell, dt.date, RuleBase], tuple[str, str]]


def user_view(on: dt.date, rules: RuleBase) -> pd.DataFrame:
    """Return one row per question and license that exists on the day.

    Columns: question, topic, regime, regime_short, level, text, articles. Order: questions, then
    regimes in the order of the data.
    """
    rows = []
    for question in QUESTIONS:
        for regime in rules.regimes:
            if not exists(regime, on):
                continue
            found = cell(question.topic, regime.id, on, rules)
            level, text = answer(question, found, on, rules)
            rows.append(
                {
                    "question": question.text,
                    "topic": question.topic,
                    "regime": regime.id,
                    "regime_short": regime.short,
                    "level": level,
                    "text": text,
                    "articles": ", ".join(found.articles),
                }
            )
    return pd.DataFrame(rows)


def answer(question: Question, found: Cell, on: dt.date, rules: RuleBase) -> tuple[str, str]:
    """Return (level, short text) of one cell; what the facts do not settle is `unknown`."""
    if found.answer in ("unknown", "not_in_force"):
        return "unknown", "unknown"
    return question.read(found, on, rules)


def by_id(name: str) -> Question:
    """Return a question by its id."""
    return next(q for q in QUESTIONS if q.id == name)


def _cash_out(found: Cell, _on: dt.date, _rules: RuleBase) -> tuple[str, str]:
    return ("no", "no") if found.answer == "prohibited" else ("yes", "yes")


def _transfer(found: Cell, on: dt.date, rules: RuleBase) -> tuple[str, str]:
    name = TRANSFER_CAPS.get(found.regime)
    if found.answer == "capped" and name:
        return "partly", f"up to {value_at(rules, name, on).text()}"
    return "yes", "own plan" if found.answer == "own_plan" else "no cap by law"


def _holding(found: Cell, on: dt.date, rules: RuleBase) -> tuple[str, str]:
    if found.answer in ("allowed", "deposits", "no_rule"):
        return "yes", "no rule" if found.answer == "no_rule" else "yes"
    if found.answer == "capped":
        return "partly", f"up to {value_at(rules, 'user_debt_cap_type3_jpy', on).text()}"
    if found.answer == "allowed_if_for_transfers":
        return "partly", "if for transfers"
    return ("partly", "briefly") if found.answer == "limited" else ("no", "no")


def _without_check(found: Cell, _on: dt.date, _rules: RuleBase) -> tuple[str, str]:
    return ("yes", "yes") if found.answer == "no" else ("no", "no: identity check")


def _set_aside(found: Cell, on: dt.date, rules: RuleBase) -> tuple[str, str]:
    if found.answer == "half":
        bound = value_at(rules, "prepaid_base_balance_jpy", on).text()
        return "partly", f"half, above {bound}"
    if found.answer in ("full", "full_or_bank_deposit"):
        return "yes", "all of it"
    return "no", "nothing"


def _interest(found: Cell, _on: dt.date, _rules: RuleBase) -> tuple[str, str]:
    return ("yes", "yes") if found.answer == "allowed" else ("no", "risky (guideline)")


QUESTIONS = (
    Question("cash_out", "Take the money out?", "cash_out", _cash_out),
    Question("transfer", "Send any amount at once?", "transfer_cap", _transfer),
    Question("holding", "Leave money in it?", "holding", _holding),
    Question("no_check", "Start without an identity check?", "kyc", _without_check),
    Question(
        "set_aside", "Is the money set aside if the operator fails?", "preservation", _set_aside
    ),
    Question("interest", "Earn interest?", "interest", _interest),
)
