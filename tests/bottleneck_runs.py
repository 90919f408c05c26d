"""Small runs for the diagnosis tests: written by hand through the run writer, read like any run."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from runlog.manifest import Clock, Manifest
from runlog.schema import TABLES
from runlog.writer import RunWriter

START = dt.datetime(2026, 11, 23, 5, 0, 0, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    """Time of a second of the run."""
    return START + dt.timedelta(microseconds=round(seconds * 1e6))


class Log:
    """Server log records as the csvlog importer stores them."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self._lines: dict[str, itertools.count[int]] = {}

    def add(self, second: float, session: str, pid: int, message: str, **more: Any) -> None:
        """Add one record; `session_start` in seconds, severity LOG unless told."""
        line = next(self._lines.setdefault(session, itertools.count(1)))
        start = more.pop("session_start", 0.0)
        record = {
            "log_time": at(second), "session_id": session, "session_line_num": line,
            "process_id": pid, "message": message, "error_severity": "LOG",
            "session_start_time": at(start), "backend_type": "client backend",
        }  # fmt: skip
        self.records.append(record | more)

    def waiting(
        self, second: float, session: str, pid: int, target: str, holders: Iterable[int],
        queue: Iterable[int] = (), *, after_ms: float = 100.0, **more: Any,
    ) -> None:  # fmt: skip
        """A 'still waiting' line, `after_ms` after the wait began."""
        held = ", ".join(map(str, holders))
        names = "Process" if "," not in held else "Processes"
        detail = f"{names} holding the lock: {held}. Wait queue: {', '.join(map(str, queue))}."
        mode = more.pop("mode", "ShareLock")
        message = f"process {pid} still waiting for {mode} on {target} after {after_ms:.3f} ms"
        self.add(second, session, pid, message, detail=detail, **more)

    def acquired(
        self, second: float, session: str, pid: int, target: str, after_ms: float, **more: Any
    ) -> None:
        """The 'acquired' line that ends a wait."""
        mode = more.pop("mode", "ShareLock")
        text = f"process {pid} acquired {mode} on {target} after {after_ms:.3f} ms"
        self.add(second, session, pid, text, **more)

    def error(
        self, second: float, session: str, pid: int, code: str | None, message: str, **more: Any
    ) -> None:
        """An ERROR record (another severity as `error_severity`)."""
        severity = more.pop("error_severity", "ERROR")
        self.add(
            second, session, pid, message, error_severity=severity, sql_state_code=code, **more
        )

    def duration(
        self, second: float, session: str, pid: int, ms: float, statement: str, **more: Any
    ) -> None:
        """A statement that ended at `second`."""
        self.add(second, session, pid, f"duration: {ms:.3f} ms  statement: {statement}", **more)


def write_run(folder: Path, *, postgres: dict[str, str] | None = None, **tables: Any) -> Path:
    """Write a run from lists of records (or frames), one keyword a table; columns may
    be left out.
    """
    with RunWriter(folder) as writer:
        for name, records in tables.items():
            frame = records if isinstance(records, pd.DataFrame) else pd.DataFrame(records)
            for column in TABLES[name].columns:
                if column.name not in frame:
                    frame[column.name] = None
            writer.connection.register(f"{name}_frame", frame[TABLES[name].column_names])
            writer.add(name, f"SELECT * FROM {name}_frame")
        manifest = Manifest(
            run_id=folder.name, kind="imported", clock=Clock(scenario_start=None, wall_start=START),
            postgres=postgres or {}, cpu_count=2,
        )  # fmt: skip
        return writer.commit(manifest)


def attempts(
    seconds: float,
    rate: Callable[[float], float],
    latency_ms: Callable[[float], float],
    outcome: Callable[[float], str] = lambda _: "approved",
    step_s: float = 1.0,
) -> list[dict[str, Any]]:
    """First attempts, evenly within each step: how many a second, how long, and how they end."""
    rows: list[dict[str, Any]] = []
    for step in range(round(seconds / step_s)):
        begin = step * step_s
        count = round(rate(begin) * step_s)
        for number in range(count):
            start = begin + number * step_s / count
            name = f"r{len(rows)}"
            rows.append({
                "request_id": name, "idempotency_key": name, "operation": "card_payment",
                "attempt": 1, "front_id": number % 2, "scheduled_at": at(start),
                "started_at": at(start), "finished_at": at(start + latency_ms(start) / 1000),
                "outcome": outcome(start),
            })  # fmt: skip
    return rows
