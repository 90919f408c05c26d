"""What a run measured, over time: outcomes, latency, functions, phases; and the incident clock.

Everything is counted by the intended arrival (no coordinated omission). `RunClock` maps run time to
the incident's time, in which every frame tells its `at`. Latencies are never scaled.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from analysis.incidents.functions import FUNCTIONS
from analysis.sql import load
from runlog.errors import BadData
from runlog.manifest import Clock
from runlog.reader import Run

_WIDTHS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 86400)
_INTERVALS_MAX = 120
BANDS_PER_DECADE = 4
ECDF_POINTS = 200
BEFORE, DURING, MITIGATED, AFTER = "before", "during", "mitigated", "after"
WHOLE = "whole run"
_OUTCOMES = ("approved", "declined", "failed", "timed_out", "shed")


@dataclass(frozen=True)
class RunClock:
    """Maps run time to the incident's time, and minutes of one to the other."""

    clock: Clock

    @property
    def has_incident_time(self) -> bool:
        """True when the run replays a scenario that has a start of its own."""
        return self.clock.scenario_start is not None

    @property
    def compression(self) -> float:
        """Incident seconds that one second of the run stands for (1 without an incident time)."""
        return self.clock.compression if self.has_incident_time else 1.0

    @property
    def minute_us(self) -> float:
        """Microseconds of run time in one minute of the incident clock."""
        return 60_000_000 / self.compression

    def incident_at(self, run_us: float) -> dt.datetime:
        """Return the incident time (UTC) at so many microseconds after the run's start."""
        passed = dt.timedelta(microseconds=run_us * self.compression)
        start = self.clock.scenario_start or self.clock.wall_start
        return start.astimezone(dt.UTC) + passed

    def run_us(self, moment: dt.datetime) -> float:
        """Return microseconds of run time after the run's start at an incident time."""
        start = self.clock.scenario_start or self.clock.wall_start
        return (moment - start) / dt.timedelta(microseconds=1) / self.compression


@dataclass(frozen=True)
class RunPhase:
    """One stretch of a run, in microseconds from its start; `end_us` is not part of it."""

    phase: str
    start_us: int
    end_us: int


