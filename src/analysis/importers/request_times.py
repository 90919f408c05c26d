"""Times of request logs as SQL: ISO stamps and their zones, epochs in four units, lengths.

DuckDB's own reading of a stamp drops what it does not know at the end of it, so stamp and zone are
taken apart here, and only the stamp is cast; the zone goes to the rule of server logs. What lies
outside the years 1 to 9999 is no time: no table and no manifest could hold it.
"""

from __future__ import annotations

import duckdb

from analysis.importers.mapping import Mapping
from analysis.importers.zones import AMBIGUOUS, ZoneRule
from runlog.errors import BadData
from runlog.literals import sql_text

PER_UNIT = {"s": "1000000", "ms": "1000", "us": "1", "ns": "0.001"}  # microseconds
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
_PLAUSIBLE = "BETWEEN 946684800000000 AND 4102444800000000"  # the years 2000 to 2100
_DATE = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,12})?)?"
_STAMP = rf"^\s*({_DATE}(?:[T ]{_CLOCK})?) ?(.*?)\s*$"
_OFFSET = r"[+-](?:0\d|1[0-8])(?::?[0-5]\d)?"
_POSIX = r"(?:GMT|UTC|Etc/\w+)[+-]\d+"
_TO_DO = "say which with [time] zone in the mapping"


def time_levels(text_of: dict[str, str], mapping: Mapping) -> list[str]:
    """Return SELECT lists, each to be applied to the one before, first to the source's rows.

    `text_of` gives for each time its text as SQL. The last level has for each time NAME the columns
    NAME_us (microseconds since 1970 or NULL) and NAME_why (NULL, or why there is none though there
    is a text), and `zone_left`: the zone text that could not be read, NULL when all could.
    """
    levels = [", ".join(f'{sql} AS "{name}_text"' for name, sql in text_of.items())]
    if mapping.time.format != "iso":
        unit = mapping.time.format.removeprefix("epoch_")
        numbers = [f'{_epoch(f"{name}_text", unit)} AS "{name}_number"' for name in text_of]
        told = [_bounded(name, f'"{name}_number"', f'"{name}_text"') for name in text_of]
        return [*levels, ", ".join(numbers), ", ".join(told) + ", NULL::VARCHAR AS zone_left"]
    rule = ZoneRule.of(mapping.time.zone)
    levels.append(", ".join(_parts(name) for name in text_of))
    levels.append(", ".join(_stamp(name) for name in text_of))
    levels.append(", ".join(_offset(name, rule) for name in text_of))
    left = [
        f'CASE WHEN "{name}_zone" <> \'\' AND "{name}_stamp" IS NOT NULL '
        f'AND "{name}_offset" IS NULL THEN "{name}_zone" END'
        for name in text_of
    ]
    told = [_instant(name, rule) for name in text_of]
    return [*levels, ", ".join([*told, f"coalesce({', '.join(left)}, NULL) AS zone_left"])]


def length_level(name: str, text: str, start: str, unit: str) -> list[str]:
    """Return SELECT lists that make NAME_us and NAME_why of a start and a length as text (SQL)."""
    length = (
        f"TRY_CAST(round(TRY_CAST({text} AS DECIMAL(30, 9)) * {PER_UNIT[unit]}) AS BIGINT) "
        f'AS "{name}_length"'
    )
    within = f'"{name}_length" BETWEEN 0 AND {_LAST_US - _FIRST_US}'
    sum_us = f'CASE WHEN {within} THEN "{start}_us" + "{name}_length" END'
    told = (
        f'CASE WHEN ({sum_us}) <= {_LAST_US} THEN {sum_us} END AS "{name}_us", '
        f"CASE WHEN coalesce(\"{name}_text\", '') = '' THEN NULL "
        f"WHEN \"{name}_length\" IS NULL THEN 'the length of {name} cannot be read' "
        f"WHEN \"{name}_length\" < 0 THEN 'the length of {name} is negative' "
        f"WHEN NOT ({within}) OR ({sum_us}) > {_LAST_US} THEN {sql_text(_outside(name))} END "
        f'AS "{name}_why"'
    )
    return [f'{text} AS "{name}_text", {length}', told]


def _outside(name: str) -> str:
    return f"{name} is outside the years 1 to 9999"


def _epoch(column: str, unit: str) -> str:
    """SQL: microseconds since 1970 as a decimal of whatever size, NULL for what is no number."""
    return f'round(TRY_CAST("{column}" AS DECIMAL(30, 6)) * {PER_UNIT[unit]})'


def _bounded(name: str, number: str, text: str) -> str:
    within = f"{number} BETWEEN {_FIRST_US} AND {_LAST_US}"
    return (
        f'CASE WHEN {within} THEN TRY_CAST({number} AS BIGINT) END AS "{name}_us", '
        f"CASE WHEN {number} IS NULL AND coalesce({text}, '') <> '' "
        f"THEN 'unreadable' WHEN NOT ({within}) THEN {sql_text(_outside(name))} END "
        f'AS "{name}_why"'
    )


