"""Records what the server shows during a run, and turns spools into tables of the contract."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from reference_engine.child import ChildProcess
from reference_engine.gateway_books import Charge
from reference_engine.sampler import ACTIVITY_SPOOL, COUNTERS_SPOOL
from runlog.masking import mask_sql
from runlog.schema import CHARGE_STATUSES, TABLES, TIME
from runlog.writer import RunWriter

DEFAULT_HZ = 10.0

_LOG_COLUMNS = TABLES["pg_log"].column_names
_LOG_NUMBERS = {"process_id", "session_line_num", "internal_query_pos", "query_pos", "leader_pid"}
_LOG_ZERO_IS_NULL = {"transaction_id", "query_id"}
_LOG_TIMES = {"log_time", "session_start_time"}
_LOG_TEXT_MAX = 8_000
_LOG_SQL = {"internal_query", "query"}


class Sampler:
    """Context manager around the sampling process, which spools into `folder`.

    `hz` is the rate of pg_stat_activity; the counters are read once a second. After `stop()`,
    `told` holds the samples taken, those left out because one took too long, lost connections.
    """

    def __init__(self, dsn: str, folder: Path, hz: float = DEFAULT_HZ, *, schema: str = "") -> None:
        settings = {"dsn": dsn, "folder": str(folder), "hz": hz, "schema": schema}
        self.folder = folder
        self.told: dict[str, int] = {}
        self._child = ChildProcess("reference_engine.sampler", settings, folder / "sampler.err")

    def __enter__(self) -> Sampler:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._child.pid

    def start(self) -> None:
        """Start sampling. Raises EnvironmentFault when the server cannot be reached."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._child.start()

    def stop(self) -> None:
        """Stop sampling and keep what the sampler told about itself.

        Raises EnvironmentFault when it had to end before: samples are missing.
        """
        try:
            if self._child.started:
                self.told = self._child.ask(15.0)
        finally:
            self._child.stop()

    @property
    def spools(self) -> dict[str, list[Path]]:
        """Spool files by the table they become."""
        names = {"pg_activity": ACTIVITY_SPOOL, "pg_counters": COUNTERS_SPOOL}
        return {table: [self.folder / file] for table, file in names.items()}


def export_spools(writer: RunWriter, table: str, spools: Iterable[Path]) -> int:
    """Write `table` from JSON-line spools, one object a row; return its rows.

    Times are integer microseconds since 1970 (UTC). A key that repeats is kept once, the last line
    written. A last line cut off by a crash is dropped; a broken line elsewhere is an error. Spools
    that do not exist are empty.
    """
    columns = TABLES[table].columns
    shape = {c.name: "BIGINT" if c.type == TIME else c.type for c in columns}
    files = [str(whole_lines(p)) for p in spools if p.is_file() and p.stat().st_size]
    if not files:
        empty = ", ".join(f'CAST(NULL AS {c.type}) AS "{c.name}"' for c in columns)
        return writer.add(table, f"SELECT {empty} WHERE false")
    chosen = ", ".join(
        f'make_timestamptz("{c.name}") AS "{c.name}"' if c.type == TIME else f'"{c.name}"'
        for c in columns
    )
    key = ", ".join(f'"{k}"' for k in TABLES[table].key)
    return writer.add(
        table,
        f"SELECT {chosen} FROM (SELECT *, row_number() OVER () AS line FROM "
        f"read_json($1, format = 'newline_delimited', columns = {_struct(shape)})) "
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY line DESC) = 1",
        [files],
    )


def export_rows(writer: RunWriter, table: str, rows: Iterable[dict[str, Any]], spool: Path) -> int:
    """Write `table` from dictionaries (times aware, or in microseconds) through a spool file."""
    with spool.open("wb") as file:
        for row in rows:
            times = {k: _microseconds(v) for k, v in row.items() if isinstance(v, dt.datetime)}
            file.write(orjson.dumps(row | times) + b"\n")
    return export_spools(writer, table, [spool])


