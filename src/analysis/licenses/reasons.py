"""Answers with their reasons: a tree of sentences, each with the articles that decided it.

Verdicts are `yes`, `no`, `unknown` (the facts do not settle it) or a code that the function names.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from analysis.licenses.corpus import rule_base
from analysis.licenses.model import (
    Bilingual,
    Citation,
    Clause,
    Gap,
    Number,
    Parameter,
    Period,
    RuleBase,
    ValuePeriod,
)
from analysis.licenses.words import WORDS, amount_en, amount_ja, article_en, holds, yen_exact
from runlog.errors import BadData

AMOUNT_MAX_JPY = 10**15


@dataclass(frozen=True)
class Reason:
    """One sentence of an explanation, with its citations and what stands under it."""

    en: str
    ja: str
    citations: tuple[Citation, ...] = ()
    status: str = ""
    confidence: str = ""
    children: tuple[Reason, ...] = ()
    note: str = ""

    def lines(self, language: str = "en", depth: int = 0) -> list[str]:
        """Return the tree as indented lines in `en` or `ja`, articles and quotes under each."""
        indent = "  " * depth
        marks = ", ".join(filter(None, (self.status, self.confidence)))
        layer = f"[{marks}]" if marks else ""
        found = [
            " ".join(filter(None, (indent + (self.ja if language == "ja" else self.en), layer)))
        ]
        for c in self.citations:
            place = c.article if language == "ja" else article_en(c.article)
            quote = f" 「{c.quote}」" if c.quote else ""
            found.append(f"{indent}  § {c.law} {place}{quote} ({c.revision})")
        if self.note and language == "en":
            found.append(f"{indent}  note: {self.note}")
        for child in self.children:
            found += child.lines(language, depth + 1)
        return found

    def flat(self) -> list[dict[str, Any]]:
        """Return one record per citation: law, article, revision, quote, layer and the sentence."""
        records = [
            {
                "law": c.law,
                "law_id": c.law_id,
                "article": c.article,
                "article_en": f"{c.law} {article_en(c.article)}",
                "revision": c.revision,
                "quote": c.quote,
                "status": self.status,
                "confidence": self.confidence,
                "en": self.en,
                "ja": self.ja,
            }
            for c in self.citations
        ]
        for child in self.children:
            records += child.flat()
        return list({tuple(sorted(r.items(), key=str)): r for r in records}.values())

    def tree(self) -> dict[str, Any]:
        """Return the tree as nested dictionaries."""
        return {
            "en": self.en,
            "ja": self.ja,
            "status": self.status,
            "confidence": self.confidence,
            "articles": [f"{c.law} {article_en(c.article)}" for c in self.citations],
            "because": [child.tree() for child in self.children],
        }


@dataclass(frozen=True)
class Answer:
    """A verdict with its reasons; `value` is the number or code answered, None when unknown."""

    verdict: str
    reason: Reason
    value: Any = None
    open_questions: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    def articles(self) -> list[str]:
        """Return the articles that decided it, in English notation, each once."""
        return list(dict.fromkeys(r["article_en"] for r in self.reason.flat()))


@dataclass(frozen=True)
class Value:
    """A parameter on one day: known with its period, or unknown with its gap."""

    parameter: Parameter
    on: dt.date
    state: ValuePeriod | Gap

    @property
    def known(self) -> bool:
        """Whether a value is given for the day."""
        return isinstance(self.state, ValuePeriod)

    @property
    def number(self) -> Number:
        """The exact number. Raises BadData when the day lies in a gap."""
        if isinstance(self.state, Gap):
            what = f"no value of '{self.parameter.id}' on this day"
            raise BadData(what, self.on, self.state.reason.en)
        return self.state.number()

    def test(self, amount: Number) -> bool | None:
        """Return whether the amount stands in the parameter's relation; None when unknown."""
        if isinstance(self.state, Gap):
            return None
        return holds(self.state.word, amount, self.state.number())

    def text(self, language: str = "en") -> str:
        """Return the value as text, or why there is none."""
        if isinstance(self.state, Gap):
            reason = self.state.reason
            return f"({reason.ja})" if language == "ja" else f"(unknown: {reason.en})"
        value = self.state.value if isinstance(self.state.value, tuple) else self.state.number()
        speak = amount_ja if language == "ja" else amount_en
        return speak(value, self.parameter.unit)

    def reason(self, amount: Number | None = None) -> Reason:
        """Return the parameter as a sentence; with an amount, the comparison and its outcome."""
        label = self.parameter.label
        if isinstance(self.state, Gap):
            return gap_reason(label, self.state)
        word = WORDS[self.state.word]
        en, ja = f"{label.en}: {self.text()}", f"{label.ja}：{self.text('ja')}"
        if amount is not None:
            met = self.test(amount)
            shown = yen_exact(amount) if self.parameter.unit == "JPY" else f"{amount}"
            en = f"{label.en}: {shown} is {'' if met else 'not '}{word.en} {self.text()}"
            outcome = "当たる" if met else "当たらない"
            ja = f"{label.ja}：{shown}は{self.text('ja')}{word.ja}に{outcome}"
        return period_reason(Bilingual(en=en, ja=ja), self.state)


def rules_or_default(rules: RuleBase | None) -> RuleBase:
    """Return the given rules, or the project's."""
    return rules if rules is not None else rule_base()


def a_day(on: dt.date | str, rules: RuleBase) -> dt.date:
    """Return a covered day. Raises BadData for no date, or a day outside the covered span."""
    span = f"give a date from {rules.covered_from} to {rules.covered_to}"
    if isinstance(on, str):
        try:
            on = dt.date.fromisoformat(on)
        except ValueError:
            raise BadData("not a date", on, f"{span} as YYYY-MM-DD") from None
    if not rules.covered_from <= on <= rules.covered_to:
        raise BadData("date outside the rules covered", on, span)
    return on


def an_amount(amount: int, name: str) -> int:
    """Return whole yen. Raises BadData for a negative amount or one that is not whole."""
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise BadData(f"{name} is no whole number of yen", amount, "give whole yen")
    if amount < 0:
        raise BadData(f"{name} is negative", amount, "give whole yen, zero or more")
    if amount > AMOUNT_MAX_JPY:
        raise BadData(f"{name} is more than all yen there are", amount, "check the number")
    return amount


def value_at(rules: RuleBase, name: str, on: dt.date) -> Value:
    """Return a parameter on a day."""
    parameter = rules.parameter(name)
    return Value(parameter, on, parameter.at(on))


def period_reason(text: Bilingual, period: Period, *children: Reason) -> Reason:
    """Return a sentence with the citations of a period."""
    return Reason(
        text.en,
        text.ja,
        period.citations,
        period.status,
        period.confidence,
        children,
        period.note,
    )


def gap_reason(label: Bilingual, gap: Gap) -> Reason:
    """Return a gap as a sentence: what is not known and why."""
    en, ja = f"{label.en}: {gap.reason.en}", f"{label.ja}：{gap.reason.ja}"
    # a license that did not exist yet is known not to exist; only what was not read is unknown
    return Reason(en, ja, status="unknown" if gap.kind == "not_examined" else "")


def clause_reason(clause: Clause, on: dt.date) -> tuple[bool, Reason]:
    """Return whether a clause is in force on a day, and the clause (or its gap) as a reason."""
    state = clause.at(on)
    if isinstance(state, Gap):
        return False, gap_reason(clause.label, state)
    return True, period_reason(clause.label, state)


def said(en: str, ja: str, *children: Reason) -> Reason:
    """Return a sentence of our own that stands on its children."""
    return Reason(en, ja, children=tuple(children))
