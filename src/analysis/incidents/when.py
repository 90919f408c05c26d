"""Uncertain times and the durations between them, with bounds.

The notation follows EDTF (ISO 8601-2: day, month and year precision, `~` for approximate, `a/b` and
`..`) with two readings of our own, because EDTF leaves them open:

* `a/b` is one moment somewhere between a and b, not a stretch that lasts from a to b;
* an approximate minute (`2018-10-09T14:14~`, "14:14頃") is taken as plus or minus
  `ABOUT_MINUTES`. No source states that width: it is a convention, and every caller may change it.

A minute without `~` is taken as written. A day is the whole local day, 00:00 to 24:00.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ABOUT_MINUTES = 5
_MINUTE_US = 60_000_000
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}(?::\d{2})?)(Z|[+-]\d{2}:\d{2})?")


@dataclass(frozen=True)
class When:
    """One moment as the record knows it: UTC bounds, and the time as written where there is one.

    `earliest` or `latest` is None when that side is open (`..`). `as_written` is None when the
    record gives no minute, only a day or an interval.
    """

    text: str = field(compare=False)
    earliest: dt.datetime | None
    latest: dt.datetime | None
    as_written: dt.datetime | None
    approximate: bool = False

    @property
    def middle(self) -> dt.datetime | None:
        """Where to draw the moment: as written, else between its bounds, else a known side."""
        if self.as_written is not None:
            return self.as_written
        if self.earliest is not None and self.latest is not None:
            return self.earliest + (self.latest - self.earliest) / 2
        return self.earliest or self.latest

    @property
    def width_min(self) -> float | None:
        """Minutes between the bounds; None when a side is open."""
        if self.earliest is None or self.latest is None:
            return None
        return (self.latest - self.earliest).total_seconds() / 60


@dataclass(frozen=True)
class Span:
    """A duration in minutes with its bounds; None is an unknown bound, never zero.

    `as_written` is the difference of the two times as their sources wrote them.
    """

    min: float | None
    max: float | None
    as_written: float | None = None

    def as_json(self) -> dict[str, float | None]:
        """Return `{min, max, as_written}` in minutes, whole minutes as integers."""
        return {
            "min": _tidy(self.min),
            "max": _tidy(self.max),
            "as_written": _tidy(self.as_written),
        }

    def contains(self, minutes: float) -> bool:
        """True when a stated duration fits the bounds (an unknown bound forbids nothing)."""
        low = self.min is None or minutes >= self.min
        return low and (self.max is None or minutes <= self.max)


def zone_of(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name; ValueError for one that does not exist."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        msg = f"unknown time zone {name!r}, give an IANA name such as Asia/Tokyo"
        raise ValueError(msg) from error


def parse(text: str, zone: str, about_minutes: float = ABOUT_MINUTES) -> When:
    """Return the moment that `text` means in the local time of `zone`.

    Raises ValueError for a text that is no such time, a time of day that the zone skipped, an
    offset that is not the zone's on that day, and an interval that ends before it starts.

    >>> parse("2018-11-27", "Asia/Tokyo").width_min
    1440.0
    >>> parse("2018-10-09T14:14~", "Asia/Tokyo").width_min
    10.0
    """
    local = zone_of(zone)
    if "/" not in text:
        return _moment(text, local, about_minutes)
    left, _, right = text.partition("/")
    start = None if left == ".." else _moment(left, local, about_minutes)
    end = None if right == ".." else _moment(right, local, about_minutes)
    if start is None and end is None:
        msg = f"{text!r} says nothing: one side of the interval must be known"
        raise ValueError(msg)
    earliest = start.earliest if start else None
    latest = end.latest if end else None
    if earliest is not None and latest is not None and latest < earliest:
        msg = f"interval {text!r} ends before it starts"
        raise ValueError(msg)
    approximate = bool((start and start.approximate) or (end and end.approximate))
    return When(text, earliest, latest, None, approximate)


def between(start: When | None, end: When | None) -> Span:
    """Return the minutes from `start` to `end` with bounds; a lower bound is never below zero.

    >>> a, b = (parse(t, "Asia/Tokyo") for t in ("2018-10-09T14:14~", "2018-10-09T17:50~"))
    >>> between(a, b)
    Span(min=206.0, max=226.0, as_written=216.0)
    """
    if start is None or end is None:
        return Span(None, None)
    low = _minutes(start.latest, end.earliest)
    return Span(
        None if low is None else max(0.0, low),
        _minutes(start.earliest, end.latest),
        _minutes(start.as_written, end.as_written),
    )


def contradicts(start: When, end: When) -> bool:
    """True when the end lies before the start whatever the uncertainty."""
    if start.earliest is None or end.latest is None:
        return False
    return end.latest < start.earliest


def _moment(text: str, zone: ZoneInfo, about_minutes: float) -> When:
    approximate = text.endswith("~")
    bare = text.removesuffix("~")
    timed = _TIME.fullmatch(bare)
    if timed:
        moment = _local(timed.group(1), timed.group(2), timed.group(3), zone)
        margin = dt.timedelta(minutes=about_minutes if approximate else 0)
        return When(text, moment - margin, moment + margin, moment, approximate)
    dated = _DATE.fullmatch(bare)
    if not dated:
        msg = f"{text!r} is no time: write 2018-11-03T18:18, 2018-11-03, '~' for about, or a/b"
        raise ValueError(msg)
    first, last = _days(dated, text)
    if approximate and dated.group(3):  # "about that day": the day before and after included
        first, last = first - dt.timedelta(days=1), last + dt.timedelta(days=1)
    return When(text, _midnight(first, zone), _midnight(last, zone), None, approximate)


def _local(date: str, clock: str, offset: str | None, zone: ZoneInfo) -> dt.datetime:
    try:
        naive = dt.datetime.fromisoformat(f"{date}T{clock}")
    except ValueError as error:
        msg = f"{date}T{clock} is no time of the calendar ({error})"
        raise ValueError(msg) from error
    local = naive.replace(tzinfo=zone)
    moment = local.astimezone(dt.UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != naive:
        msg = f"{date}T{clock} does not exist in {zone.key}: the clocks skipped it"
        raise ValueError(msg)
    if offset:
        given = dt.datetime.fromisoformat(f"{date}T{clock}{offset}")
        if given.utcoffset() != local.utcoffset():
            msg = f"{date}T{clock}{offset} is not the local time of {zone.key} on that day"
            raise ValueError(msg)
    return moment


def _days(dated: re.Match[str], text: str) -> tuple[dt.date, dt.date]:
    """First day, and the day after the last one."""
    year, month, day = (int(g) if g else None for g in dated.groups())
    assert year is not None
    try:
        if month is None:
            return dt.date(year, 1, 1), dt.date(year + 1, 1, 1)
        if day is None:
            after = dt.date(year + month // 12, month % 12 + 1, 1)
            return dt.date(year, month, 1), after
        first = dt.date(year, month, day)
        return first, first + dt.timedelta(days=1)
    except ValueError as error:
        msg = f"{text!r} is no date of the calendar ({error})"
        raise ValueError(msg) from error


def _midnight(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(dt.UTC)


def _minutes(start: dt.datetime | None, end: dt.datetime | None) -> float | None:
    if start is None or end is None:
        return None
    return (end - start) / dt.timedelta(microseconds=_MINUTE_US)


def _tidy(minutes: float | None) -> float | None:
    if minutes is None:
        return None
    return int(minutes) if float(minutes).is_integer() else round(minutes, 2)
