"""Puts the parts of an import together: one pg_log without duplicates, one rejects table."""

from __future__ import annotations

import datetime as dt
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import duckdb

from analysis.importers.previous import REJECTS, Previous
from analysis.importers.sinks import EXTRAS, FIELDS, PLACE, Sink
from analysis.importers.sources import MAX_LINE_BYTES, Source
from analysis.importers.zones import refuse_ambiguous
from analysis.sql import load
from runlog.literals import sql_text
from runlog.schema import TABLES
from runlog.writer import RunWriter

_REJECT_COLUMNS = (
    "{file: 'VARCHAR', byte_offset: 'BIGINT', line: 'BIGINT', lines: 'BIGINT', "
    "reason: 'VARCHAR', text: 'VARCHAR'}"
)


@dataclass(frozen=True)
class Written:
    """What the finished tables hold."""

    records: int
    start: dt.datetime
    end: dt.datetime
    rejects: Counter[str]
    other_language: int


class Parts:
    """The Parquet files of one import before they become one; all in a folder that is removed."""

    def __init__(self, writer: RunWriter, previous: Previous, *, zone_told: bool) -> None:
        self.writer, self.previous = writer, previous
        self.zone_told = zone_told
        self.folder = writer.partial / "staging"
        self.folder.mkdir()
        self.paths: list[Path] = []
        self.files: list[tuple[int, str]] = []
        self.careful = 0
        self._number = 0

    def next_path(self, source: Source) -> Path:
        """Return a fresh path for a part of this source."""
        self._number += 1
        self.files.append((self._number, source.name))
        return self.folder / f"part-{self._number:06d}.parquet"

    def keep(self, path: Path) -> None:
        self.paths.append(path)

    def add_careful(self, sink: Sink) -> None:
        """Type the records that the careful readers found; with their faults, for the rejects."""
        names = [*PLACE, *FIELDS]
        listed = ", ".join(f"'{n}': '{'BIGINT' if n in PLACE else 'VARCHAR'}'" for n in names)
        for path in sink.records:
            self._number += 1
            target = self.folder / f"part-{self._number:06d}.parquet"
            con = self.writer.connection
            con.execute(
                "CREATE OR REPLACE TEMP VIEW raw_log AS SELECT * FROM read_csv("
                f"{sql_text(path)}, auto_detect=false, header=false, delim=',', quote='\"', "
                f"escape='\"', new_line='\\n', columns={{{listed}}}, "
                # what is no text takes three bytes for one: see as_text
                f"max_line_size={3 * MAX_LINE_BYTES + 1_000_000}, "
                f"buffer_size={6 * MAX_LINE_BYTES + 2_000_000})"
            )
            con.execute(
                f"COPY ({load('duckdb/import_pg_log_typed')}) TO {sql_text(target)} "
                "(FORMAT parquet, COMPRESSION zstd)"
            )
            path.unlink()
            self.careful += 1
            self.paths.append(target)

    def refuse_ambiguous(self) -> None:
        """Raise BadData when some record's time zone may mean several and nobody told which."""
        self._view()
        if self.zone_told or not self.careful:  # a part read the fast way has no fault at all
            return
        faults = self.writer.connection.execute(
            "SELECT DISTINCT fault FROM parts WHERE fault LIKE 'time stamp cannot be read: %' "
            "ORDER BY ALL LIMIT 1000"
        ).fetchall()
        for (fault,) in faults:
            refuse_ambiguous(fault, "the logs")

    def remove(self) -> None:
        """Remove everything temporary from the run that is being written."""
        shutil.rmtree(self.folder)
        shutil.rmtree(self.writer.partial / "scratch", ignore_errors=True)

    def _view(self) -> None:
        """Make the view `parts`: the earlier run's records first, then each part in order."""
        con = self.writer.connection
        con.execute(
            "CREATE OR REPLACE TEMP TABLE reread (session_id VARCHAR, session_line_num BIGINT)"
        )
        if self.previous.reread:
            con.executemany("INSERT INTO reread VALUES (?, ?)", self.previous.reread)
        con.execute(
            "CREATE OR REPLACE TEMP TABLE reread_lines "
            "(mark VARCHAR, first_line BIGINT, last_line BIGINT)"
        )
        if self.previous.reread_lines:
            con.executemany("INSERT INTO reread_lines VALUES (?, ?, ?)", self.previous.reread_lines)
        place = ", ".join(f"{name} BIGINT" for name in PLACE)
        extras = ", ".join(f"{name} {kind}" for name, kind in EXTRAS.items())
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE no_parts ({TABLES['pg_log'].ddl}, {extras}, "
            f"fault VARCHAR, {place}, part BIGINT, part_row BIGINT)"
        )
        selects = ["SELECT * FROM no_parts"]
        before = self.previous.table("pg_log")
        if before is not None:
            selects.append(
                "SELECT * REPLACE (0 AS part), file_row_number AS part_row "
                f"FROM (SELECT *, 0 AS part, file_row_number FROM read_parquet({sql_text(before)}, "
                "file_row_number=true)) AS r ANTI JOIN reread USING (session_id, session_line_num) "
                "ANTI JOIN reread_lines AS a ON split_part(r.session_id, '~', 2) = a.mark "
                "AND r.session_line_num BETWEEN a.first_line AND a.last_line"
            )
        if self.paths:
            listed = ", ".join(sql_text(p) for p in self.paths)
            selects.append(
                "SELECT * EXCLUDE (filename, file_row_number), file_row_number AS part_row, "
                "regexp_extract(filename, 'part-(\\d+)\\.parquet$', 1)::BIGINT AS part "
                f"FROM read_parquet([{listed}], union_by_name=true, filename=true, "
                "file_row_number=true)"
            )
        con.execute(f"CREATE OR REPLACE TEMP VIEW parts AS {' UNION ALL BY NAME '.join(selects)}")


