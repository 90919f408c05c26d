"""Imports request logs (CSV, Parquet, OTLP JSON traces) by a mapping file."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from analysis.importers.cloudsql import Entries
from analysis.importers.mapping import Mapping, Times, load_mapping
from analysis.importers.otlp import Traces, looks_like_otlp, read_traces
from analysis.importers.previous import Previous
from analysis.importers.request_csv import Rows, read_rows
from analysis.importers.request_merge import Merged, Origin, merge, set_aside
from analysis.importers.request_rows import quoted, type_rows
from analysis.importers.sinks import Sink
from analysis.importers.sources import Source, describe, read_head
from analysis.importers.spool import Spool
from runlog.errors import BadData, UsageFault
from runlog.literals import sql_text
from runlog.manifest import Manifest
from runlog.writer import RunWriter, space_guard

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
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Imported:
    """What one import did: the run, requests and spans in all, rows set aside by reason."""

    folder: Path
    requests: int
    spans: int
    rejects: dict[str, int]
    notes: list[str]


@dataclass
class _Read:
    """A file read into `source_rows`: `units` are its rows, spans and unreadable lines."""

    kind: str
    mapping: Mapping
    units: int
    blank: int = 0
    skipped: int = 0
    open_row: int | None = None
    stages: Spool | None = None
    notes: list[str] = field(default_factory=list)


def import_requests(path: Path, mapping_file: Path, out: Path) -> Imported:
    """Read a request log into the run directory `out`, beside what an import has put there.

    Raises UsageFault for files that do not exist or an `out` that is no import, BadData for a
    mapping that does not fit the file, or a file without a single valid request.
    """
    if not path.is_file():
        raise UsageFault("no such request log", path, "give a CSV, Parquet or OTLP JSON file")
    mapping = load_mapping(mapping_file)
    previous = Previous.of(out)
    source = describe(path, 0)
    origin = Origin.of(source, previous)
    with RunWriter(out, replace=previous.exists) as writer, space_guard(out):
        con = writer.connection
        con.execute("SET memory_limit = '1000MB'")
        scratch = writer.partial / "scratch"
        scratch.mkdir()
        con.execute(f"SET temp_directory = {sql_text(scratch)}")
        with Sink(scratch) as sink:
            read = _read(con, source, mapping, sink, scratch)
        read.notes += type_rows(con, read.mapping, path.name)
        set_aside(con, origin, sink)
        _refuse_empty(con, path)
        merged = merge(writer, previous, origin, read.stages)
        in_run = merged.known + merged.new + merged.stages
        assert read.units == in_run + read.skipped + merged.rejected
        Entries(previous, writer.partial).write()
        shutil.rmtree(scratch)
        manifest = _manifest(out, writer, previous, _entry(con, origin, source, read, merged))
        manifest.rejects.update(merged.rejects)
        writer.commit(manifest)
    rows = {name: table.rows for name, table in writer.tables.items()}
    return Imported(
        out, rows["requests"], rows.get("spans", 0), dict(merged.rejects), manifest.notes
    )


def _read(
    con: duckdb.DuckDBPyConnection, source: Source, mapping: Mapping, sink: Sink, scratch: Path
) -> _Read:
    """Make the table `source_rows`: source_row (from 1) and the wanted columns as c0, c1, ..."""
    head = read_head(source, 65536)
    if head.startswith(b"PAR1"):
        read, reader = _read_parquet(con, source, mapping)
    elif looks_like_otlp(head):
        columns = {**_OTLP_COLUMNS, **mapping.columns}
        for name in (*mapping.constants, *mapping.durations):
            columns.pop(name, None)
        values = {"outcome": _OTLP_OUTCOMES, **mapping.values}
        changed = {"columns": columns, "values": values}
        if not {*mapping.columns} & {"scheduled_at", "started_at", "finished_at"}:
            changed["time"] = Times()  # those of the spans are ISO 8601 here
        mapping = mapping.model_copy(update=changed)
        traces = read_traces(source, sink, mapping.wanted(), mapping.spans, scratch)
        read, reader = _of_traces(traces, mapping, source), traces.requests.reader()
    else:
        rows = read_rows(source, sink, mapping.wanted(), scratch / "rows.csv")
        read, reader = _of_rows(rows, mapping, source), rows.spool.reader()
    try:
        con.execute(f"CREATE TEMP TABLE source_rows AS SELECT * FROM {reader}")
    except duckdb.Error as error:
        raise _unreadable(source, error) from error
    if read.kind == "parquet":
        read.units = con.execute("SELECT count(*) FROM source_rows").fetchall()[0][0]
    return read


def _read_parquet(
    con: duckdb.DuckDBPyConnection, source: Source, mapping: Mapping
) -> tuple[_Read, str]:
    table = f"read_parquet({sql_text(source.path)}, file_row_number=true)"
    try:
        found = [r[0] for r in con.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()]
    except duckdb.Error as error:
        raise _unreadable(source, error) from error
    for name in mapping.wanted():
        if name not in found:
            listed = ", ".join(sorted({*found} - {"file_row_number"})[:20])
            raise BadData("no such column in the request log", name, f"it has: {listed}")
    wanted = mapping.wanted()
    texts = [f"{quoted(name)}::VARCHAR AS {mapping.place(name)}" for name in wanted]
    columns = ", ".join(["file_row_number + 1 AS source_row", *texts])
    return _Read("parquet", mapping, 0), f"(SELECT {columns} FROM {table})"


def _of_rows(rows: Rows, mapping: Mapping, source: Source) -> _Read:
    units = rows.spool.rows + source.rejected_lines
    return _Read("csv", mapping, units, blank=rows.blank, open_row=rows.open_row)


def _of_traces(traces: Traces, mapping: Mapping, source: Source) -> _Read:
    lines = source.rejected_lines - traces.set_aside
    skipped = traces.skipped.total()
    return _Read(
        "otlp",
        mapping,
        traces.spans + lines,
        skipped=skipped,
        stages=traces.stages,
        notes=traces.notes(),
    )


def _unreadable(source: Source, error: duckdb.Error) -> BadData:
    return BadData("cannot read request log", source.path.name, str(error).splitlines()[0])


def _refuse_empty(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise BadData when no row can be taken, with the commonest reasons."""
    if con.execute("SELECT 1 FROM typed_rows WHERE fault IS NULL LIMIT 1").fetchall():
        return
    counted = con.execute(
        "SELECT reason, sum(lines)::BIGINT FROM rejected GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3"
    ).fetchall()
    told = ", ".join(f"{count} x {reason}" for reason, count in counted)
    raise BadData("no valid request in the file", path.name, told or "it is empty")


