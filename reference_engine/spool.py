"""What a front writes down while it runs: JSON lines, appended and flushed a few times a second."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

FLUSH_BYTES = 64 * 1024
FLUSH_S = 0.05


@dataclass(slots=True)
class BatchTimes:
    """When the stages of a batch were reached, microseconds since 1970; 0 is not reached."""

    gathered_us: int = 0
    acquired_us: int = 0
    asked_us: int = 0
    answered_us: int = 0
    committed_us: int = 0


# the stages that all attempts of a batch share: span, name, where it begins, where it ends
BATCH_STAGES = (
    ("pool_wait", "acquire", "gathered_us", "acquired_us"),
    ("ledger_tx", "batch", "acquired_us", "committed_us"),
    ("statement", "batch_begin", "asked_us", "answered_us"),
    ("commit", "commit", "answered_us", "committed_us"),
)


class RunClock:
    """Wall-clock microseconds from a monotonic clock, with one anchor for all processes of a run.

    The anchor is taken once by the parent, so that a step of the wall clock cannot bend a run.
    """

    def __init__(self, epoch_us: int, monotonic_ns: int) -> None:
        self._base_ns = epoch_us * 1000 - monotonic_ns

    def now_us(self) -> int:
        """Microseconds since 1970 (UTC)."""
        return (time.monotonic_ns() + self._base_ns) // 1000


class Spool:
    """One append-only file. `add` buffers; `flush` writes whole lines with one system call."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._lines: list[bytes] = []
        self._bytes = 0
        self._flushed_at = time.monotonic()

    def add(self, row: dict[str, Any]) -> None:
        """Write one row."""
        line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes >= FLUSH_BYTES or time.monotonic() - self._flushed_at >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            self._file.write(b"".join(self._lines))
            self._lines.clear()
            self._bytes = 0
        self._flushed_at = time.monotonic()

    def close(self) -> None:
        self.flush()
        self._file.close()


class Trace:
    """The spans of one attempt. `span` names follow the contract."""

    def __init__(self, clock: RunClock, spool: Spool, request_id: str, attempt: int) -> None:
        self._clock = clock
        self._spool = spool
        self._request_id = request_id
        self._attempt = attempt
        self.needs_auto_charge: bool | None = None

    def add_batch(self, offered_us: int, times: BatchTimes) -> None:
        """Record the stages that this attempt shared with the others of its batch."""
        self._write("queue", "batch", offered_us, times.gathered_us)
        for span, name, begin, end in BATCH_STAGES:
            if (start_us := getattr(times, begin)) and (end_us := getattr(times, end)):
                self._write(span, name, start_us, end_us)

    def now_us(self) -> int:
        return self._clock.now_us()

    def add(self, span: str, name: str, started_us: int) -> None:
        """Record a stage that began at `started_us` and ends now."""
        self._write(span, name, started_us, self._clock.now_us())

    def _write(self, span: str, name: str, started_us: int, ended_us: int) -> None:
        self._spool.add(
            {
                "request_id": self._request_id,
                "attempt": self._attempt,
                "span": span,
                "name": name,
                "started_at": started_us,
                "duration_us": max(0, ended_us - started_us),
            }
        )
