"""The comparison matrix: what each regime says on each topic on a day."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from analysis.licenses.model import Bilingual, Gap, Regime, RuleBase
from analysis.licenses.reasons import (
    Reason,
    a_day,
    gap_reason,
    period_reason,
    rules_or_default,
    value_at,
)
from analysis.licenses.words import article_en


@dataclass(frozen=True)
class Cell:
    """One cell: topic x regime. `answer` is a code; `not_in_force`, `unknown` are two."""

    topic: str
    regime: str
    answer: str
    en: str
    ja: str
    status: str
    confidence: str
    articles: tuple[str, ...]
    reason: Reason


@dataclass(frozen=True)
class Comparison:
    """The matrix of one day; `regimes` are those that exist on it, in the order of the data."""

    on: dt.date
    regimes: tuple[Regime, ...]
    topics: tuple[tuple[str, str, str], ...]
    cells: tuple[Cell, ...]

    def cell(self, topic: str, regime: str) -> Cell:
        """Return one cell. Raises KeyError for a regime that does not exist on the day."""
        for cell in self.cells:
            if (cell.topic, cell.regime) == (topic, regime):
                return cell
        raise KeyError((topic, regime))


def compare(on: dt.date | str, rules: RuleBase | None = None) -> Comparison:
    """Return what every regime that exists on a day says on every topic.

    Raises BadData for a day outside the covered span.
    """
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    regimes = tuple(r for r in rules.regimes if exists(r, day))
    topics = tuple((t.id, t.label.en, t.label.ja) for t in rules.topics)
    cells = tuple(cell(t.id, r.id, day, rules) for t in rules.topics for r in regimes)
    return Comparison(day, regimes, topics, cells)


def exists(regime: Regime, on: dt.date) -> bool:
    """Return whether a regime exists on a day; a day that was not examined counts as existing."""
    state = regime.at(on)
    return not (isinstance(state, Gap) and state.kind == "not_in_force")


def cell(topic: str, regime: str, on: dt.date, rules: RuleBase) -> Cell:
    """Return what one regime says on one topic on a day, numbers filled in."""
    state = rules.rule(topic, regime).at(on)
    if isinstance(state, Gap):
        label = Bilingual(en="no answer", ja="回答なし")
        answer = "unknown" if state.kind == "not_examined" else "not_in_force"
        reason = gap_reason(label, state)
        text = state.reason
        return Cell(topic, regime, answer, text.en, text.ja, "unknown", "", (), reason)
    text = filled(state.statement, on, rules)
    names = list(dict.fromkeys(_NAMES.findall(state.statement.en)))
    numbers = [value_at(rules, name, on).reason() for name in names]
    reason = period_reason(text, state, *numbers)
    articles = tuple(f"{c.law} {article_en(c.article)}" for c in state.citations)
    return Cell(
        topic,
        regime,
        state.answer,
        text.en,
        text.ja,
        state.status,
        state.confidence,
        articles,
        reason,
    )


def filled(text: Bilingual, on: dt.date, rules: RuleBase) -> Bilingual:
    """Return a statement with each {parameter} replaced by its value on the day."""

    def put(language: str) -> str:
        raw = text.ja if language == "ja" else text.en
        return _NAMES.sub(lambda m: value_at(rules, m[1], on).text(language), raw)

    return Bilingual(en=put("en"), ja=put("ja"))


_NAMES = re.compile(r"\{(\w+)\}")
