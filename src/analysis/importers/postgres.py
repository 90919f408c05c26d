"""Imports server logs into a run directory: every line becomes a record or a reject."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from analysis.importers import fast
from analysis.importers.cloudsql import Entries
from analysis.importers.csvlog import read_csvlog
from analysis.importers.detect import FORMATS, detect, follow_prefix
from analysis.importers.jsonlog import read_jsonlog
from analysis.importers.merge import Parts, write_tables
from analysis.importers.pgbouncer import read_pgbouncer
from analysis.importers.previous import Previous
from analysis.importers.sinks import Sink
from analysis.importers.sources import Source, describe, find_files, read_head, read_lines
from analysis.importers.stderr import read_stderr, with_text
from analysis.importers.syslog import read_syslog
from analysis.importers.zones import ZoneRule, sampled_zones
from analysis.sql import load
from runlog.errors import BadData, UsageFault
from runlog.literals import sql_text
from runlog.manifest import Manifest
from runlog.writer import RunWriter, space_guard

FAST_FROM_BYTES = 1024 * 1024  # a smaller file is read carefully at once


@dataclass(frozen=True)
class Options:
    """How to read: format ("auto" or one of FORMATS), log_line_prefix, time zone, literals."""

    format: str = "auto"
    prefix: str | None = None
    log_timezone: str = ""
    keep_literals: bool = False
    cpu_count: int | None = None


@dataclass(frozen=True)
class Imported:
    """What one import did: the run, its records in all, and lines set aside by reason."""

    folder: Path
    records: int
    new_lines: int
    rejects: dict[str, int]
    notes: list[str]


def import_postgres_logs(paths: list[Path], out: Path, options: Options) -> Imported:
    """Read server logs into the run directory `out`; an import that is there takes what is new.

    Raises UsageFault for files or options that do not exist or an `out` that is no import, BadData
    for an ambiguous time zone or logs without a single record.
    """
    if options.format not in ("auto", *FORMATS):
        raise UsageFault("unknown --format", options.format, "one of: auto, " + ", ".join(FORMATS))
    rule = ZoneRule.of(options.log_timezone)
    previous = Previous.of(out)
    sources = [describe(path, index) for index, path in enumerate(find_files(paths))]
    for source in sources:
        detect(source, options.format, options.prefix)
    previous.format_told = options.format != "auto"
    previous.prefix_told = options.prefix is not None
    resumed = previous.resume(sources)
    for source in sources:
        if source.index in resumed and not previous.prefix_told:
            follow_prefix(source)
    likely = _check_zones(sources, rule)
    with RunWriter(out, replace=previous.exists) as writer, space_guard(out):
        _prepare(writer, rule, likely, options.keep_literals)
        parts = Parts(writer, previous, zone_told=bool(rule.told))
        entries = Entries(previous, writer.partial)
        with Sink(parts.folder) as sink:
            for source in sources:
                if source.format == "cloudsql":
                    read_stderr(source, sink, entries.text_lines(source, sink))
                else:
                    _read(source, sink, parts)
        entries.write()
        parts.add_careful(sink)
        parts.refuse_ambiguous()
        result = write_tables(parts, sink, sources)
        if not result.records:
            raise BadData(
                "no log record could be read", ", ".join(s.name for s in sources[:5]), _why(result)
            )
        parts.remove()
        manifest = _manifest(out, options, previous, sources, result)
        writer.commit(manifest)
    lines = sum(s.lines for s in sources)
    return Imported(out, result.records, lines, dict(result.rejects), manifest.notes)


def _prepare(writer: RunWriter, rule: ZoneRule, likely: str, keep_literals: bool) -> None:
    """Bound the memory, and make the macros that the typed reading needs."""
    con = writer.connection
    scratch = writer.partial / "scratch"
    scratch.mkdir()
    con.execute("SET memory_limit = '1000MB'")
    con.execute(f"SET temp_directory = {sql_text(scratch)}")
    con.execute(load("duckdb/import_unmasked" if keep_literals else "duckdb/import_masking"))
    fast.know_frequent(con, [])
    with_ms = "substr(x, 20, 1) = '.'"
    con.execute(
        "CREATE TEMP MACRO stamp_of(x) AS "
        f"TRY_CAST(CASE WHEN {with_ms} AND substr(x, 24, 1) = ' ' THEN left(x, 23) "
        f"WHEN NOT {with_ms} THEN left(x, 19) "
        "ELSE left(x, 19) || regexp_extract(substr(x, 20), '^[.][0-9]+') END AS TIMESTAMP)"
    )
    con.execute(
        f"CREATE TEMP MACRO zone_of(x) AS CASE WHEN NOT {with_ms} THEN substr(x, 21) "
        "WHEN substr(x, 24, 1) = ' ' THEN substr(x, 25) "
        "ELSE ltrim(substr(x, 21), '.0123456789 ') END"
    )
    con.execute(f"CREATE TEMP MACRO log_offset(z, t) AS {rule.offset_sql('z', 't', likely)}")


def _check_zones(sources: list[Source], rule: ZoneRule) -> str:
    """Return the commonest zone of the logs' beginnings; raise BadData when it cannot be read."""
    found: Counter[str] = Counter()
    place: dict[str, str] = {}
    for source in sources:
        head = read_head(source, 1 << 18).decode("utf-8", "replace")
        zones = sampled_zones(source.format, source.prefix, head)
        found += zones
        place |= dict.fromkeys(zones.keys() - place.keys(), source.name)
    for zone, count in found.items():
        alone = rule.is_ambiguous(zone) and not rule.told
        if not rule.accepts(zone) and (alone or count * 2 > found.total()):
            what, todo = rule.why_not(zone)
            raise BadData(what, f"{zone or 'none'} in {place[zone]}", todo)
    return found.most_common(1)[0][0] if found else "UTC"


