"""Where the careful readers put what they read: records as clean CSV, the rest as rejects."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import orjson

from analysis.importers.sources import Line, Source
from runlog.schema import TABLES

FIELDS = TABLES["pg_log"].column_names
# stored beside the contract's columns: what a "duration:" message says, taken apart once
EXTRAS = {"duration_us": "BIGINT", "duration_kind": "VARCHAR", "statement": "VARCHAR"}
PLACE = ("source_index", "source_offset", "source_line", "source_lines")
_SESSION, _NUMBER = FIELDS.index("session_id"), FIELDS.index("session_line_num")
_REJECT_TEXT = 500
_ROTATE_BYTES = 256 * 1024 * 1024

UNFINISHED = "unfinished last record"
EMPTY = "empty line"
TOO_LONG = "line longer than 16 MiB"


class Sink:
    """Collects records (26 text fields each, with their place) and rejects in files of `folder`.

    Both are plain append-only files, so that memory stays flat however large or broken the log is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records: list[Path] = []
        self.rejects = folder / "rejects.ndjson"
        self.reasons: Counter[str] = Counter()
        self._reject_file = self.rejects.open("wb")
        self._record_file: TextIO | None = None
        self._writer: Any = None
        self._last_empty: dict[str, object] | None = None

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def record(self, source: Source, offset: int, line: int, lines: int, fields: list[str]) -> None:
        """Take one record of 26 fields that covers `lines` physical lines."""
        if self._record_file is None or self._record_file.tell() > _ROTATE_BYTES:
            self._rotate()
        self._writer.writerow((source.index, offset, line, lines, *fields))
        source.records += 1
        source.record_lines += lines

    def reject(self, source: Source, line: Line, reason: str, text: str = "") -> None:
        """Set one physical line aside; runs of empty lines become one row."""
        source.rejected_lines += 1
        if not line.ended or reason == UNFINISHED:
            reason = reason if reason in (EMPTY, TOO_LONG) else UNFINISHED
            self.leave_open(source, line)
        self.reasons[reason] += 1
        if reason == EMPTY and self._extends_empty(source, line):
            return
        self._flush_empty()
        shown = (text or line.data[: _REJECT_TEXT * 4].decode("utf-8", "replace"))[:_REJECT_TEXT]
        row: dict[str, object] = {
            "file": source.name,
            "byte_offset": line.offset,
            "line": line.number,
            "lines": 1,
            "reason": reason,
            "text": shown.replace("\0", "\ufffd"),
        }
        if reason == EMPTY:
            self._last_empty = {**row, "source": source.index}
        else:
            self._reject_file.write(orjson.dumps(row) + b"\n")

    def leave_open(self, source: Source, line: Line, fields: Sequence[str] = ()) -> None:
        """Let the next import begin at this line, when none before it is open.

        `fields` are those of a record that begins there and may be cut off: it will be told again.
        """
        if source.unfinished is not None:
            return
        source.unfinished = {
            "offset": line.offset,
            "line": line.number,
            "records": source.records,
            "record_lines": source.record_lines,
        }
        if fields and re.fullmatch(r"[0-9]{1,18}", fields[_NUMBER]):  # others are set aside
            key = {"session_id": fields[_SESSION], "session_line_num": int(fields[_NUMBER])}
            source.unfinished |= key

    def close(self) -> None:
        """Flush and close the files."""
        self._flush_empty()
        self._reject_file.close()
        if self._record_file is not None:
            self._record_file.close()

    def _extends_empty(self, source: Source, line: Line) -> bool:
        last = self._last_empty
        if last is None or last["source"] != source.index:
            return False
        if last["line"] + last["lines"] != line.number:  # type: ignore[operator]
            return False
        last["lines"] = last["lines"] + 1  # type: ignore[operator]
        return True

    def _flush_empty(self) -> None:
        if self._last_empty is not None:
            row = {k: v for k, v in self._last_empty.items() if k != "source"}
            self._reject_file.write(orjson.dumps(row) + b"\n")
            self._last_empty = None

    def _rotate(self) -> None:
        if self._record_file is not None:
            self._record_file.close()
        path = self.folder / f"records-{len(self.records)}.csv"
        self._record_file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._record_file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self.records.append(path)
