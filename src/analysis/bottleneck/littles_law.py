"""Little's law as a test of the data: sessions = arrival rate x mean time, from two independent
records.

Requests: fronts count their attempts in work (`pool_stats.in_flight`), the request log has every
start and end. Database: samples count active sessions, the client's spans (or the server log) time
every statement. Where two such records disagree, one of them is incomplete, and no percentage
computed from it deserves trust.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.bottleneck.case import Case
from analysis.sql import load

# A window holds this many buckets: long enough that what crosses its edges weighs little.
WINDOW_BUCKETS = 10
# Sampling noise and crossing edges: a tenth is ordinary, a quarter means that something is missing.
AGREE, DOUBT = 0.10, 0.25
_LEAST_SESSIONS = 0.5

COLUMNS = ["what", "at", "expected", "counted", "ratio", "judgement"]


def littles_law(case: Case, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the check for every window of ten buckets, for requests and for the database.

    Returns columns: what ('requests', 'database'), at (start of the window, UTC), expected (from
    rates and times), counted (from the independent count), ratio (counted / expected; NaN under
    half a session), judgement ('agrees', 'roughly', 'disagrees', 'too little'). Empty when a run
    lacks one of the two sides.
    """
    rows = [*_requests(case), *_database(case, frame)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _requests(case: Case) -> list[tuple[object, ...]]:
    if not (case.has("requests") and case.run.rows("pool_stats")):
        return []
    found = case.con.execute(
        load("duckdb/bottleneck_little_requests"), {**case.axis, "width": WINDOW_BUCKETS}
    ).df()
    # the last window may be short: what is left of the record, not ten buckets
    found = found[found["counted"].notna() & (found["window"] < case.buckets // WINDOW_BUCKETS)]
    return [
        _row("requests", case, int(r["window"]), float(r["expected"]), float(r["counted"]))
        for _, r in found.iterrows()
    ]


def _database(case: Case, frame: pd.DataFrame) -> list[tuple[object, ...]]:
    """Active sessions as sampled, against the time that clients spent in statements and commits."""
    if not case.has("samples") or not case.run.rows("spans") or not case.has("requests"):
        return []
    found = case.con.execute(load("duckdb/bottleneck_request_states"), case.axis).df()
    inside = found["state"].isin(["statement", "commit"])
    timed = found[inside].groupby("bucket")["requests"].sum()
    seconds = timed.reindex(frame.index).fillna(0.0)
    rows = []
    for window in range(len(frame) // WINDOW_BUCKETS):
        part = slice(window * WINDOW_BUCKETS, (window + 1) * WINDOW_BUCKETS)
        counted = float(frame["aas"].iloc[part].mean())
        if not np.isnan(counted):
            rows.append(_row("database", case, window, float(seconds.iloc[part].mean()), counted))
    return rows


def _row(what: str, case: Case, window: int, expected: float, counted: float) -> tuple[object, ...]:
    small = max(expected, counted) < _LEAST_SESSIONS
    ratio = float("nan") if small or expected <= 0 else counted / expected
    off = abs(ratio - 1.0)
    judgement = (
        "too little" if np.isnan(ratio)
        else "agrees" if off <= AGREE else "roughly" if off <= DOUBT else "disagrees"
    )  # fmt: skip
    return what, case.at(window * WINDOW_BUCKETS), expected, counted, ratio, judgement
