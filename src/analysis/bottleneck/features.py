"""The feature frame of a case: everything the rules of the verdict look at, and nothing else.

Two kinds: the level of every measure inside and outside the window, and facts that are no series
(who the root blockers were, which errors, which row). Names of applications and of scenarios are
never features: a rule that could read "job hot_row" would prove nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.bottleneck import blocking, blocking_log, requests, statements, window_facts
from analysis.bottleneck.case import Case
from analysis.bottleneck.robust import transformed
from analysis.bottleneck.series import MEASURES
from analysis.bottleneck.window import Window
from analysis.sql import load

# A log with less than this part of its usual records in the time looked at is of another time.
ELSEWHERE = 0.01


@dataclass
class Features:
    """Features of one window. `levels`: index measure, columns during, reference, peak, spreads."""

    case: Case = field(repr=False)
    window: Window
    levels: pd.DataFrame = field(repr=False)
    shares: dict[str, float]
    facts: dict[str, Any]
    frames: dict[str, pd.DataFrame] = field(repr=False)
    _levels: dict[str, dict[str, float]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._levels = {
            str(column): {str(name): float(value) for name, value in self.levels[column].items()}
            for column in self.levels
        }

    def spreads(self, name: str) -> float:
        """How far the level inside lies above the one outside, in units of what means nothing."""
        return float(self._levels["spreads"][name])

    def during(self, name: str) -> float:
        """Level inside the window (mean; median for latencies); NaN when not recorded."""
        return float(self._levels["during"][name])

    def reference(self, name: str) -> float:
        """Level outside the window; NaN when not recorded or when there is no outside."""
        return float(self._levels["reference"][name])

    def peak(self, name: str) -> float:
        """Highest level inside the window after smoothing over three buckets."""
        return float(self._levels["peak"][name])

    def rise(self, name: str) -> float:
        """During less reference; the level itself when there is no reference; 0 when not
        recorded.
        """
        during, reference = self.during(name), self.reference(name)
        if math.isnan(during):
            return 0.0
        return during - (0.0 if math.isnan(reference) else reference)

    def ratio(self, name: str) -> float:
        """During over reference; NaN when either is not recorded or the reference is 0."""
        during, reference = self.during(name), self.reference(name)
        return during / reference if reference > 0 else float("nan")

    def fact(self, name: str, default: float = 0.0) -> float:
        """A numeric fact; `default` when not recorded."""
        value = self.facts.get(name)
        return (
            default if value is None or (isinstance(value, float) and math.isnan(value)) else value
        )

    @property
    def log_elsewhere(self) -> bool:
        """True when the log has next to nothing of the time that the other evidence is of."""
        return self.has("logs") and self.fact("log_placed_share") < ELSEWHERE

    def has(self, kind: str) -> bool:
        """True when this kind of evidence ('samples', 'logs', 'requests') may be used."""
        return self.case.has(kind)


def extract(case: Case, frame: pd.DataFrame, window: Window) -> Features:
    """Return the features of `window` (as `find_window` gives it) in `frame` (as `series` does)."""
    states = requests.request_states(case, frame)
    query = window_facts.query
    slack = max(1, window_facts.SLACK_S // case.bucket_s)
    frames = {
        "roots": blocking.root_blockers(case, window),
        "log_roots": blocking_log.root_blockers(case, window),
        "hot_rows": blocking_log.hot_rows(case, window),
        "wait_kinds": query(case, "duckdb/bottleneck_fact_waits", window),
        "outcomes": blocking_log.wait_outcomes(case, window),
        "reasons": query(case, "bottleneck_fact_reasons", window),
        "old_transactions": query(case, "duckdb/bottleneck_fact_old_transactions", window),
        "sampled_statements": statements.sampled_statements(case, window),
        "log_statements": query(case, "bottleneck_fact_log_statements", window),
        "tables": case.con.execute(
            load("duckdb/bottleneck_fact_tables"),
            {"first": window.first, "last": window.last, "slack": slack},
        ).df(),
        "client_statements": window_facts.client_growth(case, window),
    }
    facts: dict[str, Any] = {}
    facts |= window_facts.of_samples(case, window, frames, frame)
    facts |= window_facts.of_log(case, window, frames)
    facts |= window_facts.of_requests(case, window, frame)
    return Features(
        case,
        window,
        levels(frame, window, case.bucket_s),
        requests.state_shares(states, window),
        facts,
        frames,
    )


def levels(frame: pd.DataFrame, window: Window, bucket_s: int = 1) -> pd.DataFrame:
    """Return one row a measure: during, reference, peak and spreads (robust distance of during).

    Means for counts and sessions, medians for latencies (a mean of medians would hide a burst).
    """
    rows = []
    inside, outside = list(window.buckets), list(window.reference)
    for name, measure in MEASURES.items():
        values = frame[name].to_numpy(dtype=float)
        during = _level(values[inside], measure.scale)
        reference = _level(values[outside], measure.scale) if outside else math.nan
        smooth = frame[name].rolling(3, center=True, min_periods=1).median().iloc[inside]
        peak = float(smooth.max()) if smooth.notna().any() else math.nan
        judged = transformed(np.array([during, reference]), measure, bucket_s)
        spread = 1.0 if measure.scale == "count" else measure.floor
        rows.append((name, during, reference, peak, (judged[0] - judged[1]) / spread))
    columns = ["measure", "during", "reference", "peak", "spreads"]
    return pd.DataFrame(rows, columns=columns).set_index("measure")


def _level(values: Any, scale: str) -> float:
    known = values[~np.isnan(values)]
    if not known.size:
        return math.nan
    return float(np.median(known) if scale == "ratio" else np.mean(known))