def export_log(writer: RunWriter, csvlogs: Sequence[Path], spool: Path) -> int:
    """Write `pg_log` from the server's csvlog files, literals masked; return its rows."""
    return export_rows(writer, "pg_log", read_csvlogs(csvlogs), spool)


def export_charges(writer: RunWriter, books: Iterable[Charge], spool: Path) -> int:
    """Write `gateway_charges`: charges that did hit a card, whatever became of them later."""
    rows = (
        {
            "charge_id": f"ch{c.charge_id:08d}",
            "idempotency_key": c.idempotency_key,
            "amount_jpy": c.amount_jpy,
            "status": c.status,
            "at": c.at_us,
        }
        for c in books
        if c.status in CHARGE_STATUSES
    )
    return export_rows(writer, "gateway_charges", rows, spool)


def read_csvlogs(csvlogs: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Yield the records of csvlog files (versions 14 to 18), typed, with literals masked.

    A last record cut off by a crash is left out.
    """
    for path in csvlogs:
        csv.field_size_limit(1 << 30)  # a bulk statement is logged whole
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            for fields in csv.reader(file):
                if len(fields) >= len(_LOG_COLUMNS):
                    yield _log_record(fields)


def _log_record(fields: list[str]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for name, whole in zip(_LOG_COLUMNS, fields, strict=False):
        text = whole[:_LOG_TEXT_MAX]
        if text == "":
            record[name] = None
        elif name in _LOG_TIMES:
            record[name] = _log_time(text)
        elif name in _LOG_NUMBERS:
            record[name] = int(text)
        elif name in _LOG_ZERO_IS_NULL:
            record[name] = int(text) or None
        else:
            record[name] = mask_sql(text) if name in _LOG_SQL else _masked(name, text)
    return record


def _masked(name: str, text: str) -> str:
    """Mask what may hold a caller's values; keep process and lock numbers, which are evidence."""
    if name == "message" and "ms  " in text:
        head, _, statement = text.partition("ms  ")  # "duration: 12.3 ms  statement: ..."
        kind, colon, body = statement.partition(": ")
        return f"{head}ms  {kind}{colon}{mask_sql(body)}"
    if name == "detail" and text.startswith("Key ("):
        return re.sub(r"\)=\(.*\)", ")=(?)", text, flags=re.DOTALL)
    if name == "detail" and text.lower().startswith(("failing row", "parameters:")):
        return text.split("(" if text[0] == "F" else ":", maxsplit=1)[0].rstrip() + " ?"
    if name in ("detail", "context") and "\n" in text:
        return "\n".join(_masked_line(line) for line in text.splitlines())
    return _masked_line(text) if name in ("detail", "context") else text


def _masked_line(line: str) -> str:
    """One line of a deadlock's detail ("Process 12: UPDATE ...") or of a context."""
    for mark in ("SQL statement ", "SQL expression "):
        if line.startswith(mark):
            return mark + mask_sql(line.removeprefix(mark).strip('"'))
    head, colon, statement = line.partition(": ")
    if colon and re.fullmatch(r"Process \d+", head):
        return f"{head}: {mask_sql(statement)}"
    return line


def _log_time(text: str) -> int:
    """Microseconds since 1970 of "2026-01-02 03:04:05.678 UTC" (log_timezone is UTC in a run)."""
    stamp, _, zone = text.rpartition(" ")
    assert zone in ("UTC", "GMT"), f"log_timezone is {zone}, not UTC"
    return _microseconds(dt.datetime.fromisoformat(stamp).replace(tzinfo=dt.UTC))


def _microseconds(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _struct(shape: dict[str, str]) -> str:
    return "{" + ", ".join(f"'{k}': '{v}'" for k, v in shape.items()) + "}"


def whole_lines(spool: Path) -> Path:
    """Cut off a last line without its end: its writer was killed in the middle of it."""
    with spool.open("rb+") as file:
        end = file.seek(0, 2)
        while end > 0:
            step = min(65_536, end)
            file.seek(end - step)
            found = file.read(step).rfind(b"\n")
            if found >= 0:
                file.truncate(end - step + found + 1)
                break
            end -= step
        else:
            file.truncate(0)
    return spool