def write_tables(parts: Parts, sink: Sink, sources: list[Source]) -> Written:
    """Write pg_log, rejects and what else the records tell; carry over the earlier run's tables."""
    con, writer = parts.writer.connection, parts.writer
    losers = _find_losers(con)
    rejects = _write_rejects(parts, sink, sources)
    _write_counters(parts)
    whole = len(parts.paths) == 1 and not parts.careful and not parts.previous.table("pg_log")
    if whole and not losers:
        target = parts.paths[0]
    else:
        target = parts.folder / "merged.parquet"
        _write_merged(parts, target, bool(losers))
    records = writer.adopt("pg_log", target)
    for name in parts.previous.manifest.tables if parts.previous.manifest else {}:
        if name not in writer.tables:
            path = parts.previous.table(name)
            assert path is not None
            writer.adopt(name, path)
    table = f"read_parquet({sql_text(writer.partial / 'pg_log.parquet')})"
    start, end, other = con.execute(
        "SELECT epoch_us(min(log_time)), epoch_us(max(log_time)), count(*) FILTER ("
        "error_severity NOT IN ('LOG', 'ERROR', 'FATAL', 'PANIC', 'WARNING', 'NOTICE', 'INFO', "
        "'NOISE') AND error_severity NOT LIKE 'DEBUG%') "
        f"FROM {table}"
    ).fetchall()[0]
    return Written(records, _instant(start), _instant(end), rejects, other)


def _find_losers(con: duckdb.DuckDBPyConnection) -> int:
    """Make the table `losers`, records that another one already says; return how many."""
    # keys of different hashes differ, and only keys with a "~" can be told by another format
    rows, hashes, foreign = con.execute(
        "SELECT count(*), count(DISTINCT hash(session_id, session_line_num)), "
        "count(*) FILTER (contains(session_id, '~')) FROM parts WHERE fault IS NULL"
    ).fetchall()[0]
    if rows == hashes and not foreign:
        con.execute("CREATE TEMP TABLE losers (part BIGINT, part_row BIGINT)")
        return 0
    con.execute(f"CREATE TEMP TABLE losers AS {load('duckdb/import_pg_log_losers')}")
    return int(con.execute("SELECT count(*) FROM losers").fetchall()[0][0])


def _write_merged(parts: Parts, target: Path, losers: bool) -> None:
    columns = ", ".join(f'"{c}"' for c in (*FIELDS, *EXTRAS))
    without = "ANTI JOIN losers USING (part, part_row)" if losers else ""
    parts.writer.connection.execute(
        f"COPY (SELECT {columns} FROM parts {without} WHERE fault IS NULL) "
        f"TO {sql_text(target)} (FORMAT parquet, COMPRESSION zstd)"
    )


def _write_rejects(parts: Parts, sink: Sink, sources: list[Source]) -> Counter[str]:
    con = parts.writer.connection
    con.execute(
        f"CREATE TEMP VIEW set_aside AS SELECT * FROM read_json({sql_text(sink.rejects)}, "
        f"format='newline_delimited', columns={_REJECT_COLUMNS})"
        if sink.rejects.stat().st_size
        else "CREATE TEMP TABLE set_aside (file VARCHAR, byte_offset BIGINT, line BIGINT, "
        "lines BIGINT, reason VARCHAR, text VARCHAR)"
    )
    con.execute("CREATE TEMP TABLE part_files (part BIGINT, file VARCHAR)")
    con.execute("CREATE TEMP TABLE source_files (source_index BIGINT, file VARCHAR)")
    if parts.files:
        con.executemany("INSERT INTO part_files VALUES (?, ?)", parts.files)
    if sources:
        con.executemany(
            "INSERT INTO source_files VALUES (?, ?)", [(s.index, s.name) for s in sources]
        )
    query = load("duckdb/import_rejects")
    before = parts.previous.rejects()
    if before is not None:
        con.execute("CREATE TEMP TABLE read_again (file VARCHAR, from_line BIGINT)")
        again = list(parts.previous.reread_from.items())
        if again:
            con.executemany("INSERT INTO read_again VALUES (?, ?)", again)
        query = (
            f"SELECT r.* FROM read_parquet({sql_text(before)}) AS r LEFT JOIN read_again AS a "
            "ON a.file = r.file AND r.line >= a.from_line WHERE a.file IS NULL "
            f"UNION ALL BY NAME ({query})"
        )
    target = parts.writer.partial / REJECTS
    con.execute(
        f"COPY (SELECT * FROM ({query}) ORDER BY file, line, byte_offset, reason, text) "
        f"TO {sql_text(target)} (FORMAT parquet, COMPRESSION zstd)"
    )
    counted = con.execute(
        f"SELECT reason, sum(lines)::BIGINT FROM read_parquet({sql_text(target)}) "
        "GROUP BY reason ORDER BY 2 DESC, 1"
    ).fetchall()
    return Counter(dict(counted))


def _write_counters(parts: Parts) -> None:
    """Write pgBouncer's statistics into pg_counters, beside those that the earlier run has."""
    con = parts.writer.connection
    query = load("duckdb/import_pgbouncer_counters")
    if not con.execute(f"SELECT 1 FROM ({query}) LIMIT 1").fetchall():
        return
    before = parts.previous.table("pg_counters")
    if before is not None:
        query = (
            f"SELECT * FROM read_parquet({sql_text(before)}) WHERE view <> 'pgbouncer_stats' "
            f"UNION ALL BY NAME ({query})"
        )
    parts.writer.add("pg_counters", query)


def _instant(micros: int | None) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=micros or 0)
