"""Samples a user's own server into a run directory, at a cost that is bounded and counted.

Reads statistics views only, in read-only transactions; a role with pg_monitor is enough. After a
sample that took long comes a rest twenty times as long, so that watching costs the server at most a
twentieth of one connection's time.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import psycopg

from runlog.errors import EnvironmentFault
from runlog.literals import sql_text
from runlog.manifest import Clock, Manifest
from runlog.sampling import (
    COUNTERS_HZ,
    activity_query,
    activity_rows,
    counter_rows,
    counters_query,
)
from runlog.schema import TABLES, TIME
from runlog.writer import RunWriter

APPLICATION = "walletlab watch"
COST_SHARE = 0.05
_STATEMENT_TIMEOUT_MS = 2000
_EXTENSIONS_EVERY_S = 10.0
_SPOOL_BYTES_MAX = 4 * 1024**3
_RECONNECT_S = (0.2, 0.5, 1.0, 2.0, 5.0)

_SETTINGS = (
    "server_version", "max_connections", "shared_buffers", "work_mem", "fsync",
    "synchronous_commit", "deadlock_timeout", "log_lock_waits", "log_min_duration_statement",
    "compute_query_id", "track_io_timing",
    "idle_in_transaction_session_timeout", "max_wal_size", "checkpoint_timeout", "autovacuum",
)  # fmt: skip
_STATEMENTS = """
SELECT 'pg_stat_statements', queryid::text, jsonb_build_object(
    'calls', sum(calls), 'total_exec_time', sum({time}), 'rows', sum(rows),
    'shared_blks_read', sum(shared_blks_read), 'shared_blks_hit', sum(shared_blks_hit),
    'temp_blks_written', sum(temp_blks_written))
FROM {schema}.pg_stat_statements WHERE queryid IS NOT NULL
GROUP BY queryid ORDER BY sum({time}) DESC LIMIT 500
"""
_WAITS = """
SELECT 'pg_wait_sampling_profile', coalesce(event_type, 'CPU') || '/' || coalesce(event, 'running'),
    jsonb_build_object('count', sum(count))
