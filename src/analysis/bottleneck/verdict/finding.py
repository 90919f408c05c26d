"""What a rule of the verdict returns."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from analysis.bottleneck.features import Features

Kind = Literal["problem", "symptom", "no_problem"]
ImpactOf = Literal["db_time", "request_time"]

CAUSES: dict[str, str] = {
    "hot_row": "one row that everybody updates",
    "lock_across_call": "row locks held while an outside service is called",
    "pool_exhaustion": "the connection pool is too small, or its connections do not come back",
    "connection_limit": "the server refuses connections (max_connections)",
    "retry_storm": "clients repeat faster than they are served",
    "missing_index": "an index is missing and tables are read in full",
    "plan_flip": "the planner changed its mind about a statement",
    "wal_stall": "writing the log (WAL) to disk is slow",
    "long_transaction": "one old transaction is left open",
    "deadlock": "transactions lock the same rows in different order",
    "serialization_failure": "transactions are rolled back as not serializable",
    "advisory_lock": "one advisory lock that everybody takes",
    "ddl_lock_queue": "a schema change waits, and everybody queues behind it",
    "gateway_partition": "the card gateway cannot be reached",
    "gateway_slow": "the card gateway answers slowly",
    "access_surge": "many more requests than usual",
    "sync_standby_lost": "commits wait for a synchronous standby that does not answer",
    "front_stopped": "a front process has stopped serving",
    "server_crash": "the database server crashed and recovered",
}


@dataclass(frozen=True)
class Evidence:
    """One row of evidence: what was seen, inside and outside the window, and where."""

    what: str
    during: float | str | None
    reference: float | str | None = None
    unit: str = ""
    source: str = ""


@dataclass(frozen=True)
class Finding:
    """One ranked statement of the verdict.

    `impact_pct` is the share (in percent) of DB time, or of request time, that this cause takes
    inside the window, NaN where that was not recorded; impacts overlap and may add up to more than
    100. `confidence` is 0 to 1. `told_from` says for each look-alike by what it was told apart.
    """

    cause: str
    kind: Kind
    impact_pct: float
    impact_of: ImpactOf
    confidence: float
    headline: str
    evidence: tuple[Evidence, ...]
    told_from: dict[str, str]
    advice: str
    because_of: str = ""

    def as_symptom(self, cause: str) -> Finding:
        """The same finding, seen as an effect of another cause."""
        return replace(self, kind="symptom", because_of=cause)

    def as_json(self) -> dict[str, Any]:
        """The finding as the command line prints it."""
        return {
            "cause": self.cause,
            "kind": self.kind,
            "impact_pct": None if math.isnan(self.impact_pct) else round(self.impact_pct, 1),
            "impact_of": self.impact_of,
            "confidence": round(self.confidence, 2),
            "headline": self.headline,
            "evidence": [
                {"what": e.what, "during": _plain(e.during), "reference": _plain(e.reference),
                 "unit": e.unit, "source": e.source}
                for e in self.evidence
            ],
            "told_from": [{"cause": c, "how": how} for c, how in self.told_from.items()],
            "advice": self.advice,
            "because_of": self.because_of or None,
        }  # fmt: skip


@dataclass
class Notes:
    """Collects evidence rows while a rule reads features."""

    features: Features
    rows: list[Evidence] = field(default_factory=list)

    def measure(self, *names: str) -> Notes:
        """Add the level of recorded measures, inside and outside the window."""
        from analysis.bottleneck.series import MEASURES

        for name in names:
            during = self.features.during(name)
            if not math.isnan(during):
                measure = MEASURES[name]
                self.rows.append(Evidence(
                    measure.words, during, self.features.reference(name), measure.unit,
                    measure.source
                ))  # fmt: skip
        return self

    def fact(self, words: str, name: str, unit: str = "", source: str = "samples") -> Notes:
        """Add a recorded fact."""
        value = self.features.facts.get(name)
        if value is not None and not (isinstance(value, float) and math.isnan(value)):
            self.rows.append(Evidence(words, value, None, unit, source))
        return self

    def say(self, what: str, value: float | str, unit: str = "", source: str = "") -> Notes:
        """Add any other row."""
        self.rows.append(Evidence(what, value, None, unit, source))
        return self

    def done(self) -> tuple[Evidence, ...]:
        return tuple(self.rows)


Rule = Callable[[Features], Finding | None]


def _plain(value: float | str | None) -> float | str | None:
    if isinstance(value, float | int) and not isinstance(value, bool):
        return None if math.isnan(value) else float(f"{value:.6g}")
    return value


def clamp(value: float, low: float = 0.0, high: float = 1.0) -> float:
    """Keep a number between two others; NaN becomes the lower."""
    return low if math.isnan(value) else min(max(value, low), high)


def db_time_of(f: Features, *names: str) -> float:
    """Share of DB time (percent) that these sampled parts of it take in the window."""
    return db_time_pct(f, sum(clamp(f.during(name), 0.0, math.inf) for name in names))


def db_time_pct(f: Features, sessions: float) -> float:
    """Share of DB time (percent) that `sessions` are of the active sessions in the window.

    DB time is sampled active time; without samples, the time of logged statements and of lock waits
    that ended without a duration. NaN where none was recorded.
    """
    total = f.during("aas")
    if math.isnan(total):
        logged, waits = f.during("log_aas"), f.during("log_wait_sessions")
        total = max(0.0 if math.isnan(logged) else logged, 0.0 if math.isnan(waits) else waits)
    return 100.0 * clamp(sessions / total) if total > 0 else math.nan


def request_time_pct(f: Features, *states: str) -> float:
    """Share of request time (percent) spent in these states in the window; NaN without requests."""
    if not f.shares:
        return math.nan
    return 100.0 * clamp(sum(f.shares.get(s, 0.0) for s in states))
