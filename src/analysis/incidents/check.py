"""Checks what a schema cannot say: sources exist, times make sense, durations fit their times."""

from __future__ import annotations

from analysis.incidents import when
from analysis.incidents.clock import ABOUT_SHARE, NAMED, Timeline
from analysis.incidents.functions import FUNCTIONS, STATES
from analysis.incidents.schema import TIME_FIELDS, Claim, Incident, Phase
from runlog.errors import did_you_mean

DATABASE_VALUES = ("yes", "no", "partly", "unknown")


def problems_of(incident: Incident) -> list[str]:
    """Return every fault of one parsed incident as `field: reason`, in file order."""
    try:
        when.zone_of(incident.time_zone)
    except ValueError as error:
        return [f"time_zone: {error}"]
    problems = _claims(incident)
    times = _times(incident)
    if times:  # nothing that follows can be computed from broken times
        return problems + times
    return problems + _order(incident) + _phases(incident) + _durations(incident) + _money(incident)


def _claims(incident: Incident) -> list[str]:
    problems = []
    alternatives: dict[str, list[Claim]] = {}
    for path, _, claim in incident.claims():
        alternatives.setdefault(path, []).append(claim)
        problems += [
            f"{path}: source {name!r} is not among the file's sources, "
            + did_you_mean(name, list(incident.sources))
            for name in claim.sources
            if name not in incident.sources
        ]
    for path, claims in alternatives.items():
        listed = path.startswith(("causes.", "later_evidence"))
        if not listed and len({str(c.value) for c in claims}) > 1 and not claims[0].why:
            problems.append(f"{path}: sources disagree; say in `why` why the first value is used")
    used = {name for _, _, claim in incident.claims() for name in claim.sources}
    problems += [f"sources.{n}: no value cites it" for n in incident.sources if n not in used]
    problems += [
        f"sources.{name}: needs a url or a reference"
        for name, source in incident.sources.items()
        if not (source.url or source.reference)
    ]
    if str(incident.database[0].value) not in DATABASE_VALUES:
        problems.append(f"database: {incident.database[0].value!r} is none of {DATABASE_VALUES}")
    return problems


def _times(incident: Incident) -> list[str]:
    """Faults of the notation: every claim that is a time must parse in the incident's zone."""
    problems = []
    for path, _, claim in incident.claims():
        field = path.rpartition(".")[2]
        is_time = path in TIME_FIELDS or field in ("start", "end", "at")
        if not is_time:
            continue
        try:
            when.parse(str(claim.value), incident.time_zone)
        except ValueError as error:
            problems.append(f"{path}: {error}")
    known = (*TIME_FIELDS,)
    for phase in incident.phases:
        for side in ("start", "end"):
            name = getattr(phase, side)
            if isinstance(name, str) and (name not in known or not getattr(incident, name)):
                problems.append(
                    f"phases[{phase.id}].{side}: {name!r} is no time of this incident; use one of "
                    + ", ".join(n for n in known if getattr(incident, n))
                )
    return problems


def _order(incident: Incident) -> list[str]:
    clock = Timeline(incident)
    problems = []
    for first, second in (
        ("started_at", "mitigated_at"),
        ("mitigated_at", "restored_at"),
        ("started_at", "restored_at"),
    ):
        start, end = clock.time(first), clock.time(second)
        if start and end and when.contradicts(start, end):
            problems.append(f"{second}: {end.text} is before {first} ({start.text})")
    return problems


def _phases(incident: Incident) -> list[str]:
    clock = Timeline(incident)
    problems = []
    if len({p.id for p in incident.phases}) < len(incident.phases):
        problems.append("phases: the same id twice")
    for phase in incident.phases:
        start, end = clock.bounds(phase)
        if start and end and when.contradicts(start, end):
            problems.append(f"phases[{phase.id}].end: {end.text} is before its start {start.text}")
        problems += _functions(phase)
    return problems


def _functions(phase: Phase) -> list[str]:
    problems = []
    names = [f.function for f in phase.functions]
    for entry in phase.functions:
        where = f"phases[{phase.id}].functions"
        if entry.function not in FUNCTIONS:
            advice = did_you_mean(entry.function, list(FUNCTIONS))
            problems.append(f"{where}: unknown function {entry.function!r}, {advice}")
        if names.count(entry.function) > 1:
            problems.append(f"{where}: {entry.function!r} twice")
        problems += [
            f"{where}[{entry.function}]: state {claim.value!r}, known: {', '.join(STATES)}"
            for claim in entry.state
            if claim.value not in STATES
        ]
    return list(dict.fromkeys(problems))


def _durations(incident: Incident) -> list[str]:
    """A recorded duration must fit the bounds of the times it is made of, where both are known."""
    clock = Timeline(incident)
    problems = []
    phases = {p.id: p for p in incident.phases}
    for entry in incident.durations:
        if entry.of not in NAMED and entry.of not in phases:
            advice = did_you_mean(entry.of, [*NAMED, *phases])
            problems.append(f"durations[{entry.of}]: no such duration or phase, {advice}")
            continue
        spans = clock.spans_of(entry.of)
        for claim in entry.minutes:
            if isinstance(claim.value, bool | str):
                problems.append(f"durations[{entry.of}]: {claim.value!r} is no number of minutes")
            elif spans and not any(_fits(s, float(claim.value), entry.about) for s in spans):
                computed = " or ".join(f"{s.min} to {s.max}" for s in spans)
                problems.append(
                    f"durations[{entry.of}]: {claim.value} min contradicts the times ({computed})"
                )
    return problems


def _fits(span: when.Span, minutes: float, about: bool) -> bool:
    slack = ABOUT_SHARE * minutes if about else 0.0
    low = None if span.min is None else span.min - slack
    high = None if span.max is None else span.max + slack
    return when.Span(low, high).contains(minutes)


def _money(incident: Incident) -> list[str]:
    return [
        f"refund_examples[{e.label}]: {e.balance_part_jpy} + {e.card_part_jpy} is not {e.total_jpy}"
        for e in incident.refund_examples
        if e.balance_part_jpy + e.card_part_jpy != e.total_jpy
    ]