FROM {schema}.pg_wait_sampling_profile
GROUP BY event_type, event ORDER BY sum(count) DESC LIMIT 500
"""


@dataclass
class Watch:
    """One watch: where, how often, how long (None: until stopped), and what it has counted.

    `told`: samples taken, `late_samples` left out, `rests` taken because a sample was slow,
    `failed_samples` that ran into the statement timeout, `lost_connections`.
    """

    dsn: str
    hz: float = 10.0
    duration_s: float | None = None
    told: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    cpu_count: int | None = None

    def record(self, out: Path, *, echo: Callable[[str], None]) -> Path:
        """Sample until the time is over or Ctrl-C; return the complete run directory.

        Raises EnvironmentFault when the server cannot be reached at the start.
        """
        with RunWriter(out) as writer:
            spools = {t: writer.partial / f"{t}.spool" for t in ("pg_activity", "pg_counters")}
            connection = self._first_connection()
            started_us = time.time_ns() // 1000
            echo("watching; Ctrl-C ends it with a complete run")
            files: dict[str, BinaryIO] = {t: path.open("wb") for t, path in spools.items()}
            try:
                self._watch(connection, files)
            except KeyboardInterrupt:
                echo("stopping; writing the run")
            finally:
                for file in files.values():
                    file.close()
            ended_us = time.time_ns() // 1000
            for table, path in spools.items():
                _export(writer, table, path)
                path.unlink()
            return writer.commit(self._manifest(out, started_us, ended_us))

    def _first_connection(self) -> psycopg.Connection[Any]:
        try:
            connection = self._connect()
        except psycopg.OperationalError as error:
            cause = str(error).strip().splitlines()[-1]
            todo = "check host, port, role and password; pg_monitor is enough"
            raise EnvironmentFault("cannot connect to PostgreSQL", cause, todo) from error
        self._look_around(connection)
        return connection

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self.dsn,
            autocommit=True,
            application_name=APPLICATION,
            connect_timeout=5,
            options=f"-c default_transaction_read_only=on "
            f"-c statement_timeout={_STATEMENT_TIMEOUT_MS} -c lock_timeout=500",
        )

    def _look_around(self, connection: psycopg.Connection[Any]) -> None:
        """Note the server's settings, and what this role or server cannot show."""
        known = "SELECT name, current_setting(name, true) FROM pg_settings WHERE name = ANY(%s)"
        rows = connection.execute(known, [list(_SETTINGS)]).fetchall()
        self.settings = {name: value for name, value in rows if value is not None}
        sees_all = connection.execute("SELECT pg_has_role('pg_read_all_stats', 'USAGE')").fetchone()
        if not (sees_all and sees_all[0]):
            self.notes.append("role without pg_monitor: statements of other roles are hidden")
        if self.settings.get("compute_query_id") in ("off", "auto"):
            self.notes.append("compute_query_id is not on: statements may have no fingerprint")
        if connection.info.host.startswith("/"):  # a socket: the server runs on this machine
            self.cpu_count = os.cpu_count()

    def _watch(self, connection: psycopg.Connection[Any], files: dict[str, BinaryIO]) -> None:
        ends = None if self.duration_s is None else time.monotonic() + self.duration_s
        attempt = 0
        while True:
            try:
                with connection:
                    self._session(connection, files, ends)
                    return
            except psycopg.OperationalError:
                self.told["lost_connections"] += 1
            attempt = 0 if self.told["samples"] else attempt
            while not _over(ends):
                time.sleep(_RECONNECT_S[min(attempt, len(_RECONNECT_S) - 1)])
                attempt += 1
                try:
                    connection = self._connect()
                    break
                except psycopg.OperationalError:
                    self.told["failed_connections"] += 1
            if _over(ends):
                return

    def _session(
        self, connection: psycopg.Connection[Any], files: dict[str, BinaryIO], ends: float | None
    ) -> None:
        version = connection.info.server_version
        activity = activity_query(version)
        plan = [(counters_query(version, one_schema=False), 1 / COUNTERS_HZ)]
        plan += [(sql, _EXTENSIONS_EVERY_S) for sql in self._extensions(connection)]
        due_at = [0.0] * len(plan)
        interval = 1 / self.hz
        due = time.monotonic()
        while not _over(ends) and not self._is_full(files):
            began = time.monotonic()
            self._sample(connection, activity, files["pg_activity"])
            for index, (sql, every) in enumerate(plan):
                if began >= due_at[index]:
                    self._count(connection, sql, files["pg_counters"])
                    due_at[index] = began + every
            due = self._next(due, began, interval)
            time.sleep(max(0.0, min(due, ends or due) - time.monotonic()))

    def _next(self, due: float, began: float, interval: float) -> float:
        """Return when the next sample is due: never in a burst, never over the share of time."""
        now = time.monotonic()
        due += interval
        if due < now:
            skipped = int((now - due) / interval) + 1
            self.told["late_samples"] += skipped
            due += skipped * interval
        rest = now + (now - began) * (1 / COST_SHARE - 1)
        if rest > due + interval:
            self.told["rests"] += 1
            return rest
        return due

    def _sample(self, connection: psycopg.Connection[Any], sql: str, file: BinaryIO) -> None:
        try:
            rows = connection.execute(sql, prepare=True).fetchall()
        except psycopg.errors.QueryCanceled:
            self.told["failed_samples"] += 1
            return
        _append(file, activity_rows(rows))
        self.told["samples"] += 1

    def _count(self, connection: psycopg.Connection[Any], sql: str, file: BinaryIO) -> None:
        at = time.time_ns() // 1000
        try:
            rows = connection.execute(sql).fetchall()
        except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
            self.told["failed_samples"] += 1
            return
        _append(file, counter_rows(at, rows))

    def _extensions(self, connection: psycopg.Connection[Any]) -> list[str]:
        """Return the queries for the extensions that are there and can be read."""
        rows = connection.execute(
            "SELECT e.extname, quote_ident(n.nspname) FROM pg_extension e "
            "JOIN pg_namespace n ON n.oid = e.extnamespace "
            "WHERE e.extname IN ('pg_stat_statements', 'pg_wait_sampling') ORDER BY 1"
        ).fetchall()
        time_column = (
            "total_exec_time" if connection.info.server_version >= 130000 else "total_time"
        )
        usable = []
        for name, schema in rows:
            text = _STATEMENTS if name == "pg_stat_statements" else _WAITS
            sql = text.format(schema=schema, time=time_column)
            try:
                connection.execute(sql)
            except psycopg.Error as error:  # not preloaded, or no right to read it
                note = f"{name} cannot be read: {str(error).splitlines()[0]}"
                self.notes.append(note)
                continue
            usable.append(sql)
        return usable

    def _is_full(self, files: dict[str, BinaryIO]) -> bool:
        if sum(file.tell() for file in files.values()) < _SPOOL_BYTES_MAX:
            return False
        self.notes.append("stopped: the samples reached 4 GiB")
        return True

    def _manifest(self, out: Path, started_us: int, ended_us: int) -> Manifest:
        told = ", ".join(f"{name} {count}" for name, count in sorted(self.told.items()))
        return Manifest(
            run_id=out.name,
            kind="watched",
            versions={"postgresql": self.settings.get("server_version", "")},
            postgres=self.settings,
            cpu_count=self.cpu_count,
            flags={"hz": self.hz, **self.told},
            clock=Clock(
                scenario_start=None,
                wall_start=_moment(started_us),
                wall_end=_moment(ended_us),
            ),
            notes=[*dict.fromkeys(self.notes), f"watched: {told or 'no sample'}"],
        )


def _over(ends: float | None) -> bool:
    return ends is not None and time.monotonic() >= ends


def _append(file: BinaryIO, rows: list[dict[str, Any]]) -> None:
    file.write(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    file.flush()


def _export(writer: RunWriter, table: str, spool: Path) -> None:
    """Write one table from its spool; a key that came twice is kept once."""
    columns = TABLES[table].columns
    shape = ", ".join(f"'{c.name}': '{'BIGINT' if c.type == TIME else c.type}'" for c in columns)
    chosen = ", ".join(
        f'make_timestamptz("{c.name}") AS "{c.name}"' if c.type == TIME else f'"{c.name}"'
        for c in columns
    )
    key = ", ".join(f'"{k}"' for k in TABLES[table].key)
    path = sql_text(spool)
    writer.add(
        table,
        f"SELECT DISTINCT ON ({key}) {chosen} FROM read_json({path}, "
        f"format='newline_delimited', columns={{{shape}}})",
    )


def _moment(us: int) -> Any:
    import datetime as dt

    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=us)
