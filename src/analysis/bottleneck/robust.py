"""Robust yardsticks: how far a value lies from the calm part of a series, in units of its spread."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.bottleneck.series import MEASURES, Measure

Values = npt.NDArray[np.float64]

# Of a normal series: the 25th percentile lies 0.674 standard deviations below the mean, the 5th
# 1.645; their distance measures the spread from the calm side only, which an incident that fills up
# to two thirds of the record cannot move.
_CALM, _LOW = 25.0, 5.0
_CALM_TO_LOW_SD = 1.645 - 0.674


def transformed(values: Values, measure: Measure) -> Values:
    """Return values on the scale they are judged on: logarithms for ratios, roots for counts.

    The square root makes the noise of a count about 0.5 whatever its size (Anscombe, 1948).
    """
    if measure.scale == "ratio":
        return np.log(np.maximum(values, 1.0))
    if measure.scale == "count":
        return 2.0 * np.sqrt(np.maximum(values, 0.0))
    return values


def deviations(values: Values, name: str) -> Values:
    """Return how far each value lies on the bad side of the calm level, in robust spreads.

    NaN stays NaN. A measure whose trouble lies downwards is mirrored.
    """
    measure = MEASURES[name]
    judged = transformed(values, measure) * (measure.direction or 1)
    known = judged[~np.isnan(judged)]
    if known.size < 4:
        return np.full_like(judged, np.nan)
    calm, low = np.percentile(known, [_CALM, _LOW])
    floor = 1.0 if measure.scale == "count" else measure.floor
    if measure.scale == "count":
        floor = max(1.0, 2.0 * np.sqrt(measure.floor) * 0.5)
    spread = max((calm - low) / _CALM_TO_LOW_SD, floor)
    return (judged - calm) / spread
