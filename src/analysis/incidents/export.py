"""Hands incidents to other tools: Timesketch (JSONL, CSV) and the postmortems.app record.

Formats: Timesketch, "Import from JSON or CSV" (fields `message`, `datetime`, `timestamp_desc`);
postmortems.app, struct `Postmortem` and the fields of its published JSON records. What these
formats cannot say (bounds, confidence, sources) goes along as extra fields or into the text.
"""

from __future__ import annotations

import csv
import io
import json
import uuid
from typing import Any

from analysis.incidents.clock import Timeline
from analysis.incidents.describe import describe, durations
from analysis.incidents.functions import FUNCTIONS
from analysis.incidents.schema import Claim, Incident
from analysis.incidents.when import When

FORMATS = ("timesketch-jsonl", "timesketch-csv", "postmortems-app")
_NAMESPACE = uuid.UUID("6f6b8d0e-6a0c-5b7e-9a51-7f3a2d9c4e10")
_TIME_NAMES = {"started_at": "Start", "mitigated_at": "Mitigated", "restored_at": "Restored"}
# postmortems.app allows a closed list of categories; these are the ones our cause groups fit.
_CATEGORIES = {
    "load": "cascading-failure",
    "capacity": "cascading-failure",
    "change": "config-change",
    "hardware": "hardware",
    "network": "hardware",
    "software": "undescriptive",
    "operator_error": "config-change",
    "account_takeover": "security",
    "unknown": "undescriptive",
}
_FIELDS = (
    "message",
    "datetime",
    "timestamp_desc",
    "timestamp",
    "incident_id",
    "lane",
    "earliest",
    "latest",
    "as_in_source",
    "confidence",
    "sources",
    "used",
)


def export(incident: Incident, form: str) -> str:
    """Return one incident as text in one of `FORMATS`."""
    if form == "timesketch-jsonl":
        lines = [json.dumps(r, ensure_ascii=False) for r in timesketch_rows(incident)]
        return "\n".join(lines) + "\n"
    if form == "timesketch-csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, _FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: _cell(v) for k, v in r.items()} for r in timesketch_rows(incident))
        return out.getvalue()
    return json.dumps(postmortem_record(incident), indent=2, ensure_ascii=False) + "\n"


def timesketch_rows(incident: Incident) -> list[dict[str, Any]]:
    """Return one row for each claim of a time: named times and events, used or not, by time.

    `datetime` is the time as written or the middle of its bounds; the bounds are extra fields.
    """
    clock = Timeline(incident)
    rows = []
    for name, label in _TIME_NAMES.items():
        for position, claim in enumerate(getattr(incident, name) or []):
            rows.append(_row(clock, claim, label, "incident", incident.title, position == 0))
    for event in incident.events:
        for position, claim in enumerate(event.at):
            label = event.lane.capitalize()
            rows.append(_row(clock, claim, label, event.lane, event.what, position == 0))
    return sorted(rows, key=lambda r: (r["timestamp"], r["message"]))


def _row(
    clock: Timeline, claim: Claim, label: str, lane: str, what: str, used: bool
) -> dict[str, Any]:
    at = clock.moment(claim)
    middle = at.middle
    assert middle is not None, "a time without any bound does not validate"
    doubt = "" if at.as_written and not at.approximate else f" (time on record: {at.text})"
    return {
        "message": f"{label}: {what}{doubt}",
        "datetime": middle.isoformat(),
        "timestamp_desc": f"{label} ({claim.basis})",
        "timestamp": int(middle.timestamp() * 1_000_000),
        "incident_id": clock.incident.id,
        "lane": lane,
        "earliest": _iso(at, "earliest"),
        "latest": _iso(at, "latest"),
        "as_in_source": at.text,
        "confidence": claim.confidence,
        "sources": list(claim.sources),
        "used": used,
    }


def postmortem_record(incident: Incident) -> dict[str, Any]:
    """Return the postmortems.app record of an incident; an unknown time is an empty string."""
    clock = Timeline(incident)
    sources = list(incident.sources.values())
    best = next((s for s in sources if s.official and s.url), None)
    best = best or next((s for s in sources if s.url), None)
    start, end = clock.time("started_at"), clock.time("restored_at") or clock.time("mitigated_at")
    causes = incident.causes.stated or incident.causes.unknown
    names = {e.function for p in incident.phases for e in p.functions}
    return {
        "UUID": str(uuid.uuid5(_NAMESPACE, incident.id)),
        "URL": best.url if best else "",
        "ArchiveURL": "",
        "Title": incident.title,
        "StartTime": _middle(start),
        "EndTime": _middle(end),
        "Categories": ["postmortem", _CATEGORIES[str(incident.cause_group[0].value)]],
        "Keywords": sorted(FUNCTIONS[n].label for n in names),
        "Company": incident.company,
        "Product": incident.product,
        "SourcePublishedAt": (best.published or "") if best else "",
        "SourceFetchedAt": "",
        "Summary": f"{incident.title}. Affected: {incident.affected[0].value}.",
        "Description": _description(incident, clock, [str(c.value) for c in causes]),
    }


def _description(incident: Incident, clock: Timeline, causes: list[str]) -> str:
    spans = [
        f"{name.replace('_', ' ')}: {d['min']} to {d['max']} minutes ({d['basis']})."
        for name, d in durations(clock).items()
    ]
    said = [
        f"{event['at']['text']}: {event['what']} (confidence {event['confidence']})."
        for event in describe(incident)["communication"]
    ]
    return "\n".join(
        ["Causes on record: " + "; ".join(causes) + ".", *spans, *said, *incident.gaps]
    )


def _middle(at: When | None) -> str:
    return at.middle.isoformat() if at and at.middle else ""


def _iso(at: When, side: str) -> str | None:
    moment = getattr(at, side)
    return moment.isoformat() if moment else None


def _cell(value: Any) -> Any:
    """CSV has no lists; a cell that a spreadsheet would run as a formula gets an apostrophe."""
    text = "; ".join(value) if isinstance(value, list) else value
    return "'" + text if isinstance(text, str) and text[:1] in "=+-@" and text else text
