"""The shape of the license rules: dated periods with citations, gaps with reasons, the rule base.

Everything is read from `data/licenses/*.yaml` and never changed afterwards. A day has exactly one
period, or lies in a gap that says why; asking for a day that has neither is a fault of the data.
"""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from runlog.errors import BadData, UsageFault, did_you_mean

Status = Literal["statute", "ordinance", "guideline", "practice", "unknown"]
Confidence = Literal["H", "H-M", "M-H", "M", "L-M", "L"]
GapKind = Literal["not_in_force", "not_examined"]
Number = int | Fraction


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bilingual(_Model):
    """One thing said in English and in Japanese."""

    en: str
    ja: str


class Citation(_Model):
    """One place in the law: article, the e-Gov revision that was read, at most 50 characters of it.

    `shows` names what the quote proves of a parameter: its amount, its comparison word.
    """

    law: str
    law_id: str
    revision: str
    article: str
    quote: str | None = Field(default=None, max_length=50)
    shows: tuple[Literal["amount", "word"], ...] = ()


class Source(_Model):
    """A public page that stands beside, or in place of, the text of the law."""

    url: str
    quote: str | None = Field(default=None, max_length=50)


class Period(_Model):
    """A span of days, both ends included; `valid_to` None is open at the end of coverage."""

    valid_from: dt.date
    valid_to: dt.date | None
    citations: tuple[Citation, ...] = Field(min_length=1)
    status: Status
    confidence: Confidence
    last_verified: dt.date
    sources: tuple[Source, ...] = ()
    note: str = ""

    def covers(self, on: dt.date) -> bool:
        """Return whether the day lies in the period."""
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)


class ValuePeriod(Period):
    """A number (or a list of month-days) with its comparison word."""

    value: int | str | tuple[str, ...]
    word: str

    def number(self) -> Number:
        """Return the value as an exact number: whole units, or a fraction for a ratio."""
        if isinstance(self.value, tuple):
            msg = "month-days are no number"
            raise TypeError(msg)
        return self.value if isinstance(self.value, int) else Fraction(self.value)


class StatementPeriod(Period):
    """What a regime says on a topic: a short answer code and a sentence with parameter names."""

    answer: str
    statement: Bilingual


class Gap(_Model):
    """Days for which no value is given, and why."""

    start: dt.date
    end: dt.date
    kind: GapKind
    reason: Bilingual

    def covers(self, on: dt.date) -> bool:
        """Return whether the day lies in the gap."""
        return self.start <= on <= self.end


P = TypeVar("P", bound=Period)


class Dated(_Model, Generic[P]):
    """Something that has one state a day: periods and gaps that together cover every day once."""

    id: str
    periods: tuple[P, ...]
    gaps: tuple[Gap, ...] = ()

    def at(self, on: dt.date) -> P | Gap:
        """Return the one period, or the gap, of a day.

        Raises BadData when the data hold none or more than one: such data must not be answered.
        """
        found: list[P | Gap] = [p for p in self.periods if p.covers(on)]
        found += [g for g in self.gaps if g.covers(on)]
        if len(found) != 1:
            what = f"{len(found)} states of '{self.id}' on one day instead of one"
            raise BadData(what, on, "correct its dates under data/licenses")
        return found[0]


class Parameter(Dated[ValuePeriod]):
    """A number of the law."""

    label: Bilingual
    regimes: tuple[str, ...]
    unit: str
    effect: Bilingual


class Rule(Dated[StatementPeriod]):
    """What some regimes say on one topic: a cell, or several equal cells, of the comparison."""

    topic: str
    regimes: tuple[str, ...]


class Clause(Dated[Period]):
    """A clause that decides a classification or a permission."""

    label: Bilingual


class Regime(Dated[Period]):
    """A license (or its absence) and the days on which it existed."""

    name: Bilingual
    short: str


class Duty(Period):
    """What an operator owes when its system fails."""

    id: str
    duty: Bilingual
    regimes: tuple[str, ...]


class Transition(Period):
    """A rule of passage from the old law to the new."""

    id: str
    rule: Bilingual
    value: int | str
    unit: str


class Amendment(_Model):
    """One day on which the law changed."""

    in_force: dt.date
    act: Bilingual
    change: Bilingual
    changes_wallet_regimes: bool
    citations: tuple[Citation, ...] = Field(min_length=1)
    status: Status
    confidence: Confidence
    last_verified: dt.date
    sources: tuple[Source, ...] = ()
    transitions: tuple[Transition, ...] = ()
    note: str = ""


class Law(_Model):
    """A text that is cited."""

    short: str
    law_id: str
    title: Bilingual
    number: str
    revision: str
    url: str
    kind: Literal["statute", "ordinance", "guideline"]


class Topic(_Model):
    """A row of the comparison."""

    id: str
    label: Bilingual


class RuleBase(_Model):
    """All rules. Lookups raise UsageFault for a name that does not exist."""

    text_date: dt.date
    covered_from: dt.date
    covered_to: dt.date
    disclaimer: Bilingual
    laws: tuple[Law, ...]
    regimes: tuple[Regime, ...]
    parameters: tuple[Parameter, ...]
    topics: tuple[Topic, ...]
    rules: tuple[Rule, ...]
    clauses: tuple[Clause, ...]
    duties: tuple[Duty, ...]
    amendments: tuple[Amendment, ...]

    def law(self, short: str) -> Law:
        """Return a law by its short name."""
        return _named(short, {x.short: x for x in self.laws}, "law")

    def regime(self, regime: str) -> Regime:
        """Return a regime by its id."""
        return _named(regime, {x.id: x for x in self.regimes}, "regime")

    def parameter(self, name: str) -> Parameter:
        """Return a parameter by its id."""
        return _named(name, {x.id: x for x in self.parameters}, "parameter")

    def clause(self, name: str) -> Clause:
        """Return a clause by its id."""
        return _named(name, {x.id: x for x in self.clauses}, "clause")

    def rule(self, topic: str, regime: str) -> Rule:
        """Return the rule of a regime on a topic."""
        self.regime(regime)
        known = {x.topic: x for x in self.rules if regime in x.regimes}
        return _named(topic, known, "topic")

    def transition(self, name: str) -> Transition:
        """Return a transition rule by its id."""
        known = {t.id: t for a in self.amendments for t in a.transitions}
        return _named(name, known, "transition rule")


T = TypeVar("T")


def _named(name: str, known: dict[str, T], kind: str) -> T:
    if name not in known:
        raise UsageFault(f"no such {kind}", name, did_you_mean(name, list(known)))
    return known[name]
