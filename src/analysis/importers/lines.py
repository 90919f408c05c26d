"""Puts the lines of a record together: for stderr with any prefix, syslog, RDS and Cloud SQL.

A record is its first line (LOG:, ERROR:, ...), the labelled lines after it (DETAIL:, STATEMENT:,
...) and their continuation lines. Sessions that interleave are kept apart by process id.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from analysis.importers.labels import LEVELS, PARTS, SQLSTATE
from analysis.importers.sinks import EMPTY, FIELDS, Sink
from analysis.importers.sources import MAX_LINE_BYTES, Line, Source

_MAX_OPEN = 2000
_OPEN_FOR_LINES = 400
_AT_CHARACTER = re.compile(r" at character (\d{1,9})$")
_REMEMBERED = 4 * _MAX_OPEN
_VERBOSE = re.compile(rf"({SQLSTATE}): ")
_VERBOSE_OWN = re.compile(r"((?=[A-Z]*\d)[0-9A-Z]{5}): ")  # a class that an application made up
# events that the server tells in one line: what follows without a tab is somebody else's
_ONE_LINE = re.compile(
    r"(?:[0-9A-Z]{5}: )?(?:process \d+ |temporary file: |duration: [\d.]+ ms *$|connection |"
    r"disconnection: |checkpoint |restartpoint |replication |received |database system |"
    r"shutting down|parameter )"
)


class Taken(NamedTuple):
    """A physical line as the record assembler sees it."""

    line: Line
    session: str  # what keeps interleaved sessions apart: the process id
    values: dict[str, str]  # what the prefix tells
    label: str  # LOG, ERROR, DETAIL, ...; "" for a continuation
    text: str
    joined: bool = False  # continuation that goes on without a line break
    within: bool = False  # on the physical line of the record's last part, which counts once


@dataclass
class _Open:
    """A record that may still grow."""

    session: str
    first: Line
    values: dict[str, str]
    parts: dict[str, list[str]] = field(default_factory=dict)
    current: str = "message"
    lines: int = 1
    last_number: int = 0
    size: int = 0


class Assembler:
    """Puts the lines of records together and hands each finished record to the sink."""

    def __init__(self, source: Source, sink: Sink) -> None:
        self.source, self.sink = source, sink
        self.open: dict[str, _Open] = {}
        self.last: _Open | None = None
        # last line, first line, its offset, and number of lines of the records handed over
        self.closed: deque[tuple[int, int, int, int]] = deque(maxlen=_REMEMBERED)

    def take(self, taken: Taken) -> None:
        """Take one line: a new record, a part of one, or a continuation."""
        if taken.label in LEVELS:
            self._start(taken)
        elif taken.label:
            self._part(taken)
        else:
            self._continue(taken)
        self._age(taken.line.number)

    def refuse(self, line: Line, reason: str, *, foreign: bool = False) -> None:
        """Set a line aside. Unless it is `foreign` to the log, what follows it belongs to it."""
        if not foreign:
            self.last = None
        self.sink.reject(self.source, line, reason)

    def end(self, session: str) -> None:
        """Hand over what a session has open: its next message has begun."""
        record = self.open.pop(session, None)
        if record is not None:
            self._close(record)

    def may_go_on(self) -> bool:
        """True when a line without prefix and tab may be the last record's."""
        record = self.last
        if record is None:
            return False
        return record.current != "message" or not _ONE_LINE.match(record.parts["message"][0])

    def finish(self) -> None:
        """Hand over what is still open; the next import reads it again, for it may have grown."""
        start = min((record.first.number for record in self.open.values()), default=None)
        for record in sorted(self.open.values(), key=lambda r: r.first.number):
            self._close(record)
        self.open.clear()
        if start is not None:
            self._read_again_from(start)

    def _read_again_from(self, start: int) -> None:
        """Let the next import begin where no record that is still being told has begun before."""
        for last, first, _, _ in sorted(self.closed, reverse=True):
            if first < start <= last:
                start = first
        again = [record for record in self.closed if record[1] >= start]
        self.source.unfinished = {
            "offset": next(offset for _, first, offset, _ in again if first == start),
            "line": start,
            "records": self.source.records - len(again),
            "record_lines": self.source.record_lines - sum(record[3] for record in again),
        }

    def _start(self, taken: Taken) -> None:
        self.end(taken.session)
        record = _Open(taken.session, taken.line, taken.values, {"message": [taken.text]})
        record.values["error_severity"] = taken.label
        record.last_number, record.size = taken.line.number, taken.line.size
        self.open[taken.session] = self.last = record

    def _part(self, taken: Taken) -> None:
        record = self.open.get(taken.session)
        if record is None:
            self.refuse(taken.line, f"{taken.label} without its record")
            return
        record.current = PARTS[taken.label]
        record.parts.setdefault(record.current, []).append(taken.text)
        self._grow(record, taken)

    def _continue(self, taken: Taken) -> None:
        record = self.open.get(taken.session) if taken.session else self.last
        if record is None:
            reason = "not a log record" if taken.line.data else EMPTY
            self.sink.reject(self.source, taken.line, reason)
            return
        if record.size + taken.line.size > MAX_LINE_BYTES and not taken.within:
            self.sink.reject(self.source, taken.line, "record longer than 16 MiB")
            return
        parts = record.parts[record.current]
        if taken.joined:
            parts[-1] += taken.text
        else:
            parts.append(taken.text)
        self._grow(record, taken)

    def _grow(self, record: _Open, taken: Taken) -> None:
        self.last = record
        if taken.within:
            return
        record.lines += 1
        record.size += taken.line.size
        record.last_number = taken.line.number
        self.open[record.session] = self.open.pop(record.session)  # the most silent one is first

    def _age(self, number: int) -> None:
        """Close what has been silent for long, so that memory and disorder stay bounded."""
        while self.open:
            session, record = next(iter(self.open.items()))
            if number - record.last_number < _OPEN_FOR_LINES and len(self.open) < _MAX_OPEN:
                return
            if record is self.last:
                return
            del self.open[session]
            self._close(record)

    def _close(self, record: _Open) -> None:
        if record is self.last:
            self.last = None
        values = record.values
        for column, texts in record.parts.items():
            values[column] = "\n".join(texts)
        _split_message(values)
        fields = [values.get(column, "") for column in FIELDS]
        first = record.first
        self.sink.record(self.source, first.offset, first.number, record.lines, fields)
        self.closed.append((record.last_number, first.number, first.offset, record.lines))


