"""Database time by statement, and the tables one expects of a log analyser, with
exact percentiles.
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from analysis.bottleneck.case import Case
from analysis.bottleneck.window import Window
from analysis.sql import load

TOP = 15
_KEPT = 100  # rows of a table of statements that are kept for the next who asks
# What looks rows up says where from; what a prepared or called thing does, its name does not tell.
_LOOKS_UP = re.compile(
    r"^\W*(?:update|merge|table|execute|fetch|call|do)\b|\bfrom\b", re.IGNORECASE
)
_LOADS = re.compile(r"^\W*copy\b(?!\s*\()", re.IGNORECASE)
_CHANGES = re.compile(
    r"\b(?:insert\s+into|delete\s+from|merge\s+into)\b|^\W*update\b"
    r"|\bfor\s+(?:(?:no\s+key\s+)?update|(?:key\s+)?share)\b",
    re.IGNORECASE,
)


def looks_rows_up(statement: str | None) -> bool:
    """True unless its text shows that a statement searches no table, so that no plan matters.

    >>> looks_rows_up("INSERT INTO t VALUES (?)"), looks_rows_up("SELECT a FROM t WHERE b = ?")
    (False, True)
    """
    if not statement:
        return True
    return bool(_LOOKS_UP.search(statement)) and not _LOADS.match(statement)


def takes_rows(statement: str | None) -> bool:
    """True when the text of a statement shows that it changes or locks rows.

    >>> takes_rows("SELECT a FROM t WHERE b = ? FOR UPDATE"), takes_rows("SELECT a FROM t")
    (True, False)
    """
    return bool(statement and _CHANGES.search(statement))


def logged_statements(case: Case, window: Window | None = None, top: int = TOP) -> pd.DataFrame:
    """Return statements by logged time, one row a fingerprint and kind, the costliest first.

    Columns: query_id, statement, kind, calls, total_us, share, mean_us, p50_us, p95_us, p99_us,
    p999_us, max_us. Exact: each percentile is a logged duration. Binds and parses are rows of their
    own. Statements below log_min_duration_statement, failed and cancelled ones left no duration.
    """
    span = buckets(window)
    key = ("logged_statements", *span.values())
    if key not in case.kept:
        case.kept[key] = _query(case, "bottleneck_log_statements", {**span, "top": _KEPT})
    return case.kept[key].head(min(top, _KEPT)).copy()


def sampled_statements(case: Case, window: Window | None = None, top: int = TOP) -> pd.DataFrame:
    """Return statements by sampled active time, the costliest first; nothing is below a threshold.

    Columns: query_id, statement, samples, db_time_s, db_time_share, cpu_share, lock_share,
    wal_share, io_share (of the statement's own time).
    """
    start, end = times(case, window)
    span = {"start": start, "end": end, "span_s": (end - start).total_seconds()}
    parameters = {**buckets(window), **span, "top": top}
    return _query(case, "bottleneck_sample_statements", parameters)


def client_statements(case: Case, window: Window | None = None) -> pd.DataFrame:
    """Return statements and commits as the client measured them, one row a name.

    Columns: span, name, calls, total_us, p50_us, p95_us, p99_us, p999_us, max_us (exact).
    """
    return _query(case, "bottleneck_span_statements", buckets(window))


LOG_TABLES = {
    "errors": ("bottleneck_log_errors", "buckets"),
    "checkpoints": ("bottleneck_log_checkpoints", "times"),
    "temp_files": ("bottleneck_log_temp_files", "times"),
    "autovacuums": ("bottleneck_log_autovacuums", "times"),
    "connections": ("bottleneck_log_connections", "times"),
}


def log_table(case: Case, name: str, window: Window | None = None, top: int = TOP) -> pd.DataFrame:
    """Return one of LOG_TABLES; grain and columns are in its SQL file. Empty without a log."""
    query, span = LOG_TABLES[name]
    if span == "buckets":
        parameters: dict[str, Any] = {**buckets(window), "top": top}
    else:
        start, end = times(case, window)
        parameters = {"start": start, "end": end}
        if name != "checkpoints":
            parameters["top"] = top
    return _query(case, query, parameters)


def buckets(window: Window | None) -> dict[str, int]:
    """First and last bucket of the window; of everything when there is none."""
    if window is None:
        return {"first": -(10**9), "last": 10**9}
    return {"first": window.first, "last": window.last}


def times(case: Case, window: Window | None) -> tuple[Any, Any]:
    """Start and end of the window; of the whole record when there is none."""
    return (window.start, window.end) if window else (case.start, case.at(case.buckets))


def _query(case: Case, name: str, parameters: dict[str, Any]) -> pd.DataFrame:
    return case.con.execute(load(name), parameters).df()
