"""What the diagnosis is compared with: four scorers from the literature over the same measures.

Each scores every measure; a cause scores as much as the strongest measure that a person would link
to it (LINKS). None of them knows rules; the centroid learns from the development rounds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

LINKS: dict[str, tuple[str, ...]] = {
    "hot_row": ("aas_rowlock", "blocked", "log_waits", "log_wait_sessions"),
    "lock_across_call": ("idle_tx",),
    "pool_exhaustion": ("pool_waiting", "pool_wait_us_p50", "pool_errors", "pool_in_use"),
    "connection_limit": ("log_too_many", "connections"),
    "retry_storm": ("retries",),
    "missing_index": ("aas_cpu", "aas_io", "seq_tup_read"),
    "plan_flip": ("worst_statement", "statement_us_p50", "statement_us_p95", "log_duration_us_p95"),
    "wal_stall": ("aas_wal", "commit_us_p50", "commit_us_p95", "wal_bytes", "wal_fpi"),
    "long_transaction": ("xact_age_s", "idle_tx_age_s", "dead_tuples"),
    "deadlock": ("log_deadlocks",),
    "serialization_failure": ("log_serialization",),
    "advisory_lock": ("aas_advisory",),
    "ddl_lock_queue": ("aas_relation",),
    "gateway_partition": ("gateway_us_p95",),
    "gateway_slow": ("gateway_us_p50",),
    "access_surge": ("arrivals",),
    "sync_standby_lost": ("aas_syncrep",),
    "front_stopped": ("fronts",),
    "server_crash": ("log_crash", "ticks"),
}


def rank_by(scores: pd.Series) -> list[str]:
    """Causes by their strongest measure, best first; causes without a recorded measure are left
    out.
    """
    best = {}
    for cause, names in LINKS.items():
        known = [float(scores[n]) for n in names if n in scores.index and not np.isnan(scores[n])]
        if known:
            best[cause] = max(known)
    return sorted(best, key=lambda cause: (-best[cause], cause))


def max_z(frame: pd.DataFrame, _start: int) -> pd.Series:
    """Largest |x - mean| / standard deviation anywhere in the record; no window is used."""
    values = _values(frame)
    return ((values - values.mean()).abs() / _unit(values.std())).max()


def n_sigma(frame: pd.DataFrame, start: int) -> pd.Series:
    """Largest (x - mean) / standard deviation after `start`, both taken before it."""
    before, after = _split(_values(frame), start)
    return ((after - before.mean()).abs() / _unit(before.std())).max()


def median_iqr(frame: pd.DataFrame, start: int) -> pd.Series:
    """BARO's RobustScorer (Pham et al., FSE 2024): as N-sigma with median and
    interquartile range.
    """
    before, after = _split(_values(frame), start)
    spread = before.quantile(0.75) - before.quantile(0.25)
    return ((after - before.median()).abs() / _unit(spread)).max()


def _values(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=["at"]).astype("float64")


def _split(values: pd.DataFrame, start: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    cut = min(max(start, 2), len(values) - 1)
    return values.iloc[:cut], values.iloc[cut:]


def _unit(spread: pd.Series) -> pd.Series:
    """A spread of zero counts as one, as the common scalers do."""
    return spread.where(spread > 0, 1.0).fillna(1.0)


def signature(frame: pd.DataFrame, start: int, end: int) -> pd.Series:
    """One run as the centroid sees it: sign * log(1 + |robust z|) of each measure's
    median inside.
    """
    values = _values(frame)
    start, end = min(max(start, 0), len(values) - 1), min(max(end, 0), len(values) - 1)
    inside = values.iloc[start : end + 1].median()
    outside = values.drop(index=values.index[start : end + 1])
    outside = outside if len(outside) > 2 else values
    spread = _unit(outside.quantile(0.75) - outside.quantile(0.25))
    z = (inside - outside.median()) / spread
    return np.sign(z) * np.log1p(z.abs())


class Centroid:
    """Nearest centroid over signatures, one class a cause; unknown measures count as no change."""

    def __init__(self, examples: list[tuple[str, pd.Series]]) -> None:
        table = pd.DataFrame([s for _, s in examples]).fillna(0.0)
        table["cause"] = [c for c, _ in examples]
        self.centres = table.groupby("cause").mean()

    def rank(self, found: pd.Series) -> list[str]:
        """Causes by distance, nearest first."""
        row = found.reindex(self.centres.columns).fillna(0.0)
        distance = ((self.centres - row) ** 2).sum(axis=1)
        return [str(c) for c in distance.sort_values(kind="stable").index]
