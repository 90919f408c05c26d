"""The frames an outage report shows as tables; texts are ready to be read."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from analysis import slo
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
_NO_BREAK = "\u00a0"
_HOURS_FROM_MIN = 720  # longer than half a day is told in hours
_SCALE_SLACK_MIN = 15
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
            shares = shares.replace(" ", _NO_BREAK)
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
