"""Who blocked whom, followed to the root, as activity samples show it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.bottleneck.case import Case
from analysis.bottleneck.window import Window
from analysis.sql import load

# Half a minute without anybody blocked ends an episode; a shorter pause is the same jam.
EPISODE_GAP_S = 30


def root_blockers(case: Case, window: Window | None = None) -> pd.DataFrame:
    """Return kinds of root blockers from samples, the one most waited for first.

    One row a (state of the root, what it waited for itself, application). Columns: root_state,
    root_wait, application_name, statement, waiter_s, waiter_share, victims, roots, held_us_p50,
    held_us_max, idle_us_p50. Empty without samples or without blocking.
    """
    return _query(case, "duckdb/bottleneck_root_blockers", _span(case, window))


def episodes(case: Case) -> pd.DataFrame:
    """Return blocking episodes over the whole record, the heaviest first.

    Columns: started_at, ended_at, duration_us, waiter_s, victims, waiters_max, roots, idle_share
    (share of the waiting whose root was idle in transaction).
    """
    return _query(case, "duckdb/bottleneck_episodes", {"gap_us": EPISODE_GAP_S * 1_000_000})


def idle_root_share(roots: pd.DataFrame) -> float:
    """Return the share of waiting (0..1) whose root was idle in transaction; NaN without any."""
    if roots.empty or not roots["waiter_s"].sum():
        return float("nan")
    idle = roots["root_state"].str.startswith("idle in transaction")
    return float(roots.loc[idle, "waiter_s"].sum() / roots["waiter_s"].sum())


def working_root_share(roots: pd.DataFrame) -> float:
    """Return the share of waiting (0..1) whose root was seen at work; NaN without any.

    At work: active, or between two statements (idle in transaction for less than 10 ms).
    """
    if roots.empty or not roots["waiter_s"].sum():
        return float("nan")
    within = roots["root_state"].str.match("active|fastpath|idle in transaction")
    seen = roots.loc[within, "waiter_s"] - roots.loc[within, "client_waiter_s"]
    return float(seen.sum() / roots["waiter_s"].sum())


def _span(case: Case, window: Window | None) -> dict[str, Any]:
    if window is None:
        return {"first": -1, "last": case.buckets}
    return {"first": window.first, "last": window.last}


def _query(case: Case, name: str, parameters: dict[str, Any]) -> pd.DataFrame:
    return case.con.execute(load(name), parameters).df()
