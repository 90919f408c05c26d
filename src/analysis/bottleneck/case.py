"""One run under diagnosis: what it recorded, its time axis, and the working tables all analyses
share.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pandas as pd

from analysis.bottleneck import logtables
from analysis.sql import load
from runlog.errors import BadData
from runlog.manifest import Manifest
from runlog.reader import Run, open_run

# Widths a reader can follow on an axis; the narrowest that gives at most MAX_BUCKETS is used, and
# that is no narrower than samples are apart. A day has buckets of a minute.
BUCKET_WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 86400)
MAX_BUCKETS = 1500

EVIDENCE = ("samples", "logs", "requests")


@dataclass
class Case:
    """A run with its working tables (`bn_*`), the time axis, and what evidence may be used.

    `bucket_s` is the width of the time buckets in seconds; bucket 0 starts at `start`. `kept` holds
    results that several sections ask for.
    """

    run: Run
    con: duckdb.DuckDBPyConnection = field(repr=False)
    start: dt.datetime
    end: dt.datetime
    bucket_s: int
    evidence: frozenset[str]
    kept: dict[tuple[object, ...], pd.DataFrame] = field(default_factory=dict, repr=False)

    @property
    def manifest(self) -> Manifest:
        return self.run.manifest

    @property
    def buckets(self) -> int:
        """Number of time buckets, the last one perhaps short; it holds the last moment."""
        return int((self.end - self.start) / dt.timedelta(microseconds=1)) // self.bucket_us + 1

    @property
    def bucket_us(self) -> int:
        return self.bucket_s * 1_000_000

    @property
    def axis(self) -> dict[str, object]:
        """Parameters every bucketed query takes: start of bucket 0 and the width, microseconds."""
        return {"origin": self.start, "bucket_us": self.bucket_us}

    def has(self, kind: str) -> bool:
        """True when a kind of evidence ('samples', 'logs', 'requests') is there and may be used."""
        return kind in self.evidence

    def setting(self, name: str) -> str | None:
        """A PostgreSQL setting as the run recorded it, None when it did not."""
        return self.manifest.postgres.get(name)

    def at(self, bucket: int) -> dt.datetime:
        """Start of a bucket."""
        return self.start + dt.timedelta(seconds=bucket * self.bucket_s)

    def bucket_of(self, moment: dt.datetime) -> int:
        """Bucket a moment falls in (may lie outside the axis)."""
        return int((moment - self.start).total_seconds() // self.bucket_s)

    def close(self) -> None:
        self.run.close()


def open_case(
    source: Path | str | Run, *, evidence: tuple[str, ...] = EVIDENCE, validate: bool = True
) -> Case:
    """Return the case of a run directory (or an open run) with its working tables made.

    `evidence` limits what may be looked at, so that "what would the logs alone have told" can be
    asked of a run that recorded more. Raises BadData when nothing in the run can be diagnosed.
    """
    run = source if isinstance(source, Run) else open_run(source, validate=validate)
    con = run.connection
    present = frozenset(kind for kind in evidence if _rows_of(run, kind))
    if not present:
        todo = "a run needs pg_activity, pg_log or requests; import logs, or `walletlab watch`"
        raise BadData("nothing to diagnose in run", run.folder, todo)
    start, end = _extent(con, present)
    least_s = max((end - start).total_seconds() / MAX_BUCKETS, _pause_s(con, present))
    bucket_s = next((w for w in BUCKET_WIDTHS_S if w >= least_s), BUCKET_WIDTHS_S[-1])
    case = Case(run, con, start, end, bucket_s, present)
    _make_tables(case)
    return case


def _rows_of(run: Run, kind: str) -> int:
    tables = {"samples": ("pg_activity",), "logs": ("pg_log",), "requests": ("requests",)}
    return sum(run.rows(table) for table in tables[kind])


def _extent(
    con: duckdb.DuckDBPyConnection, present: frozenset[str]
) -> tuple[dt.datetime, dt.datetime]:
    """First and last moment of the best evidence there is: requests, else samples, else the log.

    A server log also holds the start and stop of the server, which are no part of the load.
    """
    for kind, query in (
        ("requests", "bottleneck_extent_requests"),
        ("samples", "bottleneck_extent_samples"),
        ("logs", "bottleneck_extent_logs"),
    ):
        if kind in present:
            row = con.execute(load(query)).df().iloc[0]
            return row["first_at"].to_pydatetime(), row["last_at"].to_pydatetime()
    msg = "no evidence"
    raise AssertionError(msg)


def _pause_s(con: duckdb.DuckDBPyConnection, present: frozenset[str]) -> float:
    """Median seconds between activity samples, to the tenth; 0 without any."""
    if "samples" not in present:
        return 0.0
    found = con.execute(load("bottleneck_extent_pause")).fetchall()[0][0]
    return round(float(found or 0.0), 1)


def _make_tables(case: Case) -> None:
    """Materialise what every analysis reads: samples, statements and log events on the time axis.

    A kind of evidence that is missing or not to be used gives empty tables of the same shape.
    """
    con, axis = case.con, case.axis
    samples = {**axis, "use": case.has("samples")}
    _table(con, "bn_activity", "duckdb/bottleneck_activity", samples)
    _table(con, "bn_ticks", "duckdb/bottleneck_ticks", samples)
    _table(con, "bn_edges", "duckdb/bottleneck_edges", samples)
    _table(con, "bn_roots", "duckdb/bottleneck_roots", {})
    requests = {**axis, "use": case.has("requests")}
    _table(con, "bn_requests", "duckdb/bottleneck_requests", requests)
    _table(con, "bn_spans", "duckdb/bottleneck_spans", requests)
    _table(con, "bn_pool", "duckdb/bottleneck_pool", requests)
    _table(con, "bn_counters", "duckdb/bottleneck_counters", samples)
    logtables.create(con, axis, use=case.has("logs"))


def _table(
    con: duckdb.DuckDBPyConnection, name: str, query: str, parameters: dict[str, object]
) -> None:
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {load(query)}", parameters)
