"""Robust yardsticks: how far a value lies from the calm part of a series, in units
of its spread.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.bottleneck.series import MEASURES, Measure

Values = npt.NDArray[np.float64]

# Of a normal series: the 25th percentile lies 0.674 standard deviations below the mean, the 5th
# 1.645, the 10th 1.282. Distances between them measure the spread from the calm side only.
_CALM_TO_LOW_SD = 1.645 - 0.674
_TENTH_SD = 1.282
# Within a few hours an ordinary load does not change its level by itself, so the lowest tenth is
# calm and neighbours tell the noise, however long the incident lasts. Over a day it does: there the
# calm part is the lower quarter, and slow swings count as noise.
LONG_RECORD_S = 6 * 3600
# Ten milliseconds more or less are the machine's own business: nobody who pays notices them, and
# one busy neighbour costs as much. Latencies are compared above that.
INDIFFERENT_US = 10_000.0


def transformed(values: Values, measure: Measure) -> Values:
    """Return values on the scale they are judged on: logarithms for ratios, roots for counts.

    The square root makes the noise of a count about 0.5 whatever its size (Anscombe, 1948).
    """
    if measure.scale == "ratio":
        return np.log(np.maximum(values, 0.0) + INDIFFERENT_US)
    if measure.scale == "count":
        return 2.0 * np.sqrt(np.maximum(values, 0.0))
    return values


def deviations(values: Values, name: str, record_s: float = 0.0) -> Values:
    """Return how far each value lies on the bad side of the calm level, in robust spreads.

    NaN stays NaN. A measure whose trouble lies downwards is mirrored. `record_s` is the length of
    the whole record: it decides what counts as calm.
    """
    measure = MEASURES[name]
    judged = transformed(values, measure) * (measure.direction or 1)
    known = judged[~np.isnan(judged)]
    if known.size < 4:
        return np.full_like(judged, np.nan)
    floor = measure.floor if measure.scale != "count" else float(np.sqrt(measure.floor))
    if record_s >= LONG_RECORD_S:
        calm, low = np.percentile(known, [25.0, 5.0])
        spread = max((calm - low) / _CALM_TO_LOW_SD, floor)
        return (judged - calm) / spread
    spread = max(_local_noise(known), floor)
    calm = float(np.percentile(known, 10.0)) + _TENTH_SD * min(spread, _local_noise(known))
    return (judged - calm) / spread


def _local_noise(known: Values) -> float:
    """Standard deviation of the noise, from the median jump between neighbours.

    A step or a slope leaves all but a few jumps as they are; for normal noise the median jump is
    0.954 standard deviations.
    """
    return float(np.median(np.abs(np.diff(known)))) / 0.954
