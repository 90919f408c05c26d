"""The fast way through undamaged csvlog and jsonlog: DuckDB's own readers, proved by a recount.

A file (or a slice of whole records of one) is taken only as a whole: when a single row is not a
valid record, or the number of rows is not the number of records that an independent count finds,
nothing of it is kept and the careful reader has its turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb

from analysis.importers.csvlog import COLUMN_COUNTS
from analysis.importers.jsonlog import KEYS
from analysis.importers.sinks import EXTRAS, FIELDS
from analysis.importers.sources import MAX_LINE_BYTES, Source, opened
from analysis.importers.zones import refuse_ambiguous
from analysis.sql import load
from runlog.literals import sql_text

SLICE_BYTES = 64 * 1024 * 1024
_DAMAGED = (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.OutOfMemoryException)
_BLOCK = 256 * 1024  # what a processor's own cache holds
_SAMPLE_BYTES = 512 * 1024
_FREQUENT_MAX = 16
# half of DuckDB's own: two processors write and read a log of 100 MB evenly, with less in memory
_ROW_GROUP_RECORDS = 61_440
_START = re.compile(rb"\n\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [\w+/:-]{1,20},")


def count_records(path: Path, *, quoted: bool) -> tuple[int, int, bool]:
    """Count newlines outside quotes and newlines in all; True when the file ends a whole record.

    With `quoted=False` (JSON lines) every newline ends a record. This counts bytes and knows
    nothing of the reader it checks.
    """
    records = newlines = 0
    inside = False
    last = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            last = block[-1:]
            if not quoted:
                newlines += block.count(b"\n")
                continue
            outside, ends, inside = _newlines(block, inside=inside)
            records, newlines = records + outside, newlines + ends
    return records if quoted else newlines, newlines, not inside and last == b"\n"


def _newlines(block: bytes, *, inside: bool) -> tuple[int, int, bool]:
    """Newlines outside quotes, newlines in all, and whether the block ends inside quotes.

    One bit a byte, 64 at once: a byte is inside quotes when the quotes up to it are odd in number,
    which six shifts tell within a word (as Langdale and Lemire do, Parsing Gigabytes of JSON per
    Second, VLDB Journal 2019) and the words before it tell across them.
    """
    import numpy as np  # beside the reader, which need not wait for it

    data = np.frombuffer(block + bytes(-len(block) % 64), dtype=np.uint8)
    quotes, ends = (
        np.packbits(data == ord(mark), bitorder="little").view("<u8") for mark in ('"', "\n")
    )
    odd = quotes.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        odd ^= odd << np.uint64(shift)
    after = np.bitwise_xor.accumulate(odd >> np.uint64(63)) ^ np.uint64(inside)
    before = np.concatenate([np.array([inside], dtype=np.uint64), after[:-1]])
    odd ^= np.uint64(0) - before  # all bits of a word change where quotes were open before it
    outside = int(np.bitwise_count(ends & ~odd).sum())
    return outside, int(np.bitwise_count(ends).sum()), bool(after[-1])


def take_whole(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    kind: str,
    columns: int,
    target: Path,
    *,
    zone_told: bool,
) -> tuple[int, int] | None:
    """Turn a whole undamaged file into a Parquet part: (records, lines); None if damaged."""
    with ThreadPoolExecutor(1) as pool:
        counted = pool.submit(count_records, path, quoted=kind == "csv")
        try:
            know_frequent(con, _frequent(con, path, kind, columns, target.with_suffix(".head")))
            con.execute(f"CREATE OR REPLACE TEMP VIEW raw_log AS {_reader(path, kind, columns)}")
            names = ", ".join(f'"{c}"' for c in (*FIELDS, *EXTRAS))
            con.execute(
                f"COPY (SELECT {names} FROM ({load('duckdb/import_pg_log_typed')}) "
                "WHERE CASE WHEN fault IS NULL THEN TRUE ELSE error(fault) END) "
                f"TO {sql_text(target)} "
                f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP_RECORDS})"
            )
        except _DAMAGED as error:
            target.unlink(missing_ok=True)
            if not zone_told:
                refuse_ambiguous(str(error), path.name)
            return None
    records, newlines, whole = counted.result()
    rows = con.execute(f"SELECT count(*) FROM read_parquet({sql_text(target)})").fetchall()[0][0]
    if rows != records or not whole:
        target.unlink(missing_ok=True)
        return None
    return records, newlines


def know_frequent(con: duckdb.DuckDBPyConnection, frequent: list[tuple[str, str]]) -> None:
    """Make the macro mask_body, which knows some texts and their masked forms by heart.

    Applications say the same few statements again and again. Comparing a text with some known ones
    costs a fraction of masking it, and unlike a join keeps the records in order.
    """
    con.execute("SET VARIABLE bodies = $1", [[body for body, _ in frequent]])
    con.execute("SET VARIABLE masks = $1", [[masked for _, masked in frequent]])
    cases = "".join(
        f" WHEN x = getvariable('bodies')[{place}] THEN getvariable('masks')[{place}]"
        for place in range(1, len(frequent) + 1)
    )
    body = f"CASE{cases} ELSE mask_sql(x) END" if cases else "mask_sql(x)"
    con.execute(f"CREATE OR REPLACE TEMP MACRO mask_body(x) AS {body}")


def _frequent(
    con: duckdb.DuckDBPyConnection, path: Path, kind: str, columns: int, sample: Path
) -> list[tuple[str, str]]:
    """Return the commonest statements of a file's beginning, each with its masked form."""
    with path.open("rb") as file:
        data = file.read(_SAMPLE_BYTES)
    sample.write_bytes(data[: _cut(data, kind)])
    try:
        con.execute(f"CREATE OR REPLACE TEMP VIEW raw_log AS {_reader(sample, kind, columns)}")
        query = load("duckdb/import_frequent_bodies")
        return con.execute(query, {"most": _FREQUENT_MAX}).fetchall()
    except _DAMAGED:
        return []
    finally:
        sample.unlink()


