"""The careful reader of line formats: stderr with any prefix, syslog, RDS, Cloud SQL.

A record is its first line (LOG:, ERROR:, ...), the labelled lines after it (DETAIL:, STATEMENT:,
...) and their continuation lines. Sessions that interleave are kept apart by process id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from analysis.importers.prefix import LEVELS, PARTS, split
from analysis.importers.sinks import EMPTY, FIELDS, TOO_LONG, Sink
from analysis.importers.sources import MAX_LINE_BYTES, Line, Source

_MAX_OPEN = 2000
_OPEN_FOR_LINES = 400
_AT_CHARACTER = re.compile(r" at character (\d{1,9})$")
_VERBOSE = re.compile(r"([0-9A-Z]{5}): ")
_LEVELS = frozenset(LEVELS)


class Taken(NamedTuple):
    """A physical line as the record assembler sees it."""

    line: Line
    session: str  # what keeps interleaved sessions apart: the process id
    values: dict[str, str]  # what the prefix tells
    label: str  # LOG, ERROR, DETAIL, ...; "" for a continuation
    text: str
    joined: bool = False  # continuation that goes on without a line break


@dataclass
class _Open:
    """A record that may still grow."""

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

    def take(self, taken: Taken) -> None:
        """Take one line: a new record, a part of one, or a continuation."""
        if taken.label in _LEVELS:
            self._start(taken)
        elif taken.label:
            self._part(taken)
        else:
            self._continue(taken)
        self._age(taken.line.number)

    def finish(self) -> None:
        """Hand over what is still open; the last record may grow in a later import."""
        newest = max(self.open.values(), key=lambda r: r.first.number, default=None)
        for record in sorted(self.open.values(), key=lambda r: r.first.number):
            self._close(record)
        self.open.clear()
        if newest is not None:
            self.source.unfinished = {
                "offset": newest.first.offset,
                "line": newest.first.number,
                "session_id": newest.values["session_id"],
                "session_line_num": int(newest.values["session_line_num"]),
            }

    def _start(self, taken: Taken) -> None:
        before = self.open.pop(taken.session, None)
        if before is not None:
            self._close(before)
        record = _Open(taken.line, taken.values, {"message": [taken.text]})
        record.values["error_severity"] = taken.label
        record.last_number = taken.line.number
        self.open[taken.session] = self.last = record

    def _part(self, taken: Taken) -> None:
        record = self.open.get(taken.session)
        if record is None:
            self.sink.reject(self.source, taken.line, f"{taken.label} without its record")
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
        if record.size + taken.line.size > MAX_LINE_BYTES:
            self.sink.reject(self.source, taken.line, "record longer than 16 MiB")
            return
        parts = record.parts[record.current]
        if taken.joined:
            parts[-1] += taken.text
        else:
            parts.append(taken.text)
        self._grow(record, taken)

    def _grow(self, record: _Open, taken: Taken) -> None:
        record.lines += 1
        record.size += taken.line.size
        record.last_number = taken.line.number
        self.last = record

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


def _split_message(values: dict[str, str]) -> None:
    """Move what text formats put into the message to the columns that csvlog has for it."""
    message = values["message"]
    if at := _AT_CHARACTER.search(message):
        values["query_pos"] = at.group(1)
        message = message[: at.start()]
    if state := _VERBOSE.match(message):  # log_error_verbosity = verbose
        values.setdefault("sql_state_code", state.group(1))
        message = message[state.end() :]
    values["message"] = message


def read_stderr(source: Source, sink: Sink, lines: Iterable[tuple[Line, str]]) -> None:
    """Read lines of stderr form (also RDS and the text inside Cloud SQL) under `source.prefix`."""
    assembler = Assembler(source, sink)
    for line, text in lines:
        if line.too_long:
            sink.reject(source, line, TOO_LONG)
            continue
        found = None if text.startswith("\t") else split(source.prefix, text)
        if found is None:
            assembler.take(Taken(line, "", {}, "", text.removeprefix("\t")))
            continue
        values = prefix_values(source, line, found.values)
        assembler.take(Taken(line, values.get("process_id", ""), values, found.label, found.text))
    assembler.finish()


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


def with_text(source: Source, lines: Iterable[Line]) -> Iterator[tuple[Line, str]]:
    """Pair each line with its text."""
    from analysis.importers.sources import as_text

    for line in lines:
        yield line, as_text(source, line)
