"""The careful reader of csvlog: every whole record of a damaged file, and every damaged line.

Columns by version: up to 12: 23; 13: 24 (+ backend_type); 14 on: 26 (+ leader_pid, query_id).
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator

from analysis.importers.sinks import EMPTY, TOO_LONG, UNFINISHED, Sink
from analysis.importers.sources import MAX_LINE_BYTES, Line, Source, as_text, read_lines

COLUMN_COUNTS = (23, 24, 26)
RECORD_START = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: [\w+/:-]{1,20})?,(?:\"|,)")
_SESSION = re.compile(r"[0-9a-fA-F]{1,16}\.[0-9a-fA-F]{1,16}")
_RECORD_LINES_MAX = 200_000
_NUMBERS = (3, 6, 10, 17, 20, 24)
csv.field_size_limit(2 * MAX_LINE_BYTES)


def read_csvlog(source: Source, sink: Sink) -> None:
    """Read all records of one csvlog file into the sink; the longest record bounds the memory.

    A record starts where a line starts with a time stamp. It ends at the line end where its quotes
    are balanced; if that gives no valid record, or a whole record starts before, only its first
    line is rejected and reading goes on with the next one.
    """
    ahead = _Ahead(source, read_lines(source))
    while (line := ahead.at(0)) is not None:
        text = ahead.text(0)
        if line.too_long or not RECORD_START.match(text):
            reason = TOO_LONG if line.too_long else "not a log record"
            sink.reject(source, line, EMPTY if not line.data else reason)
            ahead.drop(1)
            continue
        count, fields, reason = _record_at(ahead)
        if fields is None:
            sink.reject(source, line, reason)
            ahead.drop(1)
            continue
        last = ahead.at(count - 1)
        if last is not None and not last.ended:
            sink.leave_open(source, line, fields)
        sink.record(source, line.offset, line.number, count, fields)
        ahead.drop(count)


class _Ahead:
    """The lines not yet decided on."""

    def __init__(self, source: Source, lines: Iterator[Line]) -> None:
        self.source, self.lines = source, lines
        self.queue: deque[tuple[Line, str]] = deque()

    def at(self, index: int) -> Line | None:
        while len(self.queue) <= index:
            line = next(self.lines, None)
            if line is None:
                return None
            self.queue.append((line, as_text(self.source, line)))
        return self.queue[index][0]

    def text(self, index: int) -> str:
        return self.queue[index][1]

    def drop(self, count: int) -> None:
        for _ in range(count):
            self.queue.popleft()


def _record_at(ahead: _Ahead) -> tuple[int, list[str] | None, str]:
    """Try to read the record that starts at the first line: its lines, fields, or why not."""
    text = ahead.text(0)
    parts, count, size = [text], 1, len(text)
    odd = text.count('"') % 2
    while odd:
        line = ahead.at(count)
        if line is None:
            return 0, None, UNFINISHED
        following = ahead.text(count)
        size += line.size
        if line.too_long or size > MAX_LINE_BYTES or count > _RECORD_LINES_MAX:
            return 0, None, "record longer than 16 MiB or 200,000 lines"
        if RECORD_START.match(following) and parse(following) is not None:
            return 0, None, "cut off inside a quoted field"
        parts.append(following)
        odd ^= following.count('"') % 2
        count += 1
    fields = parse("\n".join(parts))
    if fields is None:
        last = ahead.at(count - 1)
        cut = last is not None and not last.ended
        return 0, None, UNFINISHED if cut else "not the fields of a csvlog record"
    return count, fields, ""


def parse(text: str) -> list[str] | None:
    """Return the 26 fields of one csvlog record (missing ones ""), or None when it is none."""
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        return None
    if len(rows) != 1 or len(rows[0]) not in COLUMN_COUNTS:
        return None
    fields = rows[0] + [""] * (26 - len(rows[0]))
    if not _SESSION.fullmatch(fields[5]) or not fields[3] or not fields[6] or not fields[11]:
        return None
    for index in _NUMBERS:
        if (fields[index] and not fields[index].isascii()) or not _is_number(fields[index]):
            return None
    return fields if _is_number(fields[25]) else None


def _is_number(text: str) -> bool:
    return not text or text.removeprefix("-").isdigit()
