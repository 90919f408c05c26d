"""One incident as plain data for machines: what `walletlab incidents show --json` prints."""

from __future__ import annotations

from typing import Any

from analysis.incidents import when
from analysis.incidents.clock import NAMED, DatedEvent, DatedPhase, Timeline
from analysis.incidents.functions import FUNCTIONS
from analysis.incidents.schema import TIME_FIELDS, Claim, Incident
from analysis.incidents.when import When


def describe(incident: Incident, about_minutes: float = when.ABOUT_MINUTES) -> dict[str, Any]:
    """Return an incident with its times resolved: phases, communication, durations in minutes.

    Durations are `{min, max, as_written}`; where other sources give another time, the durations
    that follow from it stand under `alternatives`.
    """
    clock = Timeline(incident, about_minutes)
    plain = incident.model_dump(mode="json", exclude_none=True)
    times = {n: _time(clock, getattr(incident, n)) for n in TIME_FIELDS if getattr(incident, n)}
    head = ("id", "kind", "title", "company", "product", "country", "time_zone")
    return {
        **{name: plain[name] for name in head},
        **times,
        "about_minutes": about_minutes,
        "phases": [_phase(p) for p in clock.phases()],
        "communication": [_event(e) for e in clock.events("communication")],
        "events": [_event(e) for e in clock.events() if e.event.lane != "communication"],
        "durations": durations(clock),
        **{
            name: plain.get(name, [])
            for name in (
                "affected",
                "cause_group",
                "database",
                "causes",
                "figures",
                "refund_rules",
                "refund_examples",
                "later_evidence",
                "gaps",
            )
        },
        "sources": plain["sources"],
    }


def durations(clock: Timeline) -> dict[str, dict[str, Any]]:
    """Return name to `{min, max, as_written}` in minutes, with `alternatives` where sources differ.

    `affected` is the time in which some function was affected; a duration that is only stated, not
    computed from times, carries `"basis": "stated"`.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in NAMED:
        span, basis = clock.duration(name), "computed from times"
        if span.min is None and span.max is None:
            span, basis = clock.on_record(name), "stated"
        if span.min is None and span.max is None:
            continue
        others = [s.as_json() for s in clock.spans_of(name) if s != span]
        found[name] = {**span.as_json(), "basis": basis}
        if others:
            found[name]["alternatives"] = others
    affected = clock.affected_minutes()
    if affected.min is not None or affected.max is not None:
        found["affected"] = {**affected.as_json(), "basis": "sum of the affected phases"}
    return found


def _time(clock: Timeline, claims: list[Claim]) -> dict[str, Any]:
    """The claim that is used with its bounds, and every claim beside it."""
    used = clock.moment(claims[0])
    return {
        **moment(used),
        "why": claims[0].why,
        "claims": [
            {**c.model_dump(mode="json", exclude_none=True), **moment(clock.moment(c))}
            for c in claims
        ],
    }


def moment(at: When | None) -> dict[str, Any]:
    """Return `{text, earliest, latest}` of a moment (UTC, ISO 8601); unknown sides are null."""
    if at is None:
        return {"text": None, "earliest": None, "latest": None}
    return {
        "text": at.text,
        "earliest": at.earliest.isoformat() if at.earliest else None,
        "latest": at.latest.isoformat() if at.latest else None,
    }


def _phase(dated: DatedPhase) -> dict[str, Any]:
    functions = {}
    for entry in dated.phase.functions:
        used = entry.state[0]
        rest = used.model_dump(mode="json", exclude_none=True, exclude={"value"})
        label = FUNCTIONS[entry.function].label
        functions[entry.function] = {"state": used.value, "label": label, **rest}
    return {
        "id": dated.phase.id,
        "label": dated.phase.label,
        "start": moment(dated.start),
        "end": moment(dated.end),
        "minutes": dated.length.as_json(),
        "functions": functions,
    }


def _event(dated: DatedEvent) -> dict[str, Any]:
    used = dated.event.at[0]
    content: dict[str, Any] = {
        "at": moment(dated.at),
        "offset_min": dated.offset.as_json(),
        "lane": dated.event.lane,
        "what": dated.event.what,
        "sources": used.sources,
        "confidence": used.confidence,
    }
    if dated.event.lane == "communication":
        content |= {"channel": dated.event.channel, "says": dated.event.says}
    if dated.alternatives:
        content["other_sources"] = [
            {"at": moment(at), "sources": c.sources, "confidence": c.confidence}
            for c, at in dated.alternatives
        ]
    return content