def columns_of(head: bytes) -> int:
    """Return the number of columns of the first whole csvlog record in `head`, 0 for none."""
    import csv

    try:
        for row in csv.reader(head.decode("utf-8", "replace").splitlines(keepends=True)):
            if len(row) in COLUMN_COUNTS:
                return len(row)
    except csv.Error:
        pass
    return 0


def slices(source: Source, kind: str, folder: Path) -> Iterator[tuple[Path | None, int, int]]:
    """Cut what is new of a file into temporary files of whole records: (path, offset, bytes).

    A slice ends where a record ends, as far as quotes tell; in a damaged region it ends at a
    line end, and the careful reader sorts it out. Where a line is longer than a slice, the
    path is None: read on carefully from that offset.
    """
    path = folder / "slice"
    offset, kept = source.start, b""
    with opened(source, source.start) as stream:
        while True:
            block = stream.read(SLICE_BYTES)
            data = kept + block
            if not data:
                return
            last = len(block) < SLICE_BYTES
            end = len(data) if last else _cut(data, kind)
            if not end:
                yield None, offset, 0
                return
            path.write_bytes(data[:end])
            yield path, offset, end
            offset, kept = offset + end, data[end:]
            if last:
                return


def _cut(data: bytes, kind: str) -> int:
    """Return where the last whole record of a block ends, 0 for nowhere."""
    line_end = data.rfind(b"\n") + 1
    if kind != "csv":
        return line_end
    low = max(0, len(data) - MAX_LINE_BYTES)
    starts = [m.start() + 1 for m in _START.finditer(data, low)]
    for start in reversed(starts[-50:]):
        if data.count(b'"', 0, start) % 2 == 0:
            return start
    return starts[-1] if starts else line_end


def _reader(path: Path, kind: str, columns: int) -> str:
    if kind == "json":
        keys = ", ".join(f"{sql_text(key)}: 'VARCHAR'" for key in _JSON_KEYS)
        renamed = ", ".join(
            f"nullif({key}, '') AS {column}" for column, key in _QUOTED_KEYS.items()
        )
        return (
            f"SELECT {renamed}, "
            "nullif(remote_host || coalesce(':' || remote_port, ''), '') AS connection_from, "
            "func_name || ', ' || file_name || ':' || file_line_num AS location, "
            f"{_NOWHERE} "
            f"FROM read_json({sql_text(path)}, format='newline_delimited', columns={{{keys}}}, "
            f"maximum_object_size={MAX_LINE_BYTES}, compression='none')"
        )
    # unless told, buffers hold 16 of the longest lines: 256 MB to be filled before a line is read
    names = FIELDS[:columns]
    listed = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    missing = "".join(f", NULL AS {name}" for name in FIELDS[columns:])
    return (
        f"SELECT *{missing}, {_NOWHERE} "
        f"FROM read_csv({sql_text(path)}, auto_detect=false, header=false, "
        f"delim=',', quote='\"', escape='\"', new_line='\\n', columns={{{listed}}}, "
        f"all_varchar=true, max_line_size={MAX_LINE_BYTES}, buffer_size={2 * MAX_LINE_BYTES}, "
        "strict_mode=true, compression='none')"
    )


# the parallel readers tell no place of a record; an undamaged file needs none
_NOWHERE = (
    "NULL::BIGINT AS source_index, NULL::BIGINT AS source_offset, "
    "NULL::BIGINT AS source_line, NULL::BIGINT AS source_lines"
)
_JSON_KEYS = (
    *KEYS.values(), "remote_host", "remote_port", "func_name", "file_name", "file_line_num"
)  # fmt: skip


_QUOTED_KEYS = {f'"{column}"': f'"{key}"' for column, key in KEYS.items()}
