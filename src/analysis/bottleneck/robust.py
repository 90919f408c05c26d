"""Robust yardsticks: how far a value lies from the calm part of a series, in units
of its spread.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.bottleneck.series import MEASURES, Measure

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Of a normal series: the 25th percentile lies 0.674 standard deviations below the mean, the 5th
# 1.645, the 10th 1.282, the 35th 0.385. Distances between them measure the spread from the calm
# side only.
_CALM_TO_LOW_SD = 1.645 - 0.674
_TENTH_SD, _THIRD_SD = 1.282, 0.385
# Within a few hours an ordinary load does not change its level by itself, so the lowest tenth is
# calm and neighbours tell the noise, however long the incident lasts. Over a day it does: there the
# calm part is the lower quarter, and slow swings count as noise.
LONG_RECORD_S = 6 * 3600
# Ten milliseconds more or less are the machine's own business: nobody who pays notices them, and
# one busy neighbour costs as much. Latencies are compared above that.
INDIFFERENT_US = 10_000.0
# What comes from outside falls when clients stop or fail: the lowest tenth of it is a lull, not the
# usual level. A third of a record may be one.
FROM_OUTSIDE = ("arrivals", "connections")
# A bucket in which less than half of the usual load arrives says nothing about what is calm.
_FLOWING = 0.5
# Half as many again lies five spreads out, however large the counts: less is no surge.
_LEAST_SHARE = 0.045
# From so many buckets on their hundredth part tells something.
_LONG_SERIES = 200
# Chi-square with nine degrees of freedom: 99.9 % lie below.
_UNEVEN = 27.9
# A healthy system has next to no failures: one request in a hundred, at the very most.
_FAILED_USUALLY = 0.01


def transformed(values: Values, measure: Measure, bucket_s: float = 1.0) -> Values:
    """Return values on the scale they are judged on: logarithms for ratios, roots for counts.

    Counts are given per second and judged as what fell into a bucket: the square root makes the
    noise of a count about 0.5 whatever its size (Anscombe, 1948).
    """
    if measure.scale == "ratio":
        return np.log(np.maximum(values, 0.0) + INDIFFERENT_US)
    if measure.scale == "count":
        return 2.0 * np.sqrt(np.maximum(values, 0.0) * bucket_s)
    return values


def deviations(
    values: Values, name: str, record_s: float = 0.0, *, bucket_s: float = 1.0,
    calm: Flags | None = None,
) -> Values:  # fmt: skip
    """Return how far each value lies on the bad side of the calm level, in robust spreads.

    NaN stays NaN. A measure whose trouble lies downwards is mirrored. `record_s` is the length of
    the whole record: it decides what counts as calm. `calm` marks the buckets whose values may be
    taken for calm (`flowing` for sessions and counts, `answering` for latencies); others are only
    judged.
    """
    measure = MEASURES[name]
    judged = transformed(values, measure, bucket_s) * (measure.direction or 1)
    known = ~np.isnan(judged)
    if np.count_nonzero(known) < 4:
        return np.full_like(judged, np.nan)
    calm_part = judged[known & calm] if calm is not None else judged[known]
    calm_part = calm_part if calm_part.size >= 4 else judged[known]
    floor = _floor(measure, values[known], bucket_s)
    if record_s >= LONG_RECORD_S:
        level, low = np.percentile(calm_part, [25.0, 5.0])
        spread = max((level - low) / _CALM_TO_LOW_SD, floor)
    else:
        noise = max(_local_noise(judged[known]), _swing(calm_part))
        spread = max(noise, floor)
        part, below_sd = (35.0, _THIRD_SD) if name in FROM_OUTSIDE else (10.0, _TENTH_SD)
        level = float(np.percentile(calm_part, part)) + below_sd * min(spread, noise)
    if measure.scale == "count":
        spread = max(spread, _LEAST_SHARE * level)
    return (judged - level) / spread


def failure_deviations(
    values: Values, load: Values, record_s: float = 0.0, *, bucket_s: float = 1.0
) -> Values:
    """Return `deviations` of requests that fail, for which calm is next to none.

    However long they have been failing: a level above _FAILED_USUALLY of the load is never calm.
    """
    measure = MEASURES["bad"]
    judged = transformed(values, measure, bucket_s)
    usually = _FAILED_USUALLY * float(np.nanmedian(load)) if np.any(~np.isnan(load)) else 0.0
    most = float(transformed(np.array([usually]), measure, bucket_s)[0])
    relative = deviations(values, "bad", record_s, bucket_s=bucket_s)
    return np.fmax(relative, (judged - most) / _floor(measure, values, bucket_s))


def _floor(measure: Measure, values: Values, bucket_s: float) -> float:
    """The smallest spread on the scale of `transformed`.

    What is rare (a floor below one a second) is told by a single one in a second, where there is
    none of it in calm times. In a wide bucket, or where it comes all the time, it is counted like
    anything else.
    """
    if measure.scale != "count":
        return measure.floor
    rare = min(1.0, measure.floor * bucket_s)
    if rare < 1.0 and not measure.odd_alone and not _bursts(values * bucket_s):
        rare = 1.0
    return float(np.sqrt(max(measure.floor, rare)))


def _bursts(counts: Values) -> bool:
    """True when events came in bursts and not at an even rate: ten parts of the record differ.

    Chi-square of their counts, which at an even rate passes _UNEVEN once in a thousand records.
    """
    parts = np.array([float(np.nansum(part)) for part in np.array_split(counts, 10)])
    mean = parts.mean()
    return bool(mean > 0 and np.sum((parts - mean) ** 2) / mean >= _UNEVEN)


def flowing(load: Values) -> Flags | None:
    """True for each bucket whose load (arrivals) is not far below the usual; None where unknown."""
    known = load[~np.isnan(load)]
    usual = float(np.percentile(known, 35.0)) if known.size else 0.0
    if not usual > 0:
        return None
    return np.nan_to_num(load, nan=0.0) >= _FLOWING * usual


def answering(bad: Values, load: Values) -> Flags | None:
    """True for each bucket in which next to no request fails; None where that is unknown.

    What is refused at once takes no time: latencies of such buckets are no calm level.
    """
    if np.all(np.isnan(bad)):
        return None
    return np.nan_to_num(bad, nan=0.0) <= _FAILED_USUALLY * np.nan_to_num(load, nan=0.0)


def _swing(calm_part: Values) -> float:
    """Standard deviation of slow swings, from the lowest values of a series; 0 where it is short.

    What goes up and down over many buckets has small jumps and a wide range: sessions in waits that
    last, for one. The 10th percentile lies 1.282, the 1st 2.326 standard deviations below the mean.
    """
    if calm_part.size < _LONG_SERIES:
        return 0.0
    tenth, lowest = np.percentile(calm_part, [10.0, 1.0])
    return float(tenth - lowest) / (2.326 - _TENTH_SD)


def _local_noise(known: Values) -> float:
    """Standard deviation of the noise, from the median jump between neighbours.

    A step or a slope leaves all but a few jumps as they are; for normal noise the median jump is
    0.954 standard deviations.
    """
    return float(np.median(np.abs(np.diff(known)))) / 0.954