def _entry(
    con: duckdb.DuckDBPyConnection, origin: Origin, source: Source, read: _Read, merged: Merged
) -> dict[str, Any]:
    """Return what the manifest keeps of the file: rows = records + stages + skipped + rejected."""
    open_row = None
    if read.open_row is not None:
        row = con.execute(
            "SELECT request_id, attempt FROM judged WHERE verdict IN ('new', 'known') "
            f"AND source_row = {read.open_row}"
        ).fetchall()
        open_row = list(row[0]) if row else None
    return {
        "file": origin.label,
        "format": read.kind,
        "compression": source.compression,
        "head": origin.head,
        "rows": read.units,
        "records": merged.known + merged.new,
        "stages": merged.stages,
        "skipped_spans": read.skipped,
        "rejected_rows": merged.rejected,
        "blank_lines": read.blank,
        "repaired_lines": source.repaired,
        "open_row": open_row,
        "notes": read.notes,
    }


def _manifest(out: Path, writer: RunWriter, previous: Previous, entry: dict[str, Any]) -> Manifest:
    path = sql_text(writer.partial / "requests.parquet")
    low, high = writer.connection.execute(
        "SELECT epoch_us(min(scheduled_at)), epoch_us(max(coalesce(finished_at, scheduled_at))) "
        f"FROM read_parquet({path})"
    ).fetchall()[0]
    manifest = previous.successor(out, _instant(low), _instant(high), [])
    same = [e for e in manifest.sources if e.get("head") and e["file"] == entry["file"]]
    stale = {note for old in same for note in old.get("notes", [])}
    notes = [*(n for n in manifest.notes if n not in stale), *entry["notes"]]
    sources = [*(e for e in manifest.sources if e not in same), entry]
    update = {"sources": sources, "rejects": {}, "notes": list(dict.fromkeys(notes))}
    return manifest.model_copy(update=update)


def _instant(us: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=us)
