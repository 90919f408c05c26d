"""Puts a request log into a run beside what is there: new rows, known ones, and rejects.

A row that the same file told in an earlier import is known, and no reject; a row with the key of
another one is a duplicate, and set aside. So importing a file again gives the same run, and a file
that has grown gives what one import of it would have given.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import duckdb

from analysis.importers.previous import REJECTS, Previous
from analysis.importers.request_rows import REQUESTS, quoted
from analysis.importers.sinks import Sink
from analysis.importers.sources import Source, read_head
from analysis.importers.spool import Spool
from runlog.literals import sql_text
from runlog.schema import TABLES
from runlog.writer import RunWriter

_SPANS = TABLES["spans"]
_COLUMNS = ", ".join(quoted(c) for c in REQUESTS.column_names)
_REJECT = (
    "file VARCHAR, byte_offset BIGINT, line BIGINT, lines BIGINT, reason VARCHAR, text VARCHAR"
)
_DUPLICATE = "duplicate of another request"


@dataclass(frozen=True)
class Origin:
    """The file of an import, as the manifest knows it: `before` is its entry, None for a new one.

    A file is known again by its first bytes, so also when it has grown or has another name.
    """

    label: str
    head: dict[str, Any]
    before: dict[str, Any] | None

    @classmethod
    def of(cls, source: Source, previous: Previous) -> Origin:
        """Return what is known of the file; a name that another file has gets a number."""
        head = {"bytes": source.head_bytes, "sha256": source.head_sha256}
        entries = previous.manifest.sources if previous.manifest else []
        for entry in entries:
            old = entry.get("head") or {"bytes": 0}
            if 0 < old["bytes"] <= source.head_bytes:
                again = hashlib.sha256(read_head(source, old["bytes"])).hexdigest()
                if again == old["sha256"]:
                    return cls(entry["file"], head, entry)
        names = {entry.get("file") for entry in entries}
        label, number = source.name, 1
        while label in names:
            number += 1
            label = f"{source.name} ({number})"
        return cls(label, head, None)


@dataclass(frozen=True)
class Merged:
    """What an import made: rows of its file that are in the run or set aside, and all rejects."""

    known: int
    new: int
    stages: int
    rejected: int  # of this file, rows and lines and spans
    rejects: Counter[str]  # of all files, by reason


def merge(writer: RunWriter, previous: Previous, origin: Origin, stages: Spool | None) -> Merged:
    """Write requests, spans and rejects of `typed_rows`; carry over the run's other tables.

    Adds to the table `rejected` (see set_aside) the duplicates, and spans without their request.
    """
    con = writer.connection
    _judge_rows(writer, previous, origin)
    earlier = _earlier(previous, origin)
    writer.add(
        "requests",
        f"SELECT {_COLUMNS} FROM ({earlier}) UNION ALL "
        f"SELECT {_COLUMNS} FROM judged WHERE verdict = 'new'",
    )
    kept_stages = _write_stages(writer, previous, origin, stages)
    con.execute(
        f"INSERT INTO rejected SELECT {sql_text(origin.label)}, NULL, source_row, 1, "
        f"'{_DUPLICATE}', request_id FROM judged WHERE verdict = 'duplicate'"
    )
    counted = dict(con.execute("SELECT verdict, count(*) FROM judged GROUP BY 1").fetchall())
    rejected = con.execute("SELECT count(*) FROM rejected").fetchall()[0][0]
    rejects = _write_rejects(writer, previous, origin)
    for name in previous.manifest.tables if previous.manifest else {}:
        if name not in writer.tables:
            table = previous.table(name)
            assert table is not None
            writer.adopt(name, table)
    known, new = counted.get("known", 0), counted.get("new", 0)
    return Merged(known, new, kept_stages, rejected, rejects)


def _earlier(previous: Previous, origin: Origin) -> str:
    """SQL: the requests of the earlier run, but for one whose line was half written then."""
    path = previous.table("requests")
    if path is None:
        return "SELECT * FROM typed_rows LIMIT 0"
    table = f"SELECT * FROM read_parquet({sql_text(path)})"
    open_key = (origin.before or {}).get("open_row")
    if not open_key:
        return table
    return (
        f"{table} WHERE NOT (request_id = {sql_text(open_key[0])} AND attempt = {int(open_key[1])})"
    )


def _judge_rows(writer: RunWriter, previous: Previous, origin: Origin) -> None:
    """Make the table `judged`: rows without fault, each new, known, or a duplicate."""
    con = writer.connection
    key = ", ".join(REQUESTS.key)
    equal = " AND ".join(
        f"f.{quoted(c)} IS NOT DISTINCT FROM e.{quoted(c)}" for c in REQUESTS.column_names
    )
    con.execute("CREATE TEMP TABLE refused_before (line BIGINT, request_id VARCHAR)")
    before = previous.rejects()
    if origin.before is not None and before is not None:
        con.execute(
            f"INSERT INTO refused_before SELECT line, text FROM read_parquet({sql_text(before)}) "
            f"WHERE file = {sql_text(origin.label)} AND reason = '{_DUPLICATE}'"
        )
    con.execute(
        "CREATE TEMP TABLE judged AS WITH compared AS ("
        f"SELECT f.*, e.request_id IS NOT NULL AS is_taken, {origin.before is not None} "
        f"AND e.request_id IS NOT NULL AND {equal} AND r.line IS NULL AS may_be_known "
        f"FROM (SELECT {_COLUMNS}, source_row FROM typed_rows WHERE fault IS NULL) AS f "
        f"LEFT JOIN (SELECT {_COLUMNS} FROM ({_earlier(previous, origin)})) AS e "
        "ON e.request_id = f.request_id AND e.attempt = f.attempt "
        "LEFT JOIN (SELECT DISTINCT * FROM refused_before) AS r "
        "ON r.line = f.source_row AND r.request_id = f.request_id), "
        "placed AS (SELECT *, row_number() OVER ("
        f"PARTITION BY {key} ORDER BY may_be_known DESC, source_row) AS place FROM compared) "
        f"SELECT {_COLUMNS}, source_row, CASE WHEN may_be_known AND place = 1 THEN 'known' "
        "WHEN is_taken OR place > 1 THEN 'duplicate' ELSE 'new' END AS verdict FROM placed"
    )


def _write_stages(
    writer: RunWriter, previous: Previous, origin: Origin, stages: Spool | None
) -> int:
    """Write the spans of known requests, set the others aside; return how many are in the run."""
    if stages is None or not stages.rows:
        return 0
    con = writer.connection
    columns = ", ".join(c.name for c in _SPANS.columns)
    key = ", ".join(_SPANS.key)
    path = previous.table("spans")
    earlier = "SELECT * FROM fresh LIMIT 0"
    if path is not None:
        earlier = f"SELECT * FROM read_parquet({sql_text(path)})"
    requests = f"read_parquet({sql_text(writer.partial / 'requests.parquet')})"
    con.execute(
        "CREATE TEMP TABLE fresh AS SELECT * EXCLUDE (started_us), "
        f"make_timestamptz(started_us) AS started_at FROM {stages.reader()}"
    )
    same = f"{origin.before is not None} AND e.duration_us = f.duration_us"
    con.execute(
        "CREATE TEMP TABLE judged_spans AS WITH compared AS ("
        f"SELECT f.*, e.request_id IS NOT NULL AS is_taken, coalesce({same}, false) AS same, "
        "q.request_id IS NULL AS is_orphan FROM fresh AS f "
        f"LEFT JOIN (SELECT DISTINCT request_id FROM {requests}) AS q "
        "ON q.request_id = f.request_id "
        f"LEFT JOIN ({earlier}) AS e ON e.request_id = f.request_id AND e.attempt = f.attempt "
        "AND e.span = f.span AND e.name = f.name AND e.started_at = f.started_at), "
        f"placed AS (SELECT *, row_number() OVER (PARTITION BY {key} "
        "ORDER BY same DESC, source_row, shown) AS place FROM compared) "
        "SELECT *, CASE WHEN is_orphan THEN 'span without its request' "
        "WHEN same AND place = 1 THEN 'known' "
        "WHEN is_taken OR place > 1 THEN 'duplicate of another span' ELSE 'new' END AS verdict "
        "FROM placed"
    )
    con.execute(
        f"INSERT INTO rejected SELECT {sql_text(origin.label)}, NULL, source_row, 1, verdict, "
        "shown FROM judged_spans WHERE verdict NOT IN ('known', 'new')"
    )
    writer.add(
        "spans",
        f"SELECT {columns} FROM ({earlier}) UNION ALL "
        f"SELECT {columns} FROM judged_spans WHERE verdict = 'new'",
    )
    counted = con.execute(
        "SELECT count(*) FROM judged_spans WHERE verdict IN ('known', 'new')"
    ).fetchall()
    return int(counted[0][0])


def set_aside(con: duckdb.DuckDBPyConnection, origin: Origin, sink: Sink) -> None:
    """Make the table `rejected`, with the rows that have a fault and what the reader set aside."""
    file = sql_text(origin.label)
    con.execute(f"CREATE TEMP TABLE rejected ({_REJECT})")
    con.execute(
        f"INSERT INTO rejected SELECT {file}, NULL, source_row, 1, fault, shown FROM typed_rows "
        "WHERE fault IS NOT NULL"
    )
    if sink.rejects.stat().st_size:
        columns = ", ".join(f"{c.split()[0]}: '{c.split()[1]}'" for c in _REJECT.split(", "))
        con.execute(
            f"INSERT INTO rejected SELECT {file}, byte_offset, line, lines, reason, text FROM "
            f"read_json({sql_text(sink.rejects)}, format='newline_delimited', "
            f"columns={{{columns}}})"
        )


def _write_rejects(writer: RunWriter, previous: Previous, origin: Origin) -> Counter[str]:
    """Write the rejects of all files; those of this one take the place of its earlier ones."""
    con, query = writer.connection, "SELECT * FROM rejected"
    before = previous.rejects()
    if before is not None:
        others = "" if origin.before is None else f"WHERE file <> {sql_text(origin.label)}"
        query = f"SELECT * FROM read_parquet({sql_text(before)}) {others} UNION ALL BY NAME {query}"
    target = sql_text(writer.partial / REJECTS)
    con.execute(
        f"COPY (SELECT * FROM ({query}) ORDER BY file, line, byte_offset, reason, text) "
        f"TO {target} (FORMAT parquet, COMPRESSION zstd)"
    )
    counted = con.execute(
        f"SELECT reason, sum(lines)::BIGINT FROM read_parquet({target}) "
        "GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    return Counter(dict(counted))