def _split_message(values: dict[str, str]) -> None:
    """Move what text formats put into the message to the columns that csvlog has for it."""
    message = values["message"]
    if at := _AT_CHARACTER.search(message):
        values["query_pos"] = at.group(1)
        message = message[: at.start()]
    state = _VERBOSE.match(message)  # log_error_verbosity = verbose, which tells locations too
    if state is None and "location" in values:
        state = _VERBOSE_OWN.match(message)
    if state:
        values.setdefault("sql_state_code", state.group(1))
        message = message[state.end() :]
    values["message"] = message


def prefix_values(source: Source, line: Line, values: dict[str, str]) -> dict[str, str]:
    """Return the contract's columns that a prefix tells, with a made-up key where it has none."""
    if "epoch" in values:
        values["log_time"] = epoch_stamp(values.pop("epoch"))
    if "host" in values:
        values.setdefault("connection_from", values.pop("host"))
    for column in ("user_name", "database_name", "application_name", "connection_from"):
        if values.get(column) == "[unknown]":
            del values[column]
    make_key(source, line, values)
    return values


def make_key(source: Source, line: Line, values: dict[str, str]) -> None:
    """Make up session_id and session_line_num: line numbers of stderr are not those of csvlog.

    The numbers follow the file, whose mark is in the session's name: the same file read again under
    another name gives the same keys. `%l` counts labelled lines, so it is no key of csvlog.
    """
    session = values.get("session_id") or f"p{values.get('process_id', '0')}"
    values["session_id"] = f"{session}~{source.mark}"
    values["session_line_num"] = str(line.number)


def epoch_stamp(seconds: str) -> str:
    """Return a stamp in UTC for the epoch seconds of %n.

    >>> epoch_stamp("1700000000.123")
    '2023-11-14 22:13:20.123 UTC'
    """
    import datetime as dt

    whole, _, fraction = seconds.partition(".")
    try:
        at = dt.datetime.fromtimestamp(int(whole), dt.UTC)
    except (OverflowError, OSError, ValueError):
        return seconds
    return f"{at:%Y-%m-%d %H:%M:%S}.{fraction[:3].ljust(3, '0')} UTC"
