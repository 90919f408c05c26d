"""Before, during, after: how each measure changed, with confidence intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.bottleneck.robust import Values
from analysis.bottleneck.series import MEASURES
from analysis.bottleneck.window import Window

RESAMPLES = 1000
# Neighbouring seconds resemble each other (a queue takes seconds to drain), so whole blocks are
# drawn.
BLOCK_BUCKETS = 5
SEED = 20181009

HEADLINE = (
    "arrivals", "approved", "bad", "retries", "latency_us_p50", "latency_us_p95", "pool_waiting",
    "in_flight", "gateway_us_p50", "statement_us_p95", "commit_us_p50", "aas", "aas_cpu",
    "aas_lock",
    "aas_wal", "idle_tx", "blocked", "log_aas", "log_waits", "log_wait_sessions", "log_errors",
    "log_duration_us_p95",
)  # fmt: skip


def compare_phases(frame: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Return medians before, during and after the window, one row a recorded headline measure.

    Returns columns: measure, words, unit, before, during, after (medians over buckets), change
    (during minus before), change_low, change_high (95 % interval of the change, block bootstrap
    with a fixed seed; NaN where a phase has fewer than three buckets), changed (the interval leaves
    out 0).
    """
    rows = []
    phases = {
        "before": [b for b in window.reference if b < window.first],
        "during": list(window.buckets),
        "after": list(range(window.last + 2, len(frame))),
    }
    for name in HEADLINE:
        values = frame[name]
        if values.isna().all():
            continue
        parts = {
            phase: _known(values, buckets if window.found or phase == "during" else [])
            for phase, buckets in phases.items()
        }
        low, high = bootstrap_change(parts["before"], parts["during"])
        medians = {p: float(np.median(v)) if v.size else np.nan for p, v in parts.items()}
        measure = MEASURES[name]
        rows.append({
            "measure": name, "words": measure.words, "unit": measure.unit, **medians,
            "change": medians["during"] - medians["before"], "change_low": low,
            "change_high": high, "changed": bool(low > 0 or high < 0),
        })  # fmt: skip
    columns = [
        "measure", "words", "unit", "before", "during", "after", "change", "change_low",
        "change_high", "changed",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _known(values: pd.Series, buckets: list[int]) -> Values:
    inside = [b for b in buckets if 0 <= b < len(values)]
    part = values.iloc[inside].to_numpy(dtype=float)
    return part[~np.isnan(part)]


def bootstrap_change(
    before: Values, during: Values, *, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[float, float]:
    """Return the 95 % interval of median(during) - median(before) by a moving-block bootstrap.

    Returns (nan, nan) where either side has fewer than three values.

    >>> bootstrap_change(np.arange(20.0), np.arange(20.0) + 100)[0] > 80
    True
    """
    if before.size < 3 or during.size < 3:
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    change = _medians(during, random, resamples) - _medians(before, random, resamples)
    low, high = np.percentile(change, [2.5, 97.5])
    return float(low), float(high)


def _medians(values: Values, random: np.random.Generator, resamples: int) -> Values:
    length = min(BLOCK_BUCKETS, max(1, values.size // 3))
    blocks = -(-values.size // length)
    starts = random.integers(0, values.size - length + 1, size=(resamples, blocks))
    index = (starts[:, :, None] + np.arange(length)).reshape(resamples, -1)[:, : values.size]
    return np.asarray(np.median(values[index], axis=1))
