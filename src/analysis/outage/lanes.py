"""Bars, marks and windows of an outage's swim lanes: the record first, then the run's own lanes."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from analysis import timeline
from analysis.incidents.clock import Timeline
from analysis.incidents.functions import FUNCTIONS
from analysis.incidents.schema import TIME_FIELDS
from analysis.incidents.when import When
from analysis.outage.case import Outage
from analysis.outage.frames import when_words

# share answered -> state, for drawing a measured function like a function on record
MEASURED_STATES = ((0.99, "up"), (0.90, "degraded"), (0.10, "partly_down"), (-1.0, "down"))
_LANE_STEPS = 48
_OPEN_SIDE = dt.timedelta(days=1)  # how much of an open side of a time is drawn


def lane_bars(outage: Outage) -> pd.DataFrame:
    """Return bars of the swim lanes: functions on record, then functions as measured in the run."""
    rows = []
    for dated in outage.record.phases() if outage.record else []:
        for entry in dated.phase.functions:
            claim = entry.state[0]
            rows.append(
                {
                    "lane": FUNCTIONS[entry.function].label,
                    "state": str(claim.value),
                    "starts_earliest": dated.start.earliest if dated.start else None,
                    "starts_latest": dated.start.latest if dated.start else None,
                    "ends_earliest": dated.end.earliest if dated.end else None,
                    "ends_latest": dated.end.latest if dated.end else None,
                    "hover": f"{dated.phase.label}: {claim.value} ({claim.confidence})",
                }
            )
    rows += _measured_bars(outage) if outage.measured is not None else []
    columns = ["lane", "state", "starts_earliest", "starts_latest", "ends_earliest", "ends_latest"]
    frame = pd.DataFrame(rows, columns=[*columns, "hover"])
    for column in columns[2:]:
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return frame


def drawn_functions(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the functions worth a line: funding never looked at is within "any funding"."""
    return frame[frame["funding"] != "not_looked_at"]


def _measured_bars(outage: Outage) -> list[dict[str, Any]]:
    """Neighbouring stretches of one state become one bar; without arrivals there is none."""
    run = outage.measured
    assert run is not None
    frame = drawn_functions(timeline.function_intervals(run))
    step = max(1, run.buckets // _LANE_STEPS)
    frame["step"] = frame["bucket"] // step
    rows: list[dict[str, Any]] = []
    for label, group in frame.groupby("label", sort=True):
        sums = group.groupby("step")[["offered", "answered"]].sum().reset_index()
        part: Any
        for part in sums.itertuples():
            share = int(part.answered) / int(part.offered)
            state = next(name for least, name in MEASURED_STATES if share >= least)
            start = run.incident_at(int(part.step) * step * run.bucket_us)
            end_us = min((int(part.step) + 1) * step * run.bucket_us, run.end_us)
            end = run.incident_at(end_us)
            lane = f"Measured: {label}"
            last = rows[-1] if rows else None
            if last and (last["lane"], last["state"], last["ends_latest"]) == (lane, state, start):
                last["ends_earliest"] = last["ends_latest"] = end
                continue
            hover = f"{lane}: {100 * share:.0f} % answered"
            both = {"starts_earliest": start, "starts_latest": start}
            ends = {"ends_earliest": end, "ends_latest": end}
            rows.append({"lane": lane, "state": state, **both, **ends, "hover": hover})
    return rows


def lane_marks(record: Timeline) -> pd.DataFrame:
    """Return marks of the swim lanes: every event and its alternatives, by time."""
    zone = record.incident.time_zone
    rows = []
    for dated in record.events():
        options = [(dated.event.at[0], dated.at, True)]  # noqa: PD008 - claims, no frame
        options += [(claim, at, False) for claim, at in dated.alternatives]
        for claim, at, used in options:
            clock = when_words(at, zone)
            channel = f" [{dated.event.channel.replace('_', ' ')}]" if dated.event.channel else ""
            rows.append(
                {
                    "lane": dated.event.lane,
                    "label": f"{_short_time(at, zone)} {dated.event.what}",
                    "at": at.middle,
                    "earliest": at.earliest,
                    "latest": at.latest,
                    "used": used,
                    "hover": f"{clock}: {dated.event.what}{channel} ({claim.confidence})",
                }
            )
    frame = pd.DataFrame(
        rows, columns=["lane", "label", "at", "earliest", "latest", "used", "hover"]
    )
    for column in ("at", "earliest", "latest"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return frame.sort_values("at", kind="stable", ignore_index=True)


def _short_time(at: When, zone: str) -> str:
    if at.as_written is not None:
        stamp = at.as_written.astimezone(ZoneInfo(zone))
        return f"{'~' if at.approximate else ''}{stamp:%m-%d %H:%M}"
    return at.text


def windows(outage: Outage) -> list[tuple[dt.datetime, dt.datetime]]:
    """Return the windows of time to draw: the acute hours, and the whole when it is far longer."""
    moments = _moments(outage)
    first, last = min(moments), max(moments)
    acute_start, acute_end = first, last
    if outage.record is not None:
        start = outage.record.time("started_at")
        ends = [outage.record.time(n) for n in ("mitigated_at", "restored_at")]
        closed = [e.latest for e in ends if e and e.latest]
        acute_start = (start.earliest or start.latest or first) if start else first
        acute_end = min(closed) if closed else last
    if outage.measured is not None:
        acute_start = min(acute_start, outage.measured.incident_at(0))
        acute_end = max(acute_end, outage.measured.incident_at(outage.measured.end_us))
    length = max(acute_end - acute_start, dt.timedelta(minutes=10))
    tail = 0.05 if outage.measured is not None else 0.45
    acute = (acute_start - 0.05 * length, acute_end + tail * length)
    if last <= acute[1] + 0.5 * length:
        return [(min(acute[0], first), max(acute[1], last + 0.03 * length))]
    whole = max(last, acute_end) - first
    return [acute, (first - 0.03 * whole, last + 0.06 * whole)]


def _moments(outage: Outage) -> list[dt.datetime]:
    """Every known bound of the record and the run; an incident of one day has that day's bounds."""
    found: list[dt.datetime | None] = []
    if outage.measured is not None:
        run = outage.measured
        found += [run.incident_at(0), run.incident_at(run.end_us)]
    if outage.record is not None:
        times = [outage.record.time(n) for n in TIME_FIELDS]
        times += [side for p in outage.record.phases() for side in (p.start, p.end)]
        times += [d.at for d in outage.record.events()]
        for at in [t for t in times if t]:
            known_side = at.earliest or at.latest
            assert known_side is not None
            found += [at.earliest or known_side - _OPEN_SIDE, at.latest or known_side + _OPEN_SIDE]
        length = outage.record.affected_minutes().max
        start = outage.record.time("started_at")
        if length is not None and start and start.latest:
            found.append(start.latest + dt.timedelta(minutes=length))
    known = [m for m in found if m is not None]
    if max(known) == min(known):
        known.append(known[0] + dt.timedelta(hours=1))
    return known
