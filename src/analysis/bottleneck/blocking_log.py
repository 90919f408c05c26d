"""Who blocked whom, followed to the root, and which rows were hot: from the server log alone.

The log holds this since log_lock_waits exists: each wait longer than deadlock_timeout names the
processes that held the lock. Shorter waits leave no line; every figure here is censored below it.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.bottleneck.case import Case
from analysis.bottleneck.window import Window
from analysis.sql import load


def root_blockers(case: Case, window: Window | None = None, top: int = 10) -> pd.DataFrame:
    """Return root blockers, one row a session (or unknown session of a pid), heaviest first.

    Columns: pid, session_id (NULL when no session of that pid is known at the time),
    application_name, waiter_s (seconds others waited behind it), waiter_share, victims,
    victim_pids, waits, first_at, last_at, waiting_statement (of the longest wait).
    """
    return _query(case, "duckdb/bottleneck_log_root_blockers", {**_span(window), "top": top})


def wait_outcomes(case: Case, window: Window | None = None) -> pd.DataFrame:
    """Return lock waits by how they ended: outcome, waits, wait_us, max_us. Nobody is left out."""
    return _query(case, "duckdb/bottleneck_log_outcomes", _span(window))


def hot_rows(case: Case, window: Window | None = None, top: int = 10) -> pd.DataFrame:
    """Return the most waited-for rows, tables and advisory locks, heaviest first.

    Columns: relation (name, or its oid as text where the log never named it), tuple ("(page,item)",
    the page alone as "(page,*)" when the row's version moved within it; NULL for whole objects),
    kind, waits, wait_s, wait_share, relation_share, victims, longest_us.
    """
    return _query(case, "duckdb/bottleneck_hot_rows", {**_span(window), "top": top})


def deadlock_graphs(case: Case, window: Window | None = None, top: int = 20) -> pd.DataFrame:
    """Return the edges of deadlocks, one row an edge, newest deadlock last (at most
    `top` edges).
    """
    times = {"start": window.start, "end": window.end} if window else {
        "start": case.start, "end": case.at(case.buckets)}  # fmt: skip
    return _query(case, "bottleneck_deadlocks", {**times, "top": top})


def _span(window: Window | None) -> dict[str, Any]:
    if window is None:
        return {"first": -(10**9), "last": 10**9}
    return {"first": window.first, "last": window.last}


def _query(case: Case, name: str, parameters: dict[str, Any]) -> pd.DataFrame:
    return case.con.execute(load(name), parameters).df()
