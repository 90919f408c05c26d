"""Turns an incident's claims into moments, phases, offsets and durations, all with bounds."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.incidents import when
from analysis.incidents.functions import AFFECTED
from analysis.incidents.schema import TIME_FIELDS, Claim, Event, Incident, Phase
from analysis.incidents.when import Span, When

# name of a duration -> the two moments it lies between
NAMED: dict[str, tuple[str, str]] = {
    "start_to_first_notice": ("started_at", "first_notice"),
    "start_to_cause_published": ("started_at", "cause_published"),
    "start_to_mitigation": ("started_at", "mitigated_at"),
    "mitigation_to_restoration": ("mitigated_at", "restored_at"),
    "start_to_restoration": ("started_at", "restored_at"),
}


# a duration that the record calls "about" is read as plus or minus a tenth: a convention of ours
ABOUT_SHARE = 0.1


@dataclass(frozen=True)
class DatedEvent:
    """An event with its moment, its offset from the start, and other sources' times for it."""

    event: Event
    at: When
    offset: Span
    alternatives: tuple[tuple[Claim, When], ...]

    @property
    def confidence(self) -> str:
        """Confidence of the time that is used."""
        return self.event.at[0].confidence


@dataclass(frozen=True)
class DatedPhase:
    """A phase with its two moments; `end` is None when the record has no end for it."""

    phase: Phase
    start: When | None
    end: When | None
    length: Span

    @property
    def affected(self) -> list[str]:
        """Functions that were down, partly down or degraded in this phase."""
        return [f.function for f in self.phase.functions if f.state[0].value in AFFECTED]


class Timeline:
    """The moments of one incident under one reading of "about" (minutes either side)."""

    def __init__(self, incident: Incident, about_minutes: float = when.ABOUT_MINUTES) -> None:
        self.incident = incident
        self.about_minutes = about_minutes

    def moment(self, claim: Claim) -> When:
        """Return the moment of one claim; ValueError when it is no time."""
        return when.parse(str(claim.value), self.incident.time_zone, self.about_minutes)

    def time(self, name: str) -> When | None:
        """Return a time field, `first_notice` or `cause_published`; None when unknown."""
        if name in TIME_FIELDS:
            claim = self.incident.used(name)
            return self.moment(claim) if claim else None
        said = self.said("cause" if name == "cause_published" else "content")
        return said[0].at if said else None

    def said(self, what: str) -> list[DatedEvent]:
        """Return the announcements that say something (content, cause, ...), by time."""
        return [d for d in self.events("communication") if what in d.event.says]

    def bounds(self, phase: Phase) -> tuple[When | None, When | None]:
        """Return start and end of a phase."""
        return self._side(phase.start), self._side(phase.end)

    def phases(self) -> list[DatedPhase]:
        """Return the phases in file order; one without an end has the length the record states."""
        dated = []
        for phase in self.incident.phases:
            start, end = self.bounds(phase)
            length = when.between(start, end) if end else self.on_record(phase.id)
            dated.append(DatedPhase(phase, start, end, length))
        return dated

    def on_record(self, name: str) -> Span:
        """Return a duration as the record states it, unknown when it states none."""
        for entry in self.incident.durations:
            if entry.of == name:
                minutes = [float(c.value) for c in entry.minutes]
                slack = ABOUT_SHARE if entry.about else 0.0
                low, high = min(minutes) * (1 - slack), max(minutes) * (1 + slack)
                return Span(low, high, minutes[0])
        return Span(None, None)

    def events(self, lane: str | None = None) -> list[DatedEvent]:
        """Return the events of a lane (all lanes without one), by time."""
        start = self.time("started_at")
        found = []
        for event in self.incident.events:
            if lane is not None and event.lane != lane:
                continue
            at = self.moment(event.at[0])
            rest = tuple((claim, self.moment(claim)) for claim in event.at[1:])
            found.append(DatedEvent(event, at, when.between(start, at), rest))
        return sorted(found, key=lambda d: str(d.at.middle))

    def duration(self, name: str) -> Span:
        """Return a named duration from the claims that are used; unknown bounds are None."""
        first, second = NAMED[name]
        return when.between(self.time(first), self.time(second))

    def durations(self) -> dict[str, Span]:
        """Return every named duration of which at least one bound is known."""
        found = {name: self.duration(name) for name in NAMED}
        return {n: s for n, s in found.items() if s.min is not None or s.max is not None}

    def spans_of(self, name: str) -> list[Span]:
        """Return a named duration, or the length of a phase, under every combination of claims."""
        if name in NAMED:
            first, second = NAMED[name]
            pairs = [(a, b) for a in self._all(first) for b in self._all(second)]
        else:
            phase = next(p for p in self.incident.phases if p.id == name)
            pairs = [(a, b) for a in self._sides(phase.start) for b in self._sides(phase.end)]
        spans = [when.between(a, b) for a, b in pairs]
        known = [s for s in spans if s.min is not None or s.max is not None]
        return list(dict.fromkeys(known))

    def affected_minutes(self) -> Span:
        """Return the minutes in which some function was affected, as one duration with bounds.

        Phases that follow on each other are one stretch, so that the boundary between them adds no
        uncertainty. Falls back to start to restoration, then to what the record states.
        """
        stretches: list[tuple[When | None, When | None, Span]] = []
        for dated in self.phases():
            if not dated.affected:
                continue
            if stretches and dated.start is not None and stretches[-1][1] == dated.start:
                first = stretches.pop()[0]
                stretches.append((first, dated.end, when.between(first, dated.end)))
            else:
                stretches.append((dated.start, dated.end, dated.length))
        lengths = [length for _, _, length in stretches]
        if not lengths or all(s.min is None and s.max is None for s in lengths):
            computed = self.duration("start_to_restoration")
            known = computed.min is not None or computed.max is not None
            return computed if known else self.on_record("start_to_restoration")
        return Span(
            _total([s.min for s in lengths]),
            _total([s.max for s in lengths]),
            _total([s.as_written for s in lengths]),
        )

    def _side(self, side: str | list[Claim] | None) -> When | None:
        if side is None:
            return None
        return self.time(side) if isinstance(side, str) else self.moment(side[0])

    def _sides(self, side: str | list[Claim] | None) -> list[When]:
        if side is None:
            return []
        return self._all(side) if isinstance(side, str) else [self.moment(c) for c in side]

    def _all(self, name: str) -> list[When]:
        if name in TIME_FIELDS:
            return [self.moment(c) for c in getattr(self.incident, name) or []]
        used = self.time(name)
        return [used] if used else []


def _total(parts: list[float | None]) -> float | None:
    return None if any(p is None for p in parts) else sum(p for p in parts if p is not None)
