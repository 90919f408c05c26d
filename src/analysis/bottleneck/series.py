"""Every measure of a case over time: one row a bucket, one column a measure, NaN where unrecorded.

The catalogue below says of each measure where it comes from and how small a change means nothing;
the anomaly window, the features of the verdict and the charts all read the same frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analysis.bottleneck.case import Case
from analysis.sql import load

Source = Literal["samples", "logs", "requests"]


@dataclass(frozen=True)
class Measure:
    """One measure: source, unit, and `floor`, the smallest spread it is judged against.

    `scale` is how its noise grows: 'count' as the square root of its size (arrivals, errors),
    'ratio' in proportion (latencies: compared as logarithms), 'level' not at all (sessions).
    `direction` is where trouble lies: +1 up, -1 down, 0 says nothing by itself. `odd_alone`: one in
    a second is out of the ordinary, however evenly they come.
    """

    source: Source
    unit: str
    floor: float
    scale: Literal["count", "ratio", "level"]
    direction: int
    words: str
    odd_alone: bool = False


def _sessions(words: str, direction: int = 1, floor: float = 0.7) -> Measure:
    # a sample counts whole sessions: half a session more or less is one lucky sample in two
    return Measure("samples", "sessions", floor, "level", direction, words)


def _count(source: Source, words: str, direction: int = 1, floor: float = 1.0) -> Measure:
    return Measure(source, "per second", floor, "count", direction, words)


def _rare(words: str, odd_alone: bool = False) -> Measure:
    # a healthy server goes for minutes without one: the noise to beat is a tenth a second, not one
    return Measure("logs", "per second", 0.1, "count", 1, words, odd_alone)


def _latency(words: str, floor: float = 0.2) -> Measure:
    # a fifth more is what one busy second of a shared machine does
    return Measure("requests", "us", floor, "ratio", 1, words)


MEASURES: dict[str, Measure] = {
    "aas": _sessions("average active sessions"),
    "aas_cpu": _sessions("sessions on CPU"),
    "aas_io": _sessions("sessions reading or writing data files"),
    "aas_wal": _sessions("sessions writing or flushing WAL"),
    "aas_syncrep": _sessions("sessions waiting for a synchronous standby"),
    "aas_lwlock": _sessions("sessions in internal locks and IPC"),
    "aas_lock": _sessions("sessions waiting for a lock"),
    "aas_rowlock": _sessions("sessions waiting for a row"),
    "aas_advisory": _sessions("sessions waiting for an advisory lock"),
    "aas_relation": _sessions("sessions waiting for a table"),
    "aas_timeout": _sessions("sessions in pg_sleep and the like", 0),
    "idle_tx": _sessions("sessions idle in transaction"),
    "blocked": _sessions("sessions with a blocker"),
    "xact_age_s": Measure("samples", "s", 2.0, "level", 1, "age of the oldest transaction"),
    "idle_tx_age_s": Measure("samples", "s", 1.0, "level", 1, "longest idle in transaction"),
    "connections": _sessions("connections to the server", 1, 3.0),
    "ticks": Measure("samples", "samples", 2.0, "level", -1, "activity samples taken"),
    "seq_tup_read": _count("samples", "rows read by sequential scans", 1, 20_000.0),
    "wal_bytes": _count("samples", "bytes of WAL written", 0, 1e6),
    "wal_fpi": _count("samples", "full page images", 0, 50.0),
    "dead_tuples": Measure("samples", "rows", 2000.0, "level", 0, "dead rows"),
    "arrivals": _count("requests", "new requests", 1),
    "retries": _count("requests", "repeated requests", 1),
    "bad": _count("requests", "requests failed, timed out or shed", 1),
    "declined": _count("requests", "requests declined", 0),
    "approved": _count("requests", "requests approved", 0),
    "timed_out": _count("requests", "requests timed out", 1),
    "failed": _count("requests", "requests failed", 1),
    "shed": _count("requests", "requests shed", 1),
    "latency_us_p50": _latency("median latency from the intended arrival"),
    "latency_us_p95": _latency("95th percentile latency from the intended arrival", 0.35),
    "gateway_us_p50": _latency("median gateway call"),
    "gateway_us_p95": _latency("95th percentile gateway call", 0.35),
    "pool_wait_us_p50": Measure("requests", "us", 2000.0, "level", 1, "median wait for the pool"),
    "statement_us_p50": _latency("median statement", 0.35),
    "statement_us_p95": _latency("95th percentile statement", 0.35),
    "worst_statement": Measure(
        "requests", "log times", 0.2, "level", 1, "slowing of the statement that slowed most"
    ),
    "commit_us_p50": _latency("median commit", 0.35),
    "commit_us_p95": _latency("95th percentile commit", 0.5),
    "pool_waiting": Measure("requests", "requests", 1.0, "level", 1, "requests waiting for a pool"),
    "pool_max": Measure(
        "requests", "connections", 1.0, "level", 0, "connections the pools may have"
    ),
    "pool_in_use": Measure("requests", "share", 0.15, "level", 0, "share of pool connections out"),
    "pool_errors": _count("requests", "requests that got no connection", 1),
    "in_flight": Measure("requests", "requests", 2.0, "level", 1, "requests in work"),
    "fronts": Measure("requests", "fronts", 0.5, "level", -1, "fronts that take up work"),
    "log_errors": _count("logs", "errors in the server log"),
    "log_deadlocks": _rare("deadlocks"),
    "log_serialization": _rare("serialization failures"),
    "log_too_many": _rare("connections refused (53300)"),
    "log_crash": _rare("crash and recovery records", odd_alone=True),
    "log_cancelled": _count("logs", "statements cancelled (57014, 55P03)", 1, 0.5),
    # PostgreSQL itself warns of checkpoints less than 30 s apart (checkpoint_warning)
    "log_checkpoints": _rare("checkpoints begun", odd_alone=True),
    "log_connections": _count("logs", "connections made", 0, 3.0),
    "log_waits": _count("logs", "lock waits that reached the log", 1, 0.5),
    "log_wait_sessions": Measure(
        "logs", "sessions", 0.7, "level", 1, "sessions in logged lock waits"
    ),
    "log_statements": _count("logs", "statements with a duration", 0),
    # how many a log shows depends on its threshold; of those that took long it shows all, or
    # all that there are
    "log_slow": _count("logs", "logged statements of 0.1 s and more", 1, 0.5),
    "log_aas": Measure("logs", "sessions", 0.7, "level", 1, "sessions in logged statements"),
    "log_duration_us_p95": Measure(
        "logs", "us", 0.5, "ratio", 0, "95th percentile logged duration"
    ),
}

_COUNTERS = ("seq_tup_read", "wal_bytes", "wal_fpi", "dead_tuples")
_PER_SECOND = [n for n, m in MEASURES.items() if m.scale == "count"]


def series(case: Case) -> pd.DataFrame:
    """Return all measures over time, one row a bucket.

    Returns: index `bucket` (0..case.buckets-1), column `at` (start of the bucket, UTC), then one
    column for each measure of the catalogue. Counts are per second. A bucket without requests,
    errors or waits counts 0 where that kind of evidence was recorded; a measure of evidence that
    was not recorded is NaN throughout.
    """
    axis = pd.RangeIndex(case.buckets, name="bucket")
    frame = pd.DataFrame(index=axis)
    parts = {
        "samples": ["bottleneck_series_samples", "bottleneck_series_counters"],
        "requests": [
            "bottleneck_series_requests", "bottleneck_series_spans", "bottleneck_series_pool",
            "duckdb/bottleneck_series_worst",
        ],
        "logs": ["bottleneck_series_log", "bottleneck_series_log_waits",
        "bottleneck_series_log_time"],
    }  # fmt: skip
    for kind, queries in parts.items():
        for query in queries if case.has(kind) else ():
            found = case.con.execute(load(query)).df().set_index("bucket")
            frame = frame.join(found.reindex(axis).astype("float64"))
    if case.has("requests"):
        frame["bad"] = frame[["failed", "timed_out", "shed"]].sum(axis=1)
    return _completed(frame, case)


def _completed(frame: pd.DataFrame, case: Case) -> pd.DataFrame:
    for name, measure in MEASURES.items():
        if name not in frame or not case.has(measure.source):
            frame[name] = np.nan
        elif name in _COUNTERS and frame[name].isna().all():
            continue  # a server that has no such counter (WAL before version 14) did not count 0
        elif measure.scale == "count" or name in ("log_aas", "log_wait_sessions", "ticks"):
            frame[name] = frame[name].fillna(0.0)
    if not _recorded(case, "pool_stats"):
        frame[["pool_waiting", "pool_max", "pool_in_use", "pool_errors", "in_flight"]] = np.nan
    if not _recorded(case, "pg_counters"):
        frame[list(_COUNTERS)] = np.nan
    _end_with_the_load(frame)
    frame[_PER_SECOND] = frame[_PER_SECOND] / case.bucket_s
    frame = frame[list(MEASURES)]
    frame.insert(0, "at", pd.to_datetime([case.at(int(b)) for b in frame.index], utc=True))
    return frame


def _end_with_the_load(frame: pd.DataFrame) -> None:
    """Forget what requests "did" after the last of them: no load is no measurement of anything."""
    sent = np.flatnonzero((frame["arrivals"].fillna(0) + frame["retries"].fillna(0)).to_numpy() > 0)
    if sent.size:
        offered = [n for n, m in MEASURES.items() if m.source == "requests" and m.scale == "count"]
        frame.loc[frame.index > int(sent[-1]), offered] = np.nan


def _recorded(case: Case, table: str) -> bool:
    return case.run.rows(table) > 0
