"""The anomaly window: when did it go wrong, told by robust deviations of every measure.

A cheap robust scan finds the stretch, and the edges are then moved to the steepest step nearby. The
mean and the standard deviation are not used: a window that is a minute off ruins them, while
the median and quantiles survive (RCAEval, ASE 2024, table 5: N-sigma falls from .94 to .16).
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from analysis.bottleneck.case import Case
from analysis.bottleneck.robust import (
    Values,
    answering,
    deviations,
    failure_deviations,
    flowing,
)
from analysis.bottleneck.series import MEASURES
from runlog.errors import UsageFault

# A bucket is out of the ordinary when two of three neighbours lie this many robust spreads above
# the calm level. Normal noise passes 5 once in 3 million buckets; two of three never by chance.
ODD_SPREADS = 5.0
MIN_BUCKETS = 3
# A bucket of half a minute and more has its own median of a kind in it: it is not smoothed, and two
# in a row are enough; so is one that lies twice as far out.
WIDE_S, MIN_WIDE_BUCKETS, FAR_SPREADS = 30, 2, 10.0
# Requests that fail are no noise: a healthy system has none, so that one second of them is enough.
# They are not smoothed (a count of seven where none is usual lies 5 spreads out), and a stretch in
# which they stand out may be short.
FAILURES = ("bad",)
# Around such a stretch, buckets still this far out belong to it: the load ramps up, the queue
# drains.
EDGE_SPREADS = 3.0
# A window given by hand is a hint: people round, and clocks differ. An anomaly that begins or ends
# this near to it is what was meant.
HINT_SLACK_S = 90
_SCORE_CAP = 20.0

Origin = Literal["given", "refined", "detected", "none"]


@dataclass(frozen=True)
class Window:
    """The anomaly window in buckets [first, last] and in time, and how it was come by.

    `origin` 'none' means that nothing stands out: the window is then the whole record. `reference`
    are the buckets it is compared with. `scores` gives, for each measure that stands out, its
    largest smoothed deviation inside the window, in robust spreads.
    """

    first: int
    last: int
    start: dt.datetime
    end: dt.datetime
    origin: Origin
    reference: tuple[int, ...]
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        return self.origin != "none"

    @property
    def buckets(self) -> range:
        return range(self.first, self.last + 1)


def find_window(
    case: Case,
    frame: pd.DataFrame,
    given: tuple[dt.datetime, dt.datetime] | None = None,
) -> Window:
    """Return the window of the strongest anomaly in `frame` (as `series` gives it).

    With `given`, an anomaly that overlaps it, or lies within HINT_SLACK_S of it, is taken
    ('refined'); without one the given times stand ('given'). Raises UsageFault for a window without
    time zone, that ends before it starts, or that lies outside the record.
    """
    deviation = smoothed_deviations(frame, case.bucket_s)
    segments = _segments(deviation, len(frame), case.bucket_s)
    if given is None:
        if not segments:
            return _window(case, 0, len(frame) - 1, "none", deviation)
        first, last = max(segments, key=lambda s: _weight(deviation, *s))
        return _window(case, *_refined(deviation, first, last), "detected", deviation)
    _check_hint(case, given)
    hint = tuple(min(max(case.bucket_of(m), 0), len(frame) - 1) for m in given)
    slack = HINT_SLACK_S // case.bucket_s
    near = [s for s in segments if s[1] >= hint[0] - slack and s[0] <= hint[1] + slack]
    if not near:
        return _window(case, hint[0], hint[1], "given", deviation)
    first, last = max(near, key=lambda s: _weight(deviation, *s))
    return _window(case, *_refined(deviation, first, last), "refined", deviation)


def _check_hint(case: Case, given: tuple[dt.datetime, dt.datetime]) -> None:
    start, end = given
    shown = f"{start.isoformat()} to {end.isoformat()}"
    if start.tzinfo is None or end.tzinfo is None:
        raise UsageFault("window without a time zone", shown, "write +09:00 for Japan, Z for UTC")
    if end < start:
        raise UsageFault("window ends before it starts", shown, "give the start first")
    slack = dt.timedelta(seconds=HINT_SLACK_S)
    if end < case.start - slack or start > case.end + slack:
        record = f"{case.start.isoformat()} to {case.end.isoformat()}"
        raise UsageFault("window outside the record", shown, f"the record is {record}")


def smoothed_deviations(frame: pd.DataFrame, bucket_s: int = 1) -> pd.DataFrame:
    """Return deviations of every measure with a bad side, smoothed by a running median of three.

    Those of FAILURES and those in wide buckets are not smoothed.
    """
    columns = {}
    record_s = float(len(frame) * bucket_s)
    load = frame["arrivals"].to_numpy(dtype=float)
    usual, answered = flowing(load), answering(frame["bad"].to_numpy(dtype=float), load)
    for name, measure in MEASURES.items():
        if measure.direction == 0 or frame[name].notna().sum() < 4:
            continue
        values = frame[name].to_numpy(dtype=float)
        if name in FAILURES:
            columns[name] = failure_deviations(values, load, record_s, bucket_s=bucket_s)
        else:
            calm = answered if measure.scale == "ratio" else usual
            columns[name] = deviations(values, name, record_s, bucket_s=bucket_s, calm=calm)
    table = pd.DataFrame(columns, index=frame.index)
    if bucket_s >= WIDE_S:
        return table
    smooth = table.rolling(3, center=True, min_periods=2).median()
    for name in set(FAILURES) & set(table):
        smooth[name] = table[name]
    return smooth


def _bucket_scores(deviation: pd.DataFrame) -> Values:
    """Largest deviation a bucket, 0 where nothing is recorded."""
    if deviation.empty:
        return np.zeros(len(deviation))
    return np.nan_to_num(deviation.max(axis=1).to_numpy(dtype=float), nan=0.0)


def _segments(deviation: pd.DataFrame, buckets: int, bucket_s: int) -> list[tuple[int, int]]:
    """Stretches of odd buckets; gaps up to a twentieth of the record belong to one stretch."""
    scores = _bucket_scores(deviation)
    odd = np.flatnonzero(scores >= ODD_SPREADS)
    gap = max(3, buckets // 20)
    segments: list[list[int]] = []
    for bucket in odd.tolist():
        if segments and bucket - segments[-1][1] <= gap:
            segments[-1][1] = bucket
        else:
            segments.append([bucket, bucket])
    failing = deviation.reindex(columns=list(FAILURES)).max(axis=1) >= ODD_SPREADS
    least, far = (MIN_WIDE_BUCKETS, FAR_SPREADS) if bucket_s >= WIDE_S else (MIN_BUCKETS, math.inf)
    lasting = [
        (a, b)
        for a, b in segments
        if b - a + 1 >= least or failing.iloc[a : b + 1].any() or scores[a : b + 1].max() >= far
    ]
    return [_widened(deviation, a, b) for a, b in lasting]


def _widened(deviation: pd.DataFrame, first: int, last: int) -> tuple[int, int]:
    """Extend a stretch over neighbours where what made it odd is still odd, though less so."""
    odd = deviation.iloc[first : last + 1].max() >= ODD_SPREADS
    scores = _bucket_scores(deviation.loc[:, odd])
    while first > 0 and scores[first - 1] >= EDGE_SPREADS:
        first -= 1
    while last < scores.size - 1 and scores[last + 1] >= EDGE_SPREADS:
        last += 1
    return first, last


def _weight(deviation: pd.DataFrame, first: int, last: int) -> float:
    capped = np.clip(deviation.iloc[first : last + 1].to_numpy(dtype=float), 0.0, _SCORE_CAP)
    return float(np.nansum(np.where(capped >= ODD_SPREADS, capped, 0.0)))


def _refined(deviation: pd.DataFrame, first: int, last: int) -> tuple[int, int]:
    """Move each edge to the steepest step of the total deviation within a few buckets.

    The running median of three blurs an edge by one bucket, and a queue takes a moment to fill: two
    buckets either side are looked at, and the window never becomes shorter than it was by more.
    """
    total = np.nansum(np.clip(deviation.to_numpy(dtype=float), 0.0, _SCORE_CAP), axis=1)
    if total.size < 3:
        return first, last
    step = np.diff(total, prepend=total[0])
    low, high = max(0, first - 2), min(total.size - 1, first + 2)
    start = low + int(np.argmax(step[low : high + 1]))
    start = start if step[start] > 0 else first
    low, high = max(start, last - 2), min(total.size - 2, last + 2)
    end = low + int(np.argmin(step[low + 1 : high + 2])) if high >= low else last
    end = end if end + 1 < step.size and step[end + 1] < 0 else last
    return min(start, last), max(end, start)


def _window(case: Case, first: int, last: int, origin: Origin, deviation: pd.DataFrame) -> Window:
    scores = {}
    if origin != "none" and not deviation.empty:
        inside = deviation.iloc[first : last + 1].max()
        scores = {str(n): round(float(v), 1) for n, v in inside.items() if v >= ODD_SPREADS}
    end = min(case.at(last + 1), case.end)
    order = dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))
    reference = () if origin == "none" else _reference(case.buckets, first, last)
    return Window(first, last, case.at(first), end, origin, reference, order)


def _reference(buckets: int, first: int, last: int) -> tuple[int, ...]:
    """Buckets to compare with: those before, less a margin; where too few, those after as well.

    The first two buckets of a record hold its warm-up and are left out while others remain.
    """
    before = tuple(range(max(0, first - 1)))
    before = before[2:] if len(before) > 6 else before
    if len(before) >= 5:
        return before
    return before + tuple(range(min(buckets, last + 3), buckets))
