"""Reads the CSV form of request logs row by row, in bounded memory: no row is lost or guessed.

A row that is damaged (a quote that is not closed, more or fewer fields than the header) is set
aside alone; the line after it is read afresh. Blank lines are skipped and counted.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from analysis.importers.sinks import TOO_LONG, UNFINISHED, Sink
from analysis.importers.sources import MAX_LINE_BYTES, Line, Source, as_text, read_lines
from analysis.importers.spool import Spool, text_columns
from runlog.errors import BadData

DAMAGED = "damaged CSV line"
_DELIMITERS = ",;\t|"
_MOST_LINES = 1000  # of one row
csv.field_size_limit(2 * MAX_LINE_BYTES)


class _Lines:
    """The lines of a file as text, with a way to give some back."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lines = read_lines(source)
        self._back: deque[tuple[Line, str]] = deque()
        self.ended = True  # False once a line without newline, the last one, was read

    def next(self) -> tuple[Line, str] | None:
        """Return the next line, None at the end."""
        if self._back:
            return self._back.popleft()
        line = next(self._lines, None)
        if line is None:
            return None
        self.ended = line.ended
        return line, as_text(self._source, line)

    def give_back(self, taken: list[tuple[Line, str]]) -> None:
        """Let these lines come again, before all others."""
        self._back.extendleft(reversed(taken))


@dataclass
class Rows:
    """What a CSV file held: its rows, its blank lines, the last row when its line has no end."""

    spool: Spool
    blank: int
    open_row: int | None = None


def read_rows(source: Source, sink: Sink, wanted: list[str], path: Path) -> Rows:
    """Spool the wanted columns of each row, set damaged lines aside.

    Columns of the spool: `source_row`, the number of the row's first line, and c0, c1, ... for the
    wanted ones. Raises BadData when the header has no such column.
    """
    lines = _Lines(source)
    header, delimiter, blank = _header(lines)
    places = [_place(name, header) for name in wanted]
    spool = Spool(path, text_columns(len(wanted)))
    found = Rows(spool, blank)
    with spool:
        while (first := lines.next()) is not None:
            line, text = first
            found.open_row = None
            if line.too_long:
                sink.reject(source, line, TOO_LONG)
            elif not text.strip():
                found.blank += 1
            else:
                taken, fields = _row(first, lines, delimiter, len(header))
                if fields is None:
                    sink.reject(source, line, DAMAGED if line.ended else UNFINISHED)
                else:
                    source.records += 1
                    source.record_lines += taken
                    spool.row([line.number, *(fields[place] for place in places)])
                    found.open_row = None if lines.ended else line.number
    assert source.lines == 1 + found.blank + source.record_lines + source.rejected_lines
    return found


def _header(lines: _Lines) -> tuple[list[str], str, int]:
    """Return the names of the columns, the delimiter, and the blank lines before the header."""
    blank = 0
    while (first := lines.next()) is not None:
        text = first[1].removeprefix("\ufeff")
        if not text.strip() and not first[0].too_long:
            blank += 1
            continue
        bare = re.sub('"[^"]*"', "", text)
        delimiter = max(_DELIMITERS, key=bare.count)
        names = _fields(text, delimiter)
        if first[0].too_long or names is None:
            raise BadData(
                "broken header of a request log", text[:60], "its first row names columns"
            )
        return [name.strip() for name in names], delimiter, blank
    raise BadData("no valid request in the file", "it is empty", "a CSV begins with its header")


def _place(name: str, header: list[str]) -> int:
    if name not in header:
        listed = ", ".join(sorted(header)[:20])
        raise BadData("no such column in the request log", name, f"it has: {listed}")
    if header.count(name) > 1:
        raise BadData("column that occurs twice in the request log", name, "rename one of them")
    return header.index(name)


def _row(
    first: tuple[Line, str], lines: _Lines, delimiter: str, width: int
) -> tuple[int, list[str] | None]:
    """Return how many lines a row takes, and its fields; (1, None) when its line is damaged."""
    taken = [first]
    is_open, size = first[1].count('"') % 2 == 1, first[0].size
    while is_open and len(taken) < _MOST_LINES:
        after = lines.next()
        if after is None:
            break
        taken.append(after)
        size += after[0].size
        if after[0].too_long or size > MAX_LINE_BYTES:
            break
        is_open ^= after[1].count('"') % 2 == 1
    fields = None if is_open else _fields("\n".join(text for _, text in taken), delimiter)
    if fields is None or len(fields) != width:
        lines.give_back(taken[1:])
        return 1, None
    return len(taken), fields


def _fields(text: str, delimiter: str) -> list[str] | None:
    """Return the fields of one row, None when its quotes are no CSV."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        return None