def _parts(name: str) -> str:
    pattern = sql_text(_STAMP)
    return f"regexp_extract(\"{name}_text\", {pattern}, ['stamp', 'zone']) AS \"{name}_parts\""


def _stamp(name: str) -> str:
    stamp, zone = (f'"{name}_parts".{part}' for part in ("stamp", "zone"))
    return (
        f"TRY_CAST(replace({stamp}, ',', '.') AS TIMESTAMP) AS \"{name}_stamp\", "
        f"CASE WHEN lower({zone}) IN ('z', 'utc', 'gmt') THEN upper({zone}) ELSE {zone} END "
        f'AS "{name}_zone"'
    )


def _offset(name: str, rule: ZoneRule) -> str:
    zone, stamp = f'"{name}_zone"', f'"{name}_stamp"'
    wrong = f"regexp_matches({zone}, '^[+-]') AND NOT regexp_full_match({zone}, '{_OFFSET}')"
    return f'CASE WHEN {wrong} THEN NULL ELSE {rule.offset_sql(zone, stamp)} END AS "{name}_offset"'


def _instant(name: str, rule: ZoneRule) -> str:
    zone, stamp, offset = (f'"{name}_{part}"' for part in ("zone", "stamp", "offset"))
    micros = f"(epoch_us({stamp}) - {offset})"
    within = f"isfinite({stamp}) AND {micros} BETWEEN {_FIRST_US} AND {_LAST_US}"
    several = ", ".join(sql_text(zone) for zone in AMBIGUOUS)
    untold = (
        f"{name} falls into an hour that a clock change repeats or leaves out"
        if rule.told
        else f"{name} has no time zone"
    )
    return (
        f'CASE WHEN {within} THEN {micros} END AS "{name}_us", '
        f"CASE WHEN coalesce(\"{name}_text\", '') = '' THEN NULL "
        f"WHEN {stamp} IS NULL THEN 'unreadable' "
        f"WHEN {offset} IS NULL AND {zone} = '' THEN {sql_text(untold)} "
        f"WHEN {offset} IS NULL AND ({zone} IN ({several}) OR "
        f"regexp_full_match({zone}, '{_POSIX}')) THEN 'ambiguous time zone of {name}' "
        f"WHEN {offset} IS NULL THEN 'time zone of {name} cannot be read' "
        f'WHEN NOT ({within}) THEN {sql_text(_outside(name))} END AS "{name}_why"'
    )


def refuse_zones(con: duckdb.DuckDBPyConnection, mapping: Mapping, place: str) -> list[str]:
    """Return notes on zones that `typed_rows` could not read.

    Raises BadData for an ambiguous abbreviation when nobody told the zone, or most rows have it:
    the rule of server logs.
    """
    rule = ZoneRule.of(mapping.time.zone)
    notes: list[str] = []
    rows = con.execute("SELECT count(*) FROM typed_rows").fetchall()[0][0]
    found = con.execute(
        "SELECT zone_left, count(*) FROM typed_rows WHERE zone_left IS NOT NULL "
        "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 100"
    ).fetchall()
    for zone, count in found:
        what, todo = rule.why_not(zone)[0], _TO_DO
        if rule.is_ambiguous(zone) and (not rule.told or count * 2 > rows):
            raise BadData(what, f"{zone} in {place}", todo)
        if len(notes) < 5:
            notes.append(f"{count} rows of {place} have the zone {zone[:40]}: {what}; {todo}")
    return notes


def refuse_unit(con: duckdb.DuckDBPyConnection, text: str, mapping: Mapping, place: str) -> None:
    """Raise BadData when most times are implausible as [time] format says, and another fits.

    `text` is the SQL of the first time's text over `source_rows`. Plausible are the years 2000 to
    2100; a log whose times fit no format (a simulation's) is taken as it is told.
    """
    declared = mapping.time.format
    pattern = sql_text(r"^\s*" + _DATE)
    fits = [f"count(*) FILTER (regexp_matches(t, {pattern}))"]
    fits += [f"count(*) FILTER ({_epoch('t', unit)} {_PLAUSIBLE})" for unit in PER_UNIT]
    names = ["iso", *(f"epoch_{unit}" for unit in PER_UNIT)]
    row = con.execute(
        f"SELECT count(*), any_value(t), {', '.join(fits)} "
        f"FROM (SELECT {text} AS t FROM source_rows) WHERE coalesce(t, '') <> ''"
    ).fetchall()[0]
    total, example, counts = row[0], row[1], dict(zip(names, row[2:], strict=True))
    better = max(names, key=lambda name: counts[name])
    if counts[declared] * 2 >= total or counts[better] * 2 <= total:
        return
    todo = f'they fit [time] format = "{better}" in the mapping'
    raise BadData(f"times are implausible as {declared}", f"{example[:60]} in {place}", todo)