def _read(source: Source, sink: Sink, parts: Parts) -> None:
    """Read one file: the fast way when it is large and undamaged, else the careful one."""
    if source.format in ("csv", "json") and _size(source) - source.start >= FAST_FROM_BYTES:
        _read_fast(source, sink, parts)
    else:
        _read_carefully(source, sink)


def _size(source: Source) -> int:
    size = source.path.stat().st_size
    return size * 8 if source.compression else size  # a guess is enough to choose the way


def _read_fast(source: Source, sink: Sink, parts: Parts) -> None:
    kind, con = source.format, parts.writer.connection
    columns = fast.columns_of(read_head(source, 1 << 20))
    if kind == "csv" and not columns:
        _read_carefully(source, sink)
        return
    if not source.compression and not source.start:
        target = parts.next_path(source)
        taken = fast.take_whole(con, source.path, kind, columns, target, zone_told=parts.zone_told)
        if taken is not None:
            source.bytes_read = source.path.stat().st_size
            _count(source, *taken)
            parts.keep(target)
            return
    for path, offset, size in fast.slices(source, kind, parts.folder):
        target = parts.next_path(source)
        taken = None
        if path is not None:
            taken = fast.take_whole(con, path, kind, columns, target, zone_told=parts.zone_told)
        if taken is not None:
            _count(source, *taken)
            parts.keep(target)
            source.bytes_read, source.unfinished = offset + size, None
            continue
        piece = _piece(source, path, offset)
        _read_carefully(piece, sink)
        _add_up(source, piece)


def _piece(source: Source, path: Path | None, offset: int) -> Source:
    """Return a Source for a slice of the log, or for all the rest of it."""
    return dataclasses.replace(
        source,
        path=path or source.path,
        label=source.name,
        compression="" if path else source.compression,
        base=offset if path else 0,
        start=offset,
        start_line=source.start_line + source.lines,
        bytes_read=0, lines=0, record_lines=0, rejected_lines=0, records=0, repaired=0,
        unfinished=None, notes=[],
    )  # fmt: skip


def _add_up(source: Source, piece: Source) -> None:
    if piece.unfinished:
        counts = {name: piece.unfinished[name] + getattr(source, name) for name in source.before}
        source.unfinished = {**piece.unfinished, **counts}
    else:
        source.unfinished = None
    for name in ("lines", "record_lines", "rejected_lines", "records", "repaired"):
        setattr(source, name, getattr(source, name) + getattr(piece, name))
    source.bytes_read = piece.bytes_read
    source.notes += piece.notes


def _count(source: Source, records: int, lines: int) -> None:
    source.records += records
    source.lines += lines
    source.record_lines += lines


def _read_carefully(source: Source, sink: Sink) -> None:
    plain: dict[str, Callable[[Source, Sink], None]] = {"csv": read_csvlog, "json": read_jsonlog}
    if source.format in plain:
        plain[source.format](source, sink)
    elif source.format == "syslog":
        read_syslog(source, sink, with_text(source, read_lines(source)))
    elif source.format == "pgbouncer":
        read_pgbouncer(source, sink, with_text(source, read_lines(source)))
    elif source.format in ("stderr", "rds"):
        read_stderr(source, sink, with_text(source, read_lines(source)))
    else:
        for line in read_lines(source):
            sink.reject(source, line, "format not recognised" if line.data else "empty line")


def _why(result: object) -> str:
    reasons = getattr(result, "rejects", {})
    told = ", ".join(f"{count} x {reason}" for reason, count in list(reasons.items())[:3])
    advice = "say --format, and --prefix with the server's log_line_prefix"
    return f"{told}; {advice}" if told else "the files are empty"


def _manifest(
    out: Path, options: Options, previous: Previous, sources: list[Source], result: object
) -> Manifest:
    from analysis.importers.merge import Written

    assert isinstance(result, Written)
    notes = [n for s in sources for n in s.notes]
    if result.other_language:
        notes.append(
            f"{result.other_language} records are in another language than English: "
            "their durations, lock waits and checkpoints cannot be read from the text"
        )
    if options.keep_literals:
        notes.append("literals in statements were kept (--keep-literals)")
    manifest = previous.successor(out, result.start, result.end, notes)
    return manifest.model_copy(
        update={
            "cpu_count": options.cpu_count or manifest.cpu_count,
            "sources": previous.sources_after(sources),
            "rejects": dict(result.rejects),
        }
    )
