"""One outage opened for its report: the incident, the run beside it, and what follows from both."""

from __future__ import annotations

import datetime as dt
import math
import tomllib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from analysis import changepoints, paths, slo, timeline
from analysis.incidents import when
from analysis.incidents.clock import Timeline
from analysis.incidents.schema import Incident
from analysis.incidents.store import load_corpus
from runlog.errors import UsageFault
from runlog.manifest import read_manifest
from runlog.reader import open_run

_INTERVALS_MAX = 5000
UTC = "UTC"


@dataclass(frozen=True)
class Settings:
    """How the report reads its data; each value is a parameter of the notebook."""

    about_min: float
    objective_pct: float
    slow_ms: float

    @property
    def objective(self) -> float:
        """The objective as a share."""
        return self.objective_pct / 100


@dataclass
class Outage:
    """An incident, a run, or both on one clock.

    `measured` is None without a run; `run_note` says why a named run is not laid beside.
    """

    incident: Incident | None
    record: Timeline | None
    measured: timeline.Measured | None
    settings: Settings
    run_note: str = ""

    @property
    def zone(self) -> str:
        """IANA name of the local time of the report."""
        if self.incident is not None:
            return self.incident.time_zone
        return "Asia/Tokyo" if self.replays else UTC

    @property
    def replays(self) -> bool:
        """True when the run has an incident clock of its own."""
        return self.measured is not None and self.measured.clock.has_incident_time

    @cached_property
    def minutes(self) -> pd.DataFrame:
        """Good and bad attempts by minute of the incident clock."""
        return slo.minutes(self._run, self.settings.slow_ms)

    @cached_property
    def rates(self) -> pd.DataFrame:
        """Burn rates and alerts by minute of the incident clock."""
        return slo.burn_rates(self.minutes, self.settings.objective)

    @cached_property
    def functions(self) -> pd.DataFrame:
        """Availability by function and phase of the run."""
        return timeline.functions(self._run, self.settings.slow_ms)

    @cached_property
    def phases(self) -> pd.DataFrame:
        """Counts and latency by phase of the run."""
        return timeline.phase_table(self._run)

    @cached_property
    def totals(self) -> dict[str, int]:
        """Attempts of the run by outcome."""
        return timeline.totals(self._run)

    @cached_property
    def events(self) -> pd.DataFrame:
        """The run's events at incident time: at, kind, label, important."""
        events = self._run.events.copy()
        at = [self._run.incident_at(us) for us in events["at_us"]]
        events["at"] = pd.Series(at, dtype="datetime64[us, UTC]", index=events.index)
        return events

    @cached_property
    def changes(self) -> list[int]:
        """Intervals at which the run's behaviour changes."""
        return changepoints.detect(changepoints.series(self._run))

    @cached_property
    def change_scores(self) -> pd.DataFrame:
        """Change points against the run's important events."""
        return changepoints.score(self._run, self.changes, 0.0)

    @cached_property
    def scenario(self) -> dict[str, Any]:
        """The scenario the run replays, as its manifest carries it; {} for an imported run."""
        told = self.measured.run.manifest.scenario if self.measured else None
        try:
            return tomllib.loads(told.text) if told else {}
        except tomllib.TOMLDecodeError:
            return {}

    def phase(self, name: str) -> pd.Series | None:
        """Return the row of one phase of the run, None when it had no such phase."""
        if self.measured is None:
            return None
        rows = self.phases[self.phases["phase"] == name]
        return None if rows.empty else rows.iloc[0]

    def event_offset(self, kind: str) -> when.Span:
        """Return minutes of the incident clock from the onset to the first event of a kind."""
        onset = slo.onset_minute(self._run)
        events = self._run.events
        if onset is None:
            return when.Span(None, None)
        onset_us = onset * self._run.clock.minute_us
        later = events[(events["kind"] == kind) & (events["at_us"] > onset_us)]
        if later.empty:
            return when.Span(None, None)
        minute = float(later["at_us"].min()) / self._run.clock.minute_us - onset
        return when.Span(round(minute, 1), round(minute, 1), round(minute, 1))

    def window(self) -> tuple[dt.datetime | None, dt.datetime | None]:
        """Return the window the report is about, for the index page."""
        if self.measured is not None:
            return self.measured.incident_at(0), self.measured.incident_at(self.measured.end_us)
        assert self.record is not None
        end = self.record.time("restored_at") or self.record.time("mitigated_at")
        start = self.record.time("started_at")
        return (start.middle if start else None), (end.middle if end else None)

    @property
    def _run(self) -> timeline.Measured:
        assert self.measured is not None, "ask for measurements only when there is a run"
        return self.measured


def open_outage(
    incident: str = "",
    run: str = "",
    *,
    about_min: float = when.ABOUT_MINUTES,
    bucket_s: float = 0.0,
    objective_pct: float = 99.9,
    slow_ms: float = 1000.0,
) -> Outage:
    """Return an outage of the corpus with a run laid beside it; either may be "".

    A run that replays another incident is not laid beside this one, and the report says so. Raises
    UsageFault for an unknown incident or run, for neither, and for a setting that makes no sense.
    """
    _sensible(about_min, bucket_s, objective_pct, slow_ms)
    if not incident and not run:
        raise UsageFault("nothing to report", "incident and run are both empty", "name one of them")
    found = load_corpus().get(incident) if incident else None
    settings = Settings(about_min, objective_pct, slow_ms)
    record = Timeline(found, about_min) if found else None
    if not run:
        return Outage(found, record, None, settings, "No run is laid beside this incident.")
    folder = paths.find_run(run)
    replayed = read_manifest(folder).incident
    if found and replayed and replayed != found.id:
        note = f"The run {folder.name} replays another incident ({replayed}) and is left out here."
        return Outage(found, record, None, settings, note)
    measured = timeline.measure(open_run(folder), bucket_s)
    if measured.buckets > _INTERVALS_MAX:
        todo = f"at most {_INTERVALS_MAX} intervals; choose a wider bucket_s, or 0"
        raise UsageFault("interval too narrow", bucket_s, todo)
    return Outage(found, record, measured, settings)


def _sensible(about_min: float, bucket_s: float, objective_pct: float, slow_ms: float) -> None:
    given = {"about_min": about_min, "bucket_s": bucket_s, "slow_ms": slow_ms}
    for name, value in {**given, "objective_pct": objective_pct}.items():
        if not math.isfinite(value):
            raise UsageFault(f"{name} is no number", value, "give a finite number")
    if not 0 <= about_min <= 720:
        raise UsageFault("about_min out of range", about_min, "give minutes from 0 to 720")
    if bucket_s < 0:
        raise UsageFault("bucket_s below zero", bucket_s, "give seconds, or 0 to choose")
    if not 0 < objective_pct < 100:
        raise UsageFault("objective_pct out of range", objective_pct, "give a share such as 99.9")
    if slow_ms <= 0:
        raise UsageFault("slow_ms not above zero", slow_ms, "give milliseconds")
