"""The sampling process of the recorder: one session that reads and spools the server's views.

Started by `recorder.Sampler`. Spools are JSON lines, appended and flushed once a sample.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import psycopg
from psycopg.rows import tuple_row

from reference_engine.child import configuration_from_parent, tell
from runlog.masking import mask_sql
from runlog.schema import TABLES

ACTIVITY_SPOOL = "pg_activity.jsonl"
COUNTERS_SPOOL = "pg_counters.jsonl"
APPLICATION = "walletlab sampler"
COUNTERS_HZ = 1.0

# pg_blocking_pids() takes the lock manager's locks, so it is asked only for who waits for a lock.
_ACTIVITY = """
SELECT (extract(epoch FROM clock_timestamp()) * 1e6)::bigint, pid, backend_type, state,
       wait_event_type, wait_event, {query_id}, left(query, 2000),
       (extract(epoch FROM xact_start) * 1e6)::bigint,
       (extract(epoch FROM query_start) * 1e6)::bigint,
       (extract(epoch FROM state_change) * 1e6)::bigint,
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{{}}' END,
       application_name
FROM pg_stat_activity
WHERE pid <> pg_backend_pid()
"""
_FIELDS = TABLES["pg_activity"].column_names

# view -> (first server version, object, condition); columns differ by version and are read by name
_VIEWS: dict[str, tuple[int, str, str]] = {
    "pg_stat_database": (0, "datname", "datname = current_database()"),
    "pg_stat_bgwriter": (0, "'server'", "true"),
    "pg_stat_checkpointer": (170000, "'server'", "true"),
    "pg_stat_wal": (140000, "'server'", "true"),
    "pg_stat_io": (
        160000,
        "concat_ws('/', backend_type, object, context)",
        "greatest(reads, writes, extends, fsyncs, hits) > 0",
    ),
    "pg_stat_user_tables": (0, "relname", "schemaname = %(schema)s"),
    "pg_stat_user_indexes": (0, "indexrelname", "schemaname = %(schema)s"),
    "pg_stat_replication": (0, "application_name", "true"),
}
_SERVER = """
SELECT 'pg_stat_activity', 'server', jsonb_build_object(
    'connections', count(*) FILTER (WHERE backend_type = 'client backend'),
    'max_connections', current_setting('max_connections')::int,
    'backend_xmin_age_max', max(age(backend_xmin)),
    'xact_age_us_max', (extract(epoch FROM max(clock_timestamp() - xact_start)) * 1e6)::bigint)
FROM pg_stat_activity WHERE pid <> pg_backend_pid()
"""


class _Sampling:
    """Samples until told to stop; a server that goes away is waited for, and the gap is counted."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.dsn: str = settings["dsn"]
        self.schema: str = settings["schema"]
        self.interval_s = 1 / float(settings["hz"])
        self.folder = Path(settings["folder"])
        self.stopping = threading.Event()
        self.told = {"samples": 0, "late_samples": 0, "lost_connections": 0}

    def run(self) -> None:
        """Sample, reconnecting as often as needed, until stopping."""
        with (
            (self.folder / ACTIVITY_SPOOL).open("ab") as activity,
            (self.folder / COUNTERS_SPOOL).open("ab") as counters,
        ):
            while not self.stopping.is_set():
                try:
                    with self._connect() as connection:
                        self._session(connection, activity, counters)
                except psycopg.OperationalError:
                    self.told["lost_connections"] += 1
                    self.stopping.wait(0.2)

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            self.dsn,
            autocommit=True,
            application_name=APPLICATION,
            row_factory=tuple_row,
            connect_timeout=5,
            options="-c log_min_duration_statement=-1",
        )

    def _session(
        self, connection: psycopg.Connection[Any], activity: BinaryIO, counters: BinaryIO
    ) -> None:
        version = connection.info.server_version
        query_id = "query_id" if version >= 140000 else "NULL::bigint"
        activity_query = _ACTIVITY.format(query_id=query_id)
        counter_query = _counters_query(version)
        due = time.monotonic()
        counters_due = due
        while not self.stopping.is_set():
            _append(activity, self._activity(connection, activity_query))
            if due >= counters_due:
                _append(counters, self._counters(connection, counter_query))
                counters_due += 1 / COUNTERS_HZ
            self.told["samples"] += 1
            due += self.interval_s
            behind = time.monotonic() - due
            if behind > 0:  # never sample in a burst to catch up: skip, and count
                skipped = int(behind / self.interval_s) + 1
                self.told["late_samples"] += skipped
                due += skipped * self.interval_s
            self.stopping.wait(max(0.0, due - time.monotonic()))

    @staticmethod
    def _activity(connection: psycopg.Connection[Any], query: str) -> list[dict[str, Any]]:
        rows = connection.execute(query, prepare=True).fetchall()
        if not rows:
            return []
        at = rows[0][0]  # one time for one sample, so that samples can be counted
        found = [dict(zip(_FIELDS, row, strict=True)) for row in rows]
        for row in found:
            row["sampled_at"] = at
            row["query"] = mask_sql(row["query"]) if row["query"] else None
        return found

    def _counters(self, connection: psycopg.Connection[Any], query: str) -> list[dict[str, Any]]:
        at = time.time_ns() // 1000
        rows = connection.execute(query, {"schema": self.schema}).fetchall()
        return [
            {"sampled_at": at, "view": view, "object": name, "metric": metric, "value": value}
            for view, name, metrics in rows
            for metric, value in metrics.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]


def _counters_query(version: int) -> str:
    parts = [
        f"SELECT '{view}', ({name})::text, to_jsonb(v) FROM {view} v WHERE {condition}"
        for view, (first, name, condition) in _VIEWS.items()
        if version >= first
    ]
    return " UNION ALL ".join([*parts, _SERVER])


def _append(spool: BinaryIO, rows: list[dict[str, Any]]) -> None:
    spool.write(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    spool.flush()


def main() -> None:
    """Run until standard input ends, then tell how many samples were taken and missed."""
    sampling = _Sampling(configuration_from_parent())
    try:
        sampling._connect().close()
    except psycopg.OperationalError as error:
        tell({"fault": f"sampler cannot connect: {error}"})
        return
    worker = threading.Thread(target=sampling.run)
    worker.start()
    tell({})
    with contextlib.suppress(OSError):
        sys.stdin.buffer.readline()  # anything, or the end of input, means stop
    sampling.stopping.set()
    worker.join()
    tell(sampling.told)


if __name__ == "__main__":
    main()
