"""The corpus as tables: one frame a grain, and the same frames as tables of a DuckDB connection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb
import pandas as pd

from analysis.incidents import when
from analysis.incidents.clock import Timeline
from analysis.incidents.describe import durations
from analysis.incidents.functions import AFFECTED, FUNCTIONS
from analysis.incidents.schema import Incident

# table -> column -> DuckDB type. Times are UTC, durations minutes (they come from minutes).
TABLES: dict[str, dict[str, str]] = {
    "incidents": {
        "incident_id": "VARCHAR",
        "kind": "VARCHAR",
        "company": "VARCHAR",
        "country": "VARCHAR",
        "title": "VARCHAR",
        "cause_group": "VARCHAR",
        "database": "VARCHAR",
        "started_at": "TIMESTAMP WITH TIME ZONE",
        "affected_min_low": "DOUBLE",
        "affected_min_high": "DOUBLE",
        "affected_min": "DOUBLE",
        "functions_named": "BIGINT",
        "functions_affected": "BIGINT",
        "first_notice_min": "DOUBLE",
        "announcements": "BIGINT",
        "official_source": "BOOLEAN",
    },
    "incident_claims": {
        "incident_id": "VARCHAR",
        "field": "VARCHAR",
        "position": "BIGINT",
        "value": "VARCHAR",
        "basis": "VARCHAR",
        "confidence": "VARCHAR",
        "sources": "VARCHAR",
        "quote": "VARCHAR",
        "note": "VARCHAR",
        "why": "VARCHAR",
    },
    "incident_functions": {
        "incident_id": "VARCHAR",
        "phase": "VARCHAR",
        "function": "VARCHAR",
        "label": "VARCHAR",
        "state": "VARCHAR",
        "starts_earliest": "TIMESTAMP WITH TIME ZONE",
        "starts_latest": "TIMESTAMP WITH TIME ZONE",
        "ends_earliest": "TIMESTAMP WITH TIME ZONE",
        "ends_latest": "TIMESTAMP WITH TIME ZONE",
        "confidence": "VARCHAR",
    },
    "incident_events": {
        "incident_id": "VARCHAR",
        "lane": "VARCHAR",
        "channel": "VARCHAR",
        "says": "VARCHAR",
        "what": "VARCHAR",
        "earliest": "TIMESTAMP WITH TIME ZONE",
        "latest": "TIMESTAMP WITH TIME ZONE",
        "offset_min_low": "DOUBLE",
        "offset_min_high": "DOUBLE",
        "offset_min": "DOUBLE",
        "confidence": "VARCHAR",
    },
    "incident_durations": {
        "incident_id": "VARCHAR",
        "duration": "VARCHAR",
        "min_minutes": "DOUBLE",
        "max_minutes": "DOUBLE",
        "as_written_minutes": "DOUBLE",
        "basis": "VARCHAR",
    },
}


def frames(
    incidents: Iterable[Incident], about_minutes: float = when.ABOUT_MINUTES
) -> dict[str, pd.DataFrame]:
    """Return table name to frame, columns and types as in `TABLES`, incidents in given order."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for incident in incidents:
        clock = Timeline(incident, about_minutes)
        rows["incidents"].append(_incident(clock))
        rows["incident_claims"] += _claims(incident)
        rows["incident_functions"] += _functions(clock)
        rows["incident_events"] += _events(clock)
        rows["incident_durations"] += [
            {
                "incident_id": incident.id,
                "duration": name,
                "min_minutes": d["min"],
                "max_minutes": d["max"],
                "as_written_minutes": d["as_written"],
                "basis": d["basis"],
            }
            for name, d in durations(clock).items()
        ]
    return {name: _frame(name, found) for name, found in rows.items()}


def register(
    con: duckdb.DuckDBPyConnection,
    incidents: Iterable[Incident],
    about_minutes: float = when.ABOUT_MINUTES,
) -> None:
    """Create the tables of `TABLES` in a connection and fill them."""
    for name, frame in frames(incidents, about_minutes).items():
        columns = ", ".join(f'CAST("{c}" AS {t}) AS "{c}"' for c, t in TABLES[name].items())
        con.register("_corpus_frame", frame)
        con.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT {columns} FROM _corpus_frame")
        con.unregister("_corpus_frame")


def _frame(name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(TABLES[name]))
    for column, kind in TABLES[name].items():
        if kind.startswith("TIMESTAMP"):
            frame[column] = pd.to_datetime(frame[column], utc=True).astype("datetime64[us, UTC]")
        elif kind == "DOUBLE":
            frame[column] = frame[column].astype("float64")
        elif kind == "VARCHAR":
            frame[column] = frame[column].astype("str")
    return frame


def _incident(clock: Timeline) -> dict[str, Any]:
    incident = clock.incident
    started, affected = clock.time("started_at"), clock.affected_minutes()
    named: dict[str, bool] = {}
    for phase in incident.phases:
        for entry in phase.functions:
            state = entry.state[0].value
            if state != "unknown":
                named[entry.function] = named.get(entry.function, False) or state in AFFECTED
    notice = clock.duration("start_to_first_notice")
    return {
        "incident_id": incident.id,
        "kind": incident.kind,
        "company": incident.company,
        "country": incident.country,
        "title": incident.title,
        "cause_group": str(incident.cause_group[0].value),
        "database": str(incident.database[0].value),
        "started_at": started.middle if started else None,
        "affected_min_low": affected.min,
        "affected_min_high": affected.max,
        "affected_min": _central(affected),
        "functions_named": len(named),
        "functions_affected": sum(named.values()),
        "first_notice_min": _central(notice),
        "announcements": len(clock.events("communication")),
        "official_source": any(s.official for s in incident.sources.values()),
    }


def _central(span: when.Span) -> float | None:
    """As written, else the middle of the bounds; None when a bound is open."""
    if span.as_written is not None:
        return span.as_written
    if span.min is None or span.max is None:
        return None
    return (span.min + span.max) / 2


def _claims(incident: Incident) -> list[dict[str, Any]]:
    return [
        {
            "incident_id": incident.id,
            "field": path,
            "position": position,
            "value": str(claim.value),
            "basis": claim.basis,
            "confidence": claim.confidence,
            "sources": ", ".join(claim.sources),
            "quote": claim.quote,
            "note": claim.note,
            "why": claim.why,
        }
        for path, position, claim in incident.claims()
    ]


def _functions(clock: Timeline) -> list[dict[str, Any]]:
    return [
        {
            "incident_id": clock.incident.id,
            "phase": dated.phase.label,
            "function": entry.function,
            "label": FUNCTIONS[entry.function].label,
            "state": str(entry.state[0].value),
            "starts_earliest": dated.start.earliest if dated.start else None,
            "starts_latest": dated.start.latest if dated.start else None,
            "ends_earliest": dated.end.earliest if dated.end else None,
            "ends_latest": dated.end.latest if dated.end else None,
            "confidence": entry.state[0].confidence,
        }
        for dated in clock.phases()
        for entry in dated.phase.functions
    ]


def _events(clock: Timeline) -> list[dict[str, Any]]:
    return [
        {
            "incident_id": clock.incident.id,
            "lane": dated.event.lane,
            "channel": dated.event.channel,
            "says": ", ".join(dated.event.says) or None,
            "what": dated.event.what,
            "earliest": dated.at.earliest,
            "latest": dated.at.latest,
            "offset_min_low": dated.offset.min,
            "offset_min_high": dated.offset.max,
            "offset_min": dated.offset.as_written,
            "confidence": dated.confidence,
        }
        for dated in clock.events()
    ]
