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

from reference_engine.child import configuration_from_parent, first_in_line, tell
from runlog.sampling import (
    COUNTERS_HZ,
    activity_query,
    activity_rows,
    counter_rows,
    counters_query,
)

ACTIVITY_SPOOL = "pg_activity.jsonl"
COUNTERS_SPOOL = "pg_counters.jsonl"
APPLICATION = "walletlab sampler"


class _Sampling:
    """Samples until told to stop; a server that goes away is waited for, and the gap is counted."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.dsn: str = settings["dsn"]
        self.schema: str = settings["schema"]
        self.interval_s = 1 / float(settings["hz"])
        self.folder = Path(settings["folder"])
        self.stopping = threading.Event()
        self.told: dict[str, Any] = {"samples": 0, "late_samples": 0, "lost_connections": 0}

    def run(self) -> None:
        """Sample until stopping; what ends it before is told as a fault."""
        try:
            self._sample()
        except Exception as error:
            self.told = {"fault": f"sampling ended: {type(error).__name__}: {error}"}

    def _sample(self) -> None:
        """Sample, reconnecting as often as needed."""
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
        connection = psycopg.connect(
            self.dsn,
            autocommit=True,
            application_name=APPLICATION,
            row_factory=tuple_row,
            connect_timeout=5,
        )
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):  # on a user's server
            connection.execute("SET log_min_duration_statement = -1")
        return connection

    def _session(
        self, connection: psycopg.Connection[Any], activity: BinaryIO, counters: BinaryIO
    ) -> None:
        version = connection.info.server_version
        activity_sql = activity_query(version)
        counters_sql = counters_query(version, one_schema=True)
        due = time.monotonic()
        counters_due = due
        while not self.stopping.is_set():
            rows = connection.execute(activity_sql, prepare=True).fetchall()
            _append(activity, activity_rows(rows))
            if due >= counters_due:
                _append(counters, self._counters(connection, counters_sql))
                counters_due = max(counters_due + 1 / COUNTERS_HZ, due)
            self.told["samples"] += 1
            due += self.interval_s
            behind = time.monotonic() - due
            if behind > 0:  # never sample in a burst to catch up: skip, and count
                skipped = int(behind / self.interval_s) + 1
                self.told["late_samples"] += skipped
                due += skipped * self.interval_s
            self.stopping.wait(max(0.0, due - time.monotonic()))

    def _counters(self, connection: psycopg.Connection[Any], query: str) -> list[dict[str, Any]]:
        at = time.time_ns() // 1000
        rows = connection.execute(query, {"schema": self.schema}).fetchall()
        return counter_rows(at, rows)


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
    first_in_line()
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
