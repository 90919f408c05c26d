"""Cloud SQL logs as Cloud Logging exports them: JSON entries whose textPayload is a stderr line.

Entries come one a line, or as one JSON array (`gcloud logging read --format json`), often newest
first, and exports overlap. They are put in order of their time stamps out of core, and each entry
is taken once: it is known by its insertId and stamp, which Cloud Logging documents as the identity
of an entry ("LogEntry", insertId), without insertId by stamp and text. One entry counts as one
line, numbered in order of time.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import orjson

from analysis.importers.jsonarray import elements
from analysis.importers.previous import Previous
from analysis.importers.sinks import EMPTY, TOO_LONG, Sink
from analysis.importers.sources import Line, Source, as_text, opened, read_lines
from analysis.importers.spool import Spool
from runlog.literals import sql_text
from runlog.writer import connect

ENTRIES = "cloudsql_entries.parquet"
DUPLICATE = "duplicate of another entry"
_NO_TEXT = "entry without textPayload"
_ALL_LINES = 1 << 60
_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_NO_CHARACTER = re.compile("[\0\ud800-\udfff]")
_COLUMNS = {
    "place": "BIGINT", "byte_offset": "BIGINT", "size": "BIGINT", "at_s": "BIGINT",
    "at_ns": "BIGINT", "entry": "UBIGINT", "text": "VARCHAR",
}  # fmt: skip


class Entries:
    """The entries that a run has already, and those that an import adds, each with its file's mark.

    They are kept beside the run's tables; `write` puts them into the run that is being written.
    """

    def __init__(self, previous: Previous, partial: Path) -> None:
        self._previous, self._partial = previous, partial
        before = previous.folder / ENTRIES
        self._before = before if previous.exists and before.is_file() else None
        self._con: duckdb.DuckDBPyConnection | None = None

    def text_lines(self, source: Source, sink: Sink) -> Iterator[tuple[Line, str]]:
        """Yield the stderr text of each new entry in order of time; other entries go to the sink.

        A file that holds every entry of one that was imported before takes its place.
        """
        con = self._connection(sink.folder)
        spool, newest_first = _spooled(source, sink)
        con.execute(f"CREATE OR REPLACE TABLE now AS SELECT * FROM {spool.reader()}")
        spool.path.unlink()
        self._replace_contained()
        order = f"at_s, at_ns, place {'DESC' if newest_first else 'ASC'}"
        con.execute(
            "CREATE OR REPLACE TABLE judged AS SELECT place, row_number() OVER "
            f"(PARTITION BY entry ORDER BY {order}) > 1 OR entry IN (SELECT entry FROM known) "
            "AS is_told FROM now"
        )
        con.execute(
            "INSERT INTO known SELECT DISTINCT n.entry, "
            f"{sql_text(source.mark)} FROM now AS n JOIN judged AS j USING (place) "
            "WHERE NOT j.is_told"
        )
        rows = con.execute(
            "SELECT n.byte_offset, n.size, n.text, j.is_told FROM now AS n "
            f"JOIN judged AS j USING (place) ORDER BY {order}"
        )
        number = 0
        while batch := rows.fetchmany(1000):
            for offset, size, text, is_told in batch:
                number += 1
                line = Line(offset, number, text[:2000].encode(), size, True, False)
                if is_told:
                    sink.reject(source, line, DUPLICATE)
                else:
                    yield line, text
        con.execute("DROP TABLE now")

    def write(self) -> None:
        """Write the entries of the new run, where it has any."""
        target = self._partial / ENTRIES
        if self._con is not None:
            self._con.execute(
                f"COPY (SELECT * FROM known ORDER BY ALL) TO {sql_text(target)} "
                "(FORMAT parquet, COMPRESSION zstd)"
            )
            self._con.close()
        elif self._before is not None:
            shutil.copyfile(self._before, target)

    def _connection(self, scratch: Path) -> duckdb.DuckDBPyConnection:
        """Return a connection with the table `known`, without files that are read again."""
        if self._con is None:
            self._con = connect()
            self._con.execute("SET memory_limit = '300MB'")
            self._con.execute(f"SET temp_directory = {sql_text(scratch / 'entries')}")
            self._con.execute("CREATE TABLE known (entry UBIGINT, mark VARCHAR)")
            if self._before is not None:
                self._con.execute(
                    f"INSERT INTO known SELECT * FROM read_parquet({sql_text(self._before)})"
                )
            for place in self._previous.resumed:
                self._forget(self._sources()[place].get("mark", ""))
        return self._con

    def _sources(self) -> list[dict[str, Any]]:
        return self._previous.manifest.sources if self._previous.manifest else []

    def _forget(self, mark: str) -> None:
        assert self._con is not None
        self._con.execute("DELETE FROM known WHERE mark = ?", [mark])

    def _replace_contained(self) -> None:
        """Let this file take the place of earlier ones whose entries it has, every one of them."""
        assert self._con is not None
        contained = self._con.execute(
            "SELECT k.mark FROM known AS k LEFT JOIN (SELECT DISTINCT entry FROM now) AS n "
            "ON n.entry = k.entry GROUP BY k.mark HAVING count(*) = count(n.entry)"
        ).fetchall()
        for (mark,) in contained:
            for place, entry in enumerate(self._sources()):
                if entry.get("mark") == mark and place not in self._previous.resumed:
                    self._previous.resumed.add(place)
                    self._previous.reread_from[entry["file"]] = 1
                    self._previous.reread_lines.append((mark, 1, _ALL_LINES))
                    self._forget(mark)


def _spooled(source: Source, sink: Sink) -> tuple[Spool, bool]:
    """Spool the entries that have a text; return the spool, and True when the newest come first."""
    with opened(source) as stream:
        is_array = stream.read(64).lstrip()[:1] == b"["
    spool = Spool(sink.folder / f"entries-{source.index}.csv", _COLUMNS)
    before, rising, falling = (0, 0), 0, 0
    with spool:
        for line, entry in _array(source, sink) if is_array else _one_a_line(source, sink):
            text = entry.get("textPayload") if isinstance(entry, dict) else None
            if not isinstance(text, str):
                sink.reject(source, line, _NO_TEXT)
                continue
            text = _NO_CHARACTER.sub("\ufffd", text)
            at = _moment(entry.get("timestamp")) or before
            rising, falling = rising + (at > before), falling + (at < before)
            before = at
            spool.row([spool.rows, line.offset, line.size, *at, _identity(entry, at, text), text])
    return spool, falling > rising


def _array(source: Source, sink: Sink) -> Iterator[tuple[Line, Any]]:
    with opened(source) as stream:
        for number, element in enumerate(elements(stream), start=1):
            shown = (element.broken or repr(element.value)[:500]).encode("utf-8", "replace")
            line = Line(element.offset, number, shown, element.size, element.ended, False)
            source.lines += 1
            source.bytes_read = element.offset + element.size
            if element.broken:
                sink.reject(source, line, "not JSON")
            else:
                yield line, element.value


def _one_a_line(source: Source, sink: Sink) -> Iterator[tuple[Line, Any]]:
    for line in read_lines(source):
        if line.too_long or not line.data:
            sink.reject(source, line, TOO_LONG if line.too_long else EMPTY)
            continue
        try:
            content = orjson.loads(as_text(source, line))
        except orjson.JSONDecodeError:
            sink.reject(source, line, "not JSON")
            continue
        yield line, content


def _moment(stamp: Any) -> tuple[int, int] | None:
    """Return seconds since 1970 and nanoseconds of an RFC 3339 stamp, None when it is none.

    >>> _moment("2026-03-14T12:00:00.1Z") > _moment("2026-03-14T12:00:00Z")
    True
    """
    match = _STAMP.fullmatch(stamp) if isinstance(stamp, str) else None
    if match is None:
        return None
    try:
        at = dt.datetime.fromisoformat(match.group(1) + match.group(3))
        return int(at.timestamp()), int((match.group(2) or "").ljust(9, "0"))
    except (ValueError, OverflowError):
        return None


def _identity(entry: dict[str, Any], at: tuple[int, int], text: str) -> int:
    """Return 64 bits that stand for one entry, whatever file it is in."""
    insert_id = entry.get("insertId")
    what = f"i{insert_id}" if isinstance(insert_id, str) and insert_id else f"t{text}"
    told = f"{at[0]}.{at[1]} {what}".encode("utf-8", "replace")
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest())
