"""The Universal Scalability Law, fitted with confidence intervals.

    X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))

lambda is what one unit does alone, sigma the share that queues for something serial (contention),
kappa the cost of keeping each other informed (coherency). With kappa > 0 the law peaks at
sqrt((1 - sigma) / kappa). Source: N. J. Gunther, "Guerrilla Capacity Planning", Springer 2007,
chapter 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from runlog.errors import BadData

POINTS_MIN = 4  # different N, to fit three parameters and still have a residual
_RESAMPLES = 400
_SIGMA_IS_ZERO, _KAPPA_IS_ZERO = 1e-6, 1e-7

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class UslFit:
    """A fitted law.

    `ceiling` is the most the law ever gives, per second: at its peak, or as N grows without end.
    `knee_n` is where the line of perfect scaling meets it: more N only queues. `peak_n` is None
    unless the interval of kappa leaves out zero. Above `n_max`, the largest N measured, all three
    are extrapolations.
    """

    rate: Estimate
    sigma: Estimate
    kappa: Estimate
    ceiling: Estimate
    knee_n: Estimate
    peak_n: float | None
    residual_share: float  # root mean square residual over the mean throughput
    n_max: float

    def throughput(self, n: float | _Floats) -> _Floats:
        """Return X(N) of the law, per second."""
        return usl(n, self.rate.value, self.sigma.value, self.kappa.value)


def usl(n: float | _Floats, rate: float, sigma: float, kappa: float) -> _Floats:
    """Return X(N), per second.

    >>> float(usl(1, 100, 0.1, 0.01))
    100.0
    """
    n = np.asarray(n, dtype=np.float64)
    return rate * n / (1 + sigma * (n - 1) + kappa * n * (n - 1))


def fit_usl(n: npt.ArrayLike, throughput: npt.ArrayLike, *, seed: int = 1) -> UslFit:
    """Fit the law to measured points (repetitions are points of their own).

    Intervals are 95 % percentiles of a bootstrap that resamples repetitions within each N, so that
    the steps of N stay. They hold the spread between repetitions only: with five of them they are
    rather too narrow, with one they have no width, and whether the law fits at all they do not
    say; the residual does. sigma and kappa are kept at zero or above.
    Raises BadData for fewer than four different N, or throughput not above zero.
    """
    steps = np.asarray(n, dtype=np.float64)
    rates = np.asarray(throughput, dtype=np.float64)
    good = np.isfinite(steps) & np.isfinite(rates)
    steps, rates = steps[good], rates[good]
    different = np.unique(steps)
    if len(different) < POINTS_MIN:
        what = f"{len(different)} different N"
        raise BadData("too few points for a scalability fit", what, f"measure {POINTS_MIN}")
    if not (rates > 0).any() or (steps <= 0).any():
        raise BadData("no throughput to fit", f"{rates.max(initial=0):g} per second", "see results")
    best = _fit(steps, rates)
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(steps == value) for value in different]
    boot = [_described(best)]
    for _ in range(_RESAMPLES):
        chosen = np.concatenate([rng.choice(g, size=len(g)) for g in groups])
        boot.append(_described(_fit(steps[chosen], rates[chosen], best)))
    # "nearest" takes a value that was drawn: a ceiling may be infinite, and infinities have no mean
    low, high = np.percentile(np.array(boot), [2.5, 97.5], axis=0, method="nearest")
    rate, sigma, kappa, ceiling, knee = (
        Estimate(float(b), float(min(b, lo)), float(max(b, hi)))
        for b, lo, hi in zip(boot[0], low, high, strict=True)
    )
    residual = float(np.sqrt(np.mean((rates - usl(steps, *best)) ** 2)) / np.mean(rates))
    peak = _peak(best) if kappa.low > _KAPPA_IS_ZERO else None
    return UslFit(rate, sigma, kappa, ceiling, knee, peak, residual, float(steps.max()))


def _described(law: _Floats) -> _Floats:
    """Append ceiling and knee to rate, sigma and kappa."""
    rate, sigma, _ = law
    peak = _peak(law)
    if peak is not None:
        ceiling = float(usl(max(1.0, peak), *law))
    else:
        ceiling = rate / sigma if sigma > _SIGMA_IS_ZERO else math.inf
    return np.array([*law, ceiling, ceiling / rate])


def _peak(law: _Floats) -> float | None:
    """N of the highest throughput, None where the law only levels off."""
    _, sigma, kappa = law
    return math.sqrt(max(0.0, 1 - sigma) / kappa) if kappa > _KAPPA_IS_ZERO else None


def _fit(steps: _Floats, rates: _Floats, start: _Floats | None = None) -> _Floats:
    first = rates[steps == steps.min()].mean() / steps.min()
    guess = np.array([first, 0.05, 0.001]) if start is None else np.asarray(start)
    scale = max(float(rates.max()), 1e-9)
    found = least_squares(
        lambda p: (usl(steps, p[0] * scale, p[1], p[2]) - rates) / scale,
        x0=np.clip(guess / np.array([scale, 1, 1]), [1e-6, 1e-9, 1e-10], [50, 0.999, 0.99]),
        bounds=([1e-9, 0, 0], [100, 1, 1]),
        x_scale=(1.0, 0.1, 0.01),
    )
    return found.x * np.array([scale, 1, 1])
