"""Rows of a request log become rows of the contract, each with the reason why it cannot."""

from __future__ import annotations

import duckdb

from analysis.importers.mapping import Mapping
from analysis.importers.request_times import length_level, refuse_unit, refuse_zones, time_levels
from runlog.errors import BadData
from runlog.literals import sql_text
from runlog.schema import BOOL, INT, TABLES, TIME, Column

REQUESTS = TABLES["requests"]
_MUST_BE_TOLD = ("request_id", "outcome", "operation")
_TIMES = [c.name for c in REQUESTS.columns if c.type == TIME]


def quoted(column: str) -> str:
    """Return a column's name as an SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def type_rows(con: duckdb.DuckDBPyConnection, mapping: Mapping, place: str) -> list[str]:
    """Make the table `typed_rows` of `source_rows`; return notes on what was assumed.

    Columns: those of requests, source_row, `fault` (NULL, or why the row cannot be taken), `shown`
    (the row as text, where it has a fault), zone_left. Raises BadData for a mapping that leaves out
    what must be told or does not fit, for ambiguous zones, and for times in another unit.
    """
    notes = []
    told = {*mapping.columns, *mapping.constants, *mapping.durations}
    missing = [name for name in _MUST_BE_TOLD if name not in told]
    if missing or not told & {"scheduled_at", "started_at"}:
        names = missing or ["scheduled_at or started_at"]
        raise BadData("the mapping leaves out", ", ".join(names), "add it to [columns]")
    if "scheduled_at" not in told:
        notes.append("scheduled_at is not told: latency counts from started_at")
    first = "scheduled_at" if "scheduled_at" in mapping.columns else "started_at"
    try:
        if first in mapping.columns:
            refuse_unit(con, _text(first, mapping), mapping, place)
        con.execute(_typed_query(mapping))
    except duckdb.Error as error:
        raise BadData("the mapping does not fit", str(error).splitlines()[0]) from error
    return notes + refuse_zones(con, mapping, place)


def _typed_query(mapping: Mapping) -> str:
    told = [n for n in _TIMES if n in {*mapping.columns, *mapping.constants} - {*mapping.durations}]
    texts = {name: _text(name, mapping) for name in told}
    levels = time_levels(texts, mapping) if told else ["NULL::VARCHAR AS zone_left"]
    for name in mapping.in_order():
        duration = mapping.durations[name]
        text = f"nullif({mapping.place(duration.column)}, '')"
        levels += length_level(name, text, duration.start, duration.unit)
        told.append(name)
    query = "source_rows"
    for level in levels:
        query = f"(SELECT *, {level} FROM {query})"
    typed = ", ".join(f"{_value(c, mapping, told)} AS {quoted(c.name)}" for c in REQUESTS.columns)
    whys = ", ".join(f'"{name}_why"' for name in told)
    raw = ", ".join(mapping.place(name) for name in mapping.wanted())
    shown = ", ".join(f"{sql_text(name)}: {mapping.place(name)}" for name in mapping.wanted())
    typed_rows = f"SELECT source_row, zone_left, {raw}, {whys}, {typed} FROM {query} AS l"
    columns = ", ".join(quoted(c) for c in REQUESTS.column_names)
    return (
        f"CREATE TEMP TABLE typed_rows AS SELECT source_row, {columns}, zone_left, fault, "
        f"CASE WHEN fault IS NOT NULL THEN left((MAP {{{shown}}})::VARCHAR, 500) END AS shown "
        f"FROM (SELECT *, {_fault(mapping, told)} AS fault FROM ({typed_rows}))"
    )


def _text(name: str, mapping: Mapping) -> str:
    """Return SQL for the text of one contract column over `source_rows`; NULL where it is empty."""
    if name in mapping.constants:
        return sql_text(str(mapping.constants[name]))
    source = f"nullif({mapping.place(mapping.columns[name])}, '')"
    if values := mapping.values.get(name):
        cases = " ".join(f"WHEN {sql_text(k)} THEN {sql_text(str(v))}" for k, v in values.items())
        source = f"CASE {source} {cases} ELSE {source} END"
    return source


def _value(column: Column, mapping: Mapping, times: list[str]) -> str:
    """Return SQL for one contract column; NULL where it cannot be read."""
    name = column.name
    if name == "scheduled_at" and name not in times:
        name = "started_at"
    if column.type == TIME:
        return f'make_timestamptz("{name}_us")' if name in times else "NULL::TIMESTAMPTZ"
    if name in mapping.constants:
        return f"{_text(name, mapping)}::{column.type}"
    if name not in mapping.columns:
        if name == "idempotency_key":
            return _value(REQUESTS.columns[0], mapping, times)
        return "1" if name == "attempt" else f"NULL::{column.type}"
    text = _text(name, mapping)
    return f"TRY_CAST({text} AS {column.type})" if column.type in (INT, BOOL) else text


def _fault(mapping: Mapping, times: list[str]) -> str:
    """Return SQL for why a row cannot be taken, NULL when it can."""
    cases = []
    for column in REQUESTS.columns:
        name = quoted(column.name)
        unread = "is missing or cannot be read" if not column.nullable else "cannot be read"
        if column.name in times:
            why = f'"{column.name}_why"'
            cases.append(
                f"WHEN {why} IS NOT NULL THEN CASE {why} WHEN 'unreadable' "
                f"THEN '{column.name} {unread}' ELSE {why} END"
            )
        if not column.nullable:
            cases.append(f"WHEN {name} IS NULL THEN '{column.name} {unread}'")
        elif column.name in mapping.columns and column.name not in times:
            raw = mapping.place(mapping.columns[column.name])
            cases.append(
                f"WHEN {name} IS NULL AND coalesce({raw}, '') <> '' "
                f"THEN '{column.name} cannot be read'"
            )
        if column.enum:
            listed = ", ".join(sql_text(v) for v in column.enum)
            cases.append(f"WHEN {name} NOT IN ({listed}) THEN 'unknown {column.name}'")
    cases.append("WHEN finished_at < scheduled_at THEN 'finished_at is before scheduled_at'")
    return f"CASE {' '.join(cases)} END"