@dataclass
class Measured:
    """One run opened for its timeline: prepared tables, interval width, phases and events.

    Tables `tl_attempts` and `tl_phases` are in the connection; `origin` is run time zero (UTC).
    """

    run: Run
    con: duckdb.DuckDBPyConnection = field(repr=False)
    clock: RunClock
    origin: dt.datetime
    end_us: int
    bucket_us: int
    phases: list[RunPhase]
    events: pd.DataFrame = field(repr=False)

    @property
    def buckets(self) -> int:
        """Number of intervals from the run's start to its last answer."""
        return max(1, -(-self.end_us // self.bucket_us))

    def incident_at(self, run_us: float) -> dt.datetime:
        """Return the incident time (UTC) of a moment of the run."""
        return self.clock.incident_at(run_us)

    def ask(self, name: str, **parameters: Any) -> pd.DataFrame:
        """Return the frame of one SQL file with its parameters."""
        return self.con.execute(load(name), parameters or None).df()


def measure(run: Run, bucket_s: float = 0.0) -> Measured:
    """Return a run prepared for its timeline; `bucket_s` 0 chooses a width for about 100 intervals.

    Raises BadData when the run recorded no requests: then there is nothing to lay on a time axis.
    """
    if not run.rows("requests"):
        raise BadData("run without requests", run.folder, "a timeline needs the requests table")
    con = run.connection
    extent = con.execute(load("duckdb/timeline_extent")).df().iloc[0]
    clock = RunClock(run.manifest.clock)
    first, last = extent["first_at"].to_pydatetime(), extent["last_at"].to_pydatetime()
    origin = clock.clock.wall_start
    if not clock.has_incident_time:
        origin = min(origin, first)
    end_us = int((last - origin) / dt.timedelta(microseconds=1)) + 1
    con.execute(
        f"CREATE OR REPLACE TABLE tl_attempts AS {load('duckdb/timeline_attempts')}",
        {"origin": origin},
    )
    events = _events(con, origin)
    phases = phases_of(events, end_us)
    con.execute(
        "CREATE OR REPLACE TABLE tl_phases "
        "(position BIGINT, phase VARCHAR, start_us BIGINT, end_us BIGINT)"
    )
    rows = [(n, p.phase, p.start_us, p.end_us) for n, p in enumerate(phases)]
    con.executemany("INSERT INTO tl_phases VALUES (?, ?, ?, ?)", rows)
    width = bucket_s or next((w for w in _WIDTHS_S if end_us / 1e6 / w <= _INTERVALS_MAX), 86400)
    return Measured(run, con, clock, origin, end_us, int(width * 1e6), phases, events)


def _events(con: duckdb.DuckDBPyConnection, origin: dt.datetime) -> pd.DataFrame:
    """The run's events with `at_us` from its start: what an operator knew, not the truth."""
    events = con.execute(load("timeline_events")).df()
    passed = pd.to_datetime(events["at"], utc=True) - pd.Timestamp(origin)
    return events.assign(at_us=(passed / pd.Timedelta(microseconds=1)).astype("int64"))


def phases_of(events: pd.DataFrame, end_us: int) -> list[RunPhase]:
    """Return before, during, mitigated and after, as the run's important events divide it.

    The trouble begins at the first important event of load or deploy, or else at the first notice;
    a mitigation divides it; it ends at the first recovery after that. A run without such an event
    is one phase.
    """
    told = events[events["important"]] if len(events) else events
    onset = _first(told, ("load", "deploy"), 0)
    onset = _first(told, ("notice",), 0) if onset is None else onset
    if onset is None:
        return [RunPhase(WHOLE, 0, end_us)]
    recovery = _first(told, ("recovery",), onset)
    mitigation = _first(told, ("mitigation",), onset)
    if mitigation is not None and recovery is not None and mitigation >= recovery:
        mitigation = None
    marks = [(BEFORE, 0), (DURING, onset), (MITIGATED, mitigation), (AFTER, recovery)]
    known = [(name, at) for name, at in marks if at is not None]
    ends = [at for _, at in known[1:]] + [end_us]
    stretches = zip(known, ends, strict=True)
    return [RunPhase(name, start, end) for (name, start), end in stretches if end > start]


def _first(events: pd.DataFrame, kinds: tuple[str, ...], after_us: int) -> int | None:
    if events.empty:
        return None
    fitting = events[events["kind"].isin(kinds) & (events["at_us"] >= after_us)]
    return None if fitting.empty else int(fitting["at_us"].min())


def intervals(measured: Measured) -> pd.DataFrame:
    """Return one row an interval, none missing: at (incident time), bucket, offered, outcomes.

    An interval without arrivals has zeros: nothing arrived, and that is known.
    """
    frame = measured.ask("timeline_intervals", bucket_us=measured.bucket_us)
    whole = pd.DataFrame({"bucket": range(measured.buckets)})
    frame = whole.merge(frame, on="bucket", how="left").fillna(0).astype("int64")
    return _with_time(measured, frame)


def latency(measured: Measured) -> pd.DataFrame:
    """Return one row an interval: exact latency percentiles in microseconds, empty ones unknown."""
    frame = measured.ask("timeline_latency", bucket_us=measured.bucket_us)
    whole = pd.DataFrame({"bucket": range(measured.buckets)})
    return _with_time(measured, whole.merge(frame, on="bucket", how="left"))


def heatmap(measured: Measured) -> pd.DataFrame:
    """Return a matrix: one row a latency band (index: lower edge in ms), one column an interval.

    Columns are incident times (UTC); cells are attempts, 0 where none.
    """
    frame = measured.ask(
        "timeline_heatmap", bucket_us=measured.bucket_us, bands_per_decade=BANDS_PER_DECADE
    )
    if frame.empty:
        return pd.DataFrame()
    bands = range(int(frame["band"].min()), int(frame["band"].max()) + 1)
    matrix = frame.pivot_table(index="band", columns="bucket", values="attempts", aggfunc="sum")
    matrix = matrix.reindex(index=bands, columns=range(measured.buckets)).fillna(0).astype("int64")
    matrix.index = pd.Index([10 ** (b / BANDS_PER_DECADE) / 1000 for b in bands], name="latency_ms")
    at = [measured.incident_at(b * measured.bucket_us) for b in range(measured.buckets)]
    matrix.columns = pd.DatetimeIndex(at, name="at")
    return matrix


def phase_table(measured: Measured) -> pd.DataFrame:
    """Return one row a phase: length, counts, latency percentiles (microseconds)."""
    return measured.ask("timeline_phases")


def functions(measured: Measured, threshold_ms: float) -> pd.DataFrame:
    """Return one row a function and phase: counts, shares answered, in time, and approved.

    Availability is answered / offered attempts; a declined payment was answered. `label` names the
    function in words. Payments and sends have a row for any funding as well, because an attempt
    that ended before its funding was looked at is in neither of the two funded rows.
    """
    frame = measured.ask("timeline_functions", threshold_us=round(threshold_ms * 1000))
    frame["availability"] = frame["answered"] / frame["offered"]
    frame["in_time_share"] = frame["in_time"] / frame["offered"]
    frame["approved_share"] = frame["approved"] / frame["offered"]
    frame["label"] = _labels(frame)
    return frame


def function_intervals(measured: Measured) -> pd.DataFrame:
    """Return one row a function and interval with arrivals: at, label, offered, availability.

    As in `functions`, payments and sends have rows for any funding as well.
    """
    frame = measured.ask("timeline_function_intervals", bucket_us=measured.bucket_us)
    frame["availability"] = frame["answered"] / frame["offered"]
    frame["label"] = _labels(frame)
    return _with_time(measured, frame)


def ecdf(measured: Measured) -> pd.DataFrame:
    """Return the latency distribution by phase: phase, quantile (0 to 1), response_us, service_us.

    Exact quantiles at up to ECDF_POINTS points, of what was not shed.
    """
    frame = measured.ask("timeline_latencies")
    parts = []
    for name, group in frame.groupby("phase", sort=False):
        points = np.linspace(0, 1, min(ECDF_POINTS, max(2, len(group))))
        served = group["service_us"].dropna()
        service = np.quantile(served, points) if len(served) else np.full(len(points), np.nan)
        parts.append(
            pd.DataFrame(
                {
                    "phase": name,
                    "quantile": points,
                    "response_us": np.quantile(group["response_us"], points),
                    "service_us": service,
                }
            )
        )
    columns = ["phase", "quantile", "response_us", "service_us"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def totals(measured: Measured) -> dict[str, int]:
    """Return the attempts of the whole run by outcome, and `offered`."""
    frame = intervals(measured)
    return {name: int(frame[name].sum()) for name in ("offered", *_OUTCOMES)}


def _with_time(measured: Measured, frame: pd.DataFrame) -> pd.DataFrame:
    at = [measured.incident_at(int(b) * measured.bucket_us) for b in frame["bucket"]]
    frame.insert(0, "at", pd.Series(at, dtype="datetime64[us, UTC]"))
    return frame


def _labels(frame: pd.DataFrame) -> list[str]:
    return [function_label(o, f) for o, f in zip(frame["operation"], frame["funding"], strict=True)]


def function_label(operation: str, funding: str) -> str:
    """Return the words for an operation with a funding.

    >>> function_label("card_payment", "auto_charge"), function_label("refund", "")
    ('Card payment with auto-charge', 'Refund')
    """
    for function in FUNCTIONS.values():
        needs = {"auto_charge": True, "balance": False}.get(funding)
        if function.operation == operation and funding and function.needs_auto_charge == needs:
            return function.label
    words = operation.replace("_", " ").replace("p2p", "P2P")
    words = words[0].upper() + words[1:]
    tail = {"not_looked_at": ", funding never looked at", "all": ", any funding"}
    return words + tail.get(funding, "")
