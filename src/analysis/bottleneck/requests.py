"""Where requests spend their time: the exclusive states of the TSA method (B.
Gregg), per bucket.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.bottleneck.case import Case
from analysis.bottleneck.window import Window
from analysis.sql import load

# in the order a request meets them; 'front' is what no stage accounts for
STATES = ("queue", "pool", "lock", "other database", "commit", "gateway", "front")


def request_states(case: Case, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the mean number of requests in each state at a time, one row a bucket.

    Time inside statements is divided into 'lock' and 'other database' by the share of active
    sessions that activity samples saw waiting for a lock in the same bucket; without samples by the
    lock waits of the server log; without either all of it is 'other database'. 'front' is
    the remainder: the application's own work, and stages that were not recorded.

    Returns: index bucket, columns `at` and STATES; empty when no requests were recorded.
    """
    if not case.has("requests"):
        return pd.DataFrame(columns=["at", *STATES])
    long = case.con.execute(load("duckdb/bottleneck_request_states"), case.axis).df()
    wide = long.pivot_table(index="bucket", columns="state", values="requests", aggfunc="sum")
    wide = wide.reindex(index=frame.index).astype("float64").fillna(0.0)
    parts = {name: wide.get(name, pd.Series(0.0, index=frame.index)) for name in (
        "total", "queue", "pool", "gateway", "statement", "commit")}  # fmt: skip
    lock = parts["statement"] * _lock_share(frame)
    states = pd.DataFrame({
        "queue": parts["queue"], "pool": parts["pool"], "lock": lock,
        "other database": parts["statement"] - lock, "commit": parts["commit"],
        "gateway": parts["gateway"],
    })  # fmt: skip
    states["front"] = (parts["total"] - states.sum(axis=1)).clip(lower=0.0)
    states.insert(0, "at", frame["at"])
    return states


def _lock_share(frame: pd.DataFrame) -> pd.Series:
    """Share of statement time that waits for locks, 0..1, one value a bucket."""
    inside = frame["aas"] - frame["aas_wal"] - frame["aas_syncrep"]
    sampled = frame["aas_lock"] / inside.where(inside > 0)
    logged = frame["log_wait_sessions"] / frame["log_aas"].where(frame["log_aas"] > 0)
    return sampled.fillna(logged).fillna(0.0).clip(0.0, 1.0)


def state_shares(states: pd.DataFrame, window: Window) -> dict[str, float]:
    """Return the share of request time (0..1) spent in each state inside the window."""
    if states.empty:
        return {}
    inside = states[list(STATES)].iloc[window.first : window.last + 1].sum()
    total = float(inside.sum())
    if total <= 0:
        return {}
    return {name: float(inside[name]) / total for name in STATES}


def pool_against_latency(frame: pd.DataFrame) -> pd.DataFrame:
    """Return pool waiting and latency side by side, one row a bucket that has both.

    Returns columns: at, pool_waiting (requests), in_flight (requests), latency_us_p50,
    latency_us_p95.
    """
    columns = ["at", "pool_waiting", "in_flight", "pool_in_use", "latency_us_p50", "latency_us_p95"]
    part = frame[columns]
    known = part["pool_waiting"].notna() & part["latency_us_p50"].notna()
    return part[known].reset_index(drop=True)


def rank_correlation(a: pd.Series, b: pd.Series) -> float:
    """Return Spearman's rank correlation, NaN with fewer than five pairs or a constant side."""
    both = pd.DataFrame({"a": a.to_numpy(dtype=float), "b": b.to_numpy(dtype=float)}).dropna()
    ranked = both.rank()
    if len(ranked) < 5 or ranked["a"].nunique() < 2 or ranked["b"].nunique() < 2:
        return float("nan")
    return float(np.corrcoef(ranked["a"], ranked["b"])[0, 1])
