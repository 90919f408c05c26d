"""Imports request logs (CSV, Parquet, OTLP JSON traces) by a mapping file."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import duckdb

from analysis.importers.mapping import Mapping, load_mapping
from analysis.importers.otlp import flatten, looks_like_otlp
from analysis.importers.previous import REJECTS, Previous
from analysis.importers.zones import ZoneRule
from runlog.errors import BadData, UsageFault
from runlog.literals import sql_text
from runlog.manifest import Manifest
from runlog.schema import BOOL, INT, TABLES, TIME, Column
from runlog.writer import RunWriter, space_guard

_REQUESTS = TABLES["requests"]
_PER_SECOND = {"s": 1_000_000, "ms": 1_000, "us": 1}
_MUST_BE_TOLD = ("request_id", "outcome", "operation")
_OTLP_COLUMNS = {
    "request_id": "trace_id",
    "started_at": "start",
    "finished_at": "end",
    "operation": "name",
    "outcome": "status",
    "reason": "reason",
}
_OTLP_OUTCOMES: dict[str, str | bool] = {
    "unset": "approved",
    "ok": "approved",
    "error": "failed",
}


@dataclass(frozen=True)
class Imported:
    """What one import did: the run, requests and spans in all, rows set aside by reason."""

    folder: Path
    requests: int
    spans: int
    rejects: dict[str, int]
    notes: list[str]


def import_requests(path: Path, mapping_file: Path, out: Path) -> Imported:
    """Read a request log into the run directory `out`, beside what an import has put there.

    Raises UsageFault for files that do not exist or an `out` that is no import, BadData for a
    mapping that does not fit the file, or a file without a single valid request.
    """
    if not path.is_file():
        raise UsageFault("no such request log", path, "give a CSV, Parquet or OTLP JSON file")
    mapping = load_mapping(mapping_file)
    previous = Previous.of(out)
    with RunWriter(out, replace=previous.exists) as writer, space_guard(out):
        con = writer.connection
        con.execute("SET memory_limit = '1000MB'")
        scratch = writer.partial / "scratch"
        scratch.mkdir()
        con.execute(f"SET temp_directory = {sql_text(scratch)}")
        mapping, spans, kind = _source(con, path, mapping, scratch)
        notes = _typed(con, mapping)
        result = _write(writer, previous, path, spans)
        if not result[0]:
            told = ", ".join(f"{n} x {reason}" for reason, n in list(result[2].items())[:3])
            raise BadData("no valid request in the file", path.name, told or "it is empty")
        for file in scratch.iterdir():
            file.unlink()
        scratch.rmdir()
        entry = {"file": path.name, "format": kind, "records": result[0]}
        writer.commit(_manifest(out, writer, previous, entry, result[2], notes))
    return Imported(out, result[0], result[1], dict(result[2]), notes)


def _source(
    con: duckdb.DuckDBPyConnection, path: Path, mapping: Mapping, scratch: Path
) -> tuple[Mapping, Path | None, str]:
    """Make the view `source_rows` (all text, with row_number); spans of a trace go to a spool."""
    spans: Path | None = None
    with path.open("rb") as file:
        head = file.read(65536)
    if head.startswith(b"PAR1"):
        reader, kind = f"read_parquet({sql_text(path)})", "parquet"
    elif looks_like_otlp(head):
        roots, spans = scratch / "roots.ndjson", scratch / "spans.ndjson"
        flatten(path, roots, spans, mapping.spans)
        reader, kind = f"read_json({sql_text(roots)}, format='newline_delimited')", "otlp"
        columns = {**_OTLP_COLUMNS, **mapping.columns}
        for name in mapping.constants:
            columns.pop(name, None)
        values = {"outcome": _OTLP_OUTCOMES, **mapping.values}
        mapping = mapping.model_copy(update={"columns": columns, "values": values})
    else:
        reader, kind = _csv(path), "csv"
    try:
        con.execute(
            "CREATE TEMP TABLE source_rows AS SELECT row_number() OVER () AS source_row, "
            f"COLUMNS(*)::VARCHAR FROM {reader}"
        )
    except duckdb.Error as error:
        cause = str(error).splitlines()[0]
        raise BadData("cannot read request log", path.name, cause) from error
    found = {row[0] for row in con.execute("DESCRIBE source_rows").fetchall()}
    wanted = [*mapping.columns.values(), *(d.column for d in mapping.durations.values())]
    for name in wanted:
        if name not in found:
            if kind == "otlp" and name in _OTLP_COLUMNS.values():
                con.execute(f'ALTER TABLE source_rows ADD COLUMN "{name}" VARCHAR')
                continue
            listed = ", ".join(sorted(found - {"source_row"})[:20])
            raise BadData("no such column in the request log", name, f"it has: {listed}")
    return mapping, spans, kind


def _csv(path: Path) -> str:
    return (
        f"read_csv({sql_text(path)}, all_varchar=true, header=true, store_rejects=true, "
        "max_line_size=16000000)"
    )


def _typed(con: duckdb.DuckDBPyConnection, mapping: Mapping) -> list[str]:
    """Make the table `typed_rows`: contract columns, `fault`; return what was assumed."""
    notes = []
    told = {*mapping.columns, *mapping.constants, *mapping.durations}
    missing = [name for name in _MUST_BE_TOLD if name not in told]
    if missing or not told & {"scheduled_at", "started_at"}:
        names = missing or ["scheduled_at or started_at"]
        raise BadData("the mapping leaves out", ", ".join(names), "add it to [columns]")
    expressions = {c.name: _expression(c, mapping) for c in _REQUESTS.columns}
    if "scheduled_at" not in told:
        expressions["scheduled_at"] = expressions["started_at"]
        notes.append("scheduled_at is not told: latency counts from started_at")
    if "idempotency_key" not in told:
        expressions["idempotency_key"] = expressions["request_id"]
    if "attempt" not in told:
        expressions["attempt"] = "1"
    typed = ", ".join(f'{sql} AS "{name}"' for name, sql in expressions.items())
    try:
        con.execute(
            f"CREATE TEMP TABLE typed_rows AS SELECT *, {_fault(mapping)} AS fault "
            f"FROM (SELECT source_row, {typed}, source_rows AS fields FROM source_rows)"
        )
    except duckdb.Error as error:
        raise BadData("the mapping does not fit", str(error).splitlines()[0]) from error
    return notes


def _expression(column: Column, mapping: Mapping) -> str:
    """Return SQL for one contract column over `source_rows`; NULL where it cannot be read."""
    if column.name in mapping.durations:
        duration = mapping.durations[column.name]
        start = _expression(next(c for c in _REQUESTS.columns if c.name == duration.start), mapping)
        length = f'TRY_CAST("{_name(duration.column)}" AS DECIMAL(30, 9))'
        factor = "0.001" if duration.unit == "ns" else str(_PER_SECOND[duration.unit])
        return f"({start}) + to_microseconds(CAST(round({length} * {factor}) AS BIGINT))"
    if column.name in mapping.constants:
        return sql_text(str(mapping.constants[column.name])) + f"::{column.type}"
    if column.name not in mapping.columns:
        return f"NULL::{column.type}"
    source = f"nullif(\"{_name(mapping.columns[column.name])}\", '')"
    if values := mapping.values.get(column.name):
        cases = " ".join(f"WHEN {sql_text(k)} THEN {sql_text(str(v))}" for k, v in values.items())
        source = f"CASE {source} {cases} ELSE {source} END"
    if column.type == TIME:
        return _time(source, mapping)
    if column.type in (INT, BOOL):
        return f"TRY_CAST({source} AS {column.type})"
    return source


def _time(source: str, mapping: Mapping) -> str:
    if mapping.time.format != "iso":
        factor = _PER_SECOND[mapping.time.format.removeprefix("epoch_")]
        return (
            f"make_timestamptz(CAST(round(TRY_CAST({source} AS DECIMAL(30, 6)) * {factor}) "
            "AS BIGINT))"
        )
    rule = ZoneRule.of(mapping.time.zone)
    local = f"TRY_CAST({source} AS TIMESTAMP)"
    with_offset = f"regexp_matches({source}, '\\d(Z|[+-]\\d\\d(:?\\d\\d)?)$')"
    with_offset += f" AND contains({source}, ':')"
    return (
        f"CASE WHEN {with_offset} THEN TRY_CAST({source} AS TIMESTAMPTZ) ELSE "
        f"make_timestamptz(epoch_us({local}) - {rule.offset_sql(sql_text(''), local)}) END"
    )


def _fault(mapping: Mapping) -> str:
    """Return SQL for why a row cannot be taken, NULL when it can."""
    cases = []
    for column in _REQUESTS.columns:
        name = f'"{column.name}"'
        if not column.nullable:
            cases.append(f"WHEN {name} IS NULL THEN '{column.name} is missing or cannot be read'")
        elif column.name in mapping.columns:
            raw = f'fields."{_name(mapping.columns[column.name])}"'
            cases.append(
                f"WHEN {name} IS NULL AND coalesce({raw}, '') <> '' "
                f"THEN '{column.name} cannot be read'"
            )
        if column.enum:
            listed = ", ".join(sql_text(v) for v in column.enum)
            cases.append(f"WHEN {name} NOT IN ({listed}) THEN 'unknown {column.name}'")
    return f"CASE {' '.join(cases)} END"


def _write(
    writer: RunWriter, previous: Previous, path: Path, spans: Path | None
) -> tuple[int, int, Counter[str]]:
    con = writer.connection
    columns = ", ".join(f'"{c}"' for c in _REQUESTS.column_names)
    key = ", ".join(_REQUESTS.key)
    earlier = previous.table("requests")
    query = f"SELECT {columns}, source_row FROM typed_rows WHERE fault IS NULL"
    if earlier is not None:
        before = f"SELECT {columns}, 0 AS source_row FROM read_parquet({sql_text(earlier)})"
        query = f"{before} UNION ALL {query}"
    con.execute(
        "CREATE TEMP TABLE ranked AS SELECT *, row_number() OVER "
        f"(PARTITION BY {key} ORDER BY source_row) AS place FROM ({query})"
    )
    rows = writer.add("requests", f"SELECT {columns} FROM ranked WHERE place = 1")
    span_rows = _write_spans(writer, previous, spans)
    rejects = _write_rejects(writer, previous, path)
    for name in previous.manifest.tables if previous.manifest else {}:
        if name not in writer.tables:
            table = previous.table(name)
            assert table is not None
            writer.adopt(name, table)
    return rows, span_rows, rejects


def _write_spans(writer: RunWriter, previous: Previous, spans: Path | None) -> int:
    if spans is None or not spans.stat().st_size:
        return 0
    table = TABLES["spans"]
    shape = ", ".join(
        f"{c.name}: '{'BIGINT' if c.type == TIME else c.type}'" for c in table.columns
    )
    chosen = ", ".join(
        f"make_timestamptz({c.name}) AS {c.name}" if c.type == TIME else c.name
        for c in table.columns
    )
    query = (
        f"SELECT {chosen} FROM read_json({sql_text(spans)}, format='newline_delimited', "
        f"columns={{{shape}}}) SEMI JOIN ranked USING (request_id)"
    )
    before = previous.table("spans")
    if before is not None:
        query = f"SELECT * FROM read_parquet({sql_text(before)}) UNION ALL BY NAME ({query})"
    return writer.add("spans", f"SELECT DISTINCT ON ({', '.join(table.key)}) * FROM ({query})")


def _write_rejects(writer: RunWriter, previous: Previous, path: Path) -> Counter[str]:
    """Set aside what is no valid request: rows by number, damaged CSV lines by line."""
    con = writer.connection
    name = sql_text(path.name)
    query = (
        f"SELECT {name} AS file, NULL::BIGINT AS byte_offset, source_row AS line, "
        "1::BIGINT AS lines, fault AS reason, left(fields::VARCHAR, 500) AS text "
        "FROM typed_rows WHERE fault IS NOT NULL "
        f"UNION ALL SELECT {name}, NULL, source_row, 1, 'duplicate of another request', "
        "request_id FROM ranked WHERE place > 1"
    )
    tables = {r[0] for r in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if "reject_errors" in tables:
        query += (
            f" UNION ALL SELECT {name}, min(line_byte_position), line, 1, 'damaged CSV line', "
            "left(any_value(csv_line), 500) FROM reject_errors GROUP BY line"
        )
    before = previous.rejects()
    if before is not None:
        query = f"SELECT * FROM read_parquet({sql_text(before)}) UNION ALL ({query})"
    target = sql_text(writer.partial / REJECTS)
    con.execute(
        f"COPY (SELECT * FROM ({query}) ORDER BY file, line, reason, text) TO {target} "
        "(FORMAT parquet, COMPRESSION zstd)"
    )
    counted = con.execute(
        f"SELECT reason, sum(lines)::BIGINT FROM read_parquet({target}) "
        "GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    return Counter(dict(counted))


def _manifest(
    out: Path,
    writer: RunWriter,
    previous: Previous,
    entry: dict[str, object],
    rejects: Counter[str],
    notes: list[str],
) -> Manifest:
    path = sql_text(writer.partial / "requests.parquet")
    low, high = writer.connection.execute(
        "SELECT epoch_us(min(scheduled_at)), epoch_us(max(coalesce(finished_at, scheduled_at))) "
        f"FROM read_parquet({path})"
    ).fetchall()[0]
    manifest = previous.successor(out, _instant(low), _instant(high), notes)
    update = {"sources": [*manifest.sources, entry], "rejects": dict(rejects)}
    return manifest.model_copy(update=update)


def _instant(us: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=us)


def _name(column: str) -> str:
    return column.replace('"', '""')
