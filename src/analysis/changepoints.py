"""Where a run's behaviour changes, found from its measurements alone and scored against its events.

Method: PELT (Killick, Fearnhead and Eckley 2012) with a squared-error cost, as the `ruptures`
package has it, on series put on one scale by their own noise. The events the result is scored
against are those an operator knew of; what was injected is never read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis import timeline
from analysis.timeline import Measured

_MIN_LENGTH = 3
# what a change must explain, in noise variances: high enough that a healthy run shows no change
_PENALTY = 12.0
_SCALE_MIN = 0.05
_CLIP = 12.0


def series(measured: Measured) -> pd.DataFrame:
    """Return the judged series, one row an interval: bucket, at, latency (log10 of the p90 in us),
    lost (share failed, timed out or shed), offered (log10 of attempts + 1).
    """
    counts, times = timeline.intervals(measured), timeline.latency(measured)
    lost = counts[["failed", "timed_out", "shed"]].sum(axis=1)
    share = (lost / counts["offered"].where(counts["offered"] > 0)).ffill().fillna(0.0)
    p90 = np.log10(times["response_us_p90"].clip(lower=1)).ffill().bfill().fillna(0.0)
    return pd.DataFrame(
        {
            "bucket": counts["bucket"],
            "at": counts["at"],
            "latency": p90,
            "lost": share,
            "offered": np.log10(counts["offered"] + 1),
        }
    )


SERIES = ("latency", "lost", "offered")


def detect(frame: pd.DataFrame, columns: tuple[str, ...] = SERIES) -> list[int]:
    """Return the intervals at which the series change, without the first; none for a short run."""
    if len(frame) < 2 * _MIN_LENGTH:
        return []
    import ruptures

    signal = np.column_stack([_standard(frame[c].to_numpy(float)) for c in columns])
    penalty = _PENALTY * np.log(len(frame)) * signal.shape[1]
    found = ruptures.Pelt(model="l2", min_size=_MIN_LENGTH, jump=1).fit(signal).predict(pen=penalty)
    return [int(b) for b in found if 0 < b < len(frame)]


def _standard(values: np.ndarray) -> np.ndarray:
    """Robust z-scores: noise estimated from the steps between neighbours, so that a shift cannot
    hide itself by inflating the spread; clipped, so that one wild value is not a change.
    """
    steps = np.abs(np.diff(values))
    scale = max(float(np.median(steps)) / 0.6745 / np.sqrt(2), _SCALE_MIN)
    return np.clip((values - np.median(values)) / scale, -_CLIP, _CLIP)


def score(measured: Measured, found: list[int], tolerance_s: float) -> pd.DataFrame:
    """Return one row an important event or detection: event, at, detected_at, delay_s, verdict.

    Each event takes the nearest free change point within `tolerance_s` of run time (0 means a tenth
    of the run). Verdicts: found, missed (an event without a change), extra (a change without an
    event). A change point is known to the width of one interval.
    """
    tolerance_us = tolerance_s * 1e6 or measured.end_us / 10
    points = {b: b * measured.bucket_us for b in found}
    told = measured.events[measured.events["important"]]
    rows = []
    event: Any
    for event in told.sort_values("at_us").itertuples():
        near = sorted(points, key=lambda b: abs(points[b] - event.at_us))
        hit = next((b for b in near if abs(points[b] - event.at_us) <= tolerance_us), None)
        taken = points.pop(hit) if hit is not None else None
        rows.append(_row(measured, str(event.label), int(event.at_us), taken))
    rows += [_row(measured, "", None, at) for _, at in sorted(points.items())]
    columns = ["event", "at", "detected_at", "delay_s", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _row(
    measured: Measured, label: str, at_us: int | None, found_us: int | None
) -> dict[str, object]:
    both = at_us is not None and found_us is not None
    return {
        "event": label or "(no event on record)",
        "at": measured.incident_at(at_us) if at_us is not None else None,
        "detected_at": measured.incident_at(found_us) if found_us is not None else None,
        "delay_s": (found_us - at_us) / 1e6 if both else None,  # type: ignore[operator]
        "verdict": "found" if both else "missed" if at_us is not None else "extra",
    }
