"""The frames an outage report shows as tables and lanes; texts are ready to be read."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from analysis import slo, timeline
from analysis.incidents.clock import Timeline
from analysis.incidents.functions import FUNCTIONS
from analysis.incidents.schema import Claim
from analysis.incidents.when import Span, When
from analysis.outage.case import Outage

_TIMES = {"started_at": "Start", "mitigated_at": "Mitigated", "restored_at": "Restored"}
_MILESTONES = (
    ("Detected", None, None),
    ("First notice", "start_to_first_notice", "notice"),
    ("Cause published", "start_to_cause_published", None),
    ("Mitigated", "start_to_mitigation", "mitigation"),
    ("Restored", "start_to_restoration", "recovery"),
)
# share answered -> state, for drawing a measured function like a function on record
MEASURED_STATES = ((0.99, "up"), (0.90, "degraded"), (0.10, "partly_down"), (-1.0, "down"))
_LANE_STEPS = 48
_HOURS_FROM_MIN = 720  # longer than half a day is told in hours
_SCALE_SLACK_MIN = 15
_OPEN_SIDE = dt.timedelta(days=1)  # how much of an open side of a time is drawn
NOT_ON_RECORD = "not on record"


def minutes_words(span: Span) -> str:
    """Return a duration in words, with its bounds where they differ.

    >>> minutes_words(Span(206, 226, 216)), minutes_words(Span(33457, 34907))
    ('216 min (206 to 226)', '23.2 to 24.2 days')
    >>> minutes_words(Span(110, 110, 110)), minutes_words(Span(None, None))
    ('110 min', 'not on record')
    >>> minutes_words(Span(1230, 1240, 1235))
    '20 h 35 min (1,230 to 1,240 min)'
    """
    if span.min is None and span.max is None:
        return NOT_ON_RECORD
    if span.min is None or span.max is None:
        known = span.max if span.min is None else span.min
        return f"{'at most' if span.min is None else 'at least'} {_length(known)}"
    if span.max >= 2 * 1440:
        low, high = f"{span.min / 1440:.1f}", f"{span.max / 1440:.1f}"
        return f"{low} days" if low == high else f"{low} to {high} days"
    if span.min == span.max:
        return _length(span.min)
    bounds = f"{_number(span.min)} to {_number(span.max)}"
    if not span.as_written:
        return f"{bounds} min"
    unit = "" if span.as_written < _HOURS_FROM_MIN else " min"
    return f"{_length(span.as_written)} ({bounds}{unit})"


def _length(minutes: float | None) -> str:
    assert minutes is not None
    if minutes >= 2 * 1440:
        return f"{minutes / 1440:.1f} days"
    if minutes >= _HOURS_FROM_MIN:
        return f"{int(minutes) // 60} h {int(minutes) % 60:02d} min"
    return f"{_number(minutes)} min"


def _number(minutes: float) -> str:
    return f"{minutes:,.0f}" if float(minutes).is_integer() else f"{minutes:,.1f}"


def local(moment: dt.datetime | None, zone: str) -> str:
    """Return a moment as local date and minute, a dash when the side is open."""
    if moment is None:
        return "–"
    return moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


def when_words(at: When | None, zone: str) -> str:
    """Return a moment in words: exact, about, on a day, or between two times.

    >>> from analysis.incidents.when import parse
    >>> when_words(parse("2018-10-09T14:14~", "Asia/Tokyo"), "Asia/Tokyo")
    'about 14:14 on 2018-10-09'
    >>> when_words(parse("2018-11-27", "Asia/Tokyo"), "Asia/Tokyo")
    'on 2018-11-27 (hour not on record)'
    """
    if at is None:
        return NOT_ON_RECORD
    if at.as_written is not None:
        stamp = at.as_written.astimezone(ZoneInfo(zone))
        return f"{'about ' if at.approximate else ''}{stamp:%H:%M} on {stamp:%Y-%m-%d}"
    if at.earliest is None:
        return f"before {local(at.latest, zone)}"
    if at.latest is None:
        return f"after {local(at.earliest, zone)}"
    if "/" in at.text:
        return f"between {local(at.earliest, zone)} and {local(at.latest, zone)}"
    return f"on {at.text} (hour not on record)" if len(at.text) == 10 else f"in {at.text}"


def record_times(record: Timeline) -> pd.DataFrame:
    """Return one row a claim of a named time: bounds, whether used, confidence, sources."""
    zone = record.incident.time_zone
    rows = []
    for name, words in _TIMES.items():
        claims: list[Claim] = getattr(record.incident, name) or []
        for position, claim in enumerate(claims):
            at = record.moment(claim)
            rows.append(
                {
                    "what": words,
                    "on_record": when_words(at, zone),
                    "between": f"{local(at.earliest, zone)} and {local(at.latest, zone)}",
                    "used": position == 0,
                    "confidence": claim.confidence,
                    "sources": sources_words(record, claim),
                    "remark": claim.why or claim.note,
                }
            )
    return pd.DataFrame(rows)


def sources_words(record: Timeline, claim: Claim) -> str:
    """Return the sources of a claim by title, official ones marked."""
    sources = record.incident.sources
    titles = [
        sources[s].title + (" (official)" if sources[s].official else "") for s in claim.sources
    ]
    return "; ".join(titles)


def function_matrix(outage: Outage) -> pd.DataFrame:
    """Return one row a function: its state on record in each phase, and its measured availability.

    Measured columns hold "answered / approved" in percent of attempts, one column a phase.
    """
    rows: dict[str, dict[str, Any]] = {}
    phases = outage.record.phases() if outage.record else []
    for dated in phases:
        for entry in dated.phase.functions:
            claim = entry.state[0]
            words = str(claim.value).replace("_", " ")
            words = NOT_ON_RECORD if words == "unknown" else f"{words} ({claim.confidence})"
            label = FUNCTIONS[entry.function].label
            rows.setdefault(label, {})[f"record: {dated.phase.label}"] = words
    columns = [f"record: {d.phase.label}" for d in phases if d.phase.functions]
    if outage.measured is not None:
        row: Any
        for row in outage.functions.itertuples():
            shares = f"{_percent(row.availability)} / {_percent(row.approved_share)} %"
            rows.setdefault(str(row.label), {})[f"run: {row.phase}"] = shares
        columns += [f"run: {p.phase}" for p in outage.measured.phases]
    frame = pd.DataFrame([{"function": name, **values} for name, values in rows.items()])
    return frame.reindex(columns=["function", *dict.fromkeys(columns)])


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def milestones(outage: Outage) -> pd.DataFrame:
    """Return one row a milestone: minutes after the start on record and in the run, with bounds."""
    rows = []
    for words, on_record, kind in _MILESTONES:
        span = (
            outage.record.duration(on_record) if outage.record and on_record else Span(None, None)
        )
        row = {"milestone": words, "record": minutes_words(span)}
        if outage.measured is not None:
            row |= _in_run(outage, words, kind, span)
        rows.append(row)
    return pd.DataFrame(rows)


def _in_run(outage: Outage, words: str, kind: str | None, recorded: Span) -> dict[str, str]:
    assert outage.measured is not None
    if words == "Detected":
        span, rule = slo.time_to_detect(outage.measured, outage.rates)
        how = "no burn alert pages in this run"
        if rule and span.max is not None:
            lasted_s = span.max * outage.measured.clock.minute_us / 1e6
            how = f"first page: burn alert {rule}, {lasted_s:.1f} s of run after onset"
        return {"run": _measured_words(span), "how": how}
    if kind is None:
        return {"run": "–", "how": ""}
    span = outage.event_offset(kind)
    how = "event that the run replays" if span.min is not None else ""
    if span.as_written is not None and not _to_scale(recorded, span.as_written):
        how = "event that the run replays; its clock is not true to scale here"
    if words == "Restored":
        calm = slo.time_to_recover(outage.measured, outage.rates)
        known = calm.max is not None
        tail = f"calm after {minutes_words(calm)}" if known else "not calm before the run's end"
        how = f"{how}; budget burn {tail}" if how else f"budget burn {tail}"
        return {"run": _measured_words(span), "how": how}
    return {"run": _measured_words(span), "how": how}


def _to_scale(recorded: Span, minutes: float) -> bool:
    """A replayed event must fall where the record has it, to within a quarter of an hour."""
    if recorded.min is None or recorded.max is None:
        return True
    return recorded.min - _SCALE_SLACK_MIN <= minutes <= recorded.max + _SCALE_SLACK_MIN


def _measured_words(span: Span) -> str:
    words = minutes_words(span)
    return "not in this run" if words == NOT_ON_RECORD else words


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
        times = [outage.record.time(n) for n in _TIMES]
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
