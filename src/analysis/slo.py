"""Service levels of a run: error budget burn in several windows, as the SRE Workbook alerts on it.

Source: Google, The Site Reliability Workbook (2018), chapter 5, "6: Multiwindow, Multi-Burn-Rate
Alerts", table 5-8: page at 14.4 (1 h and 5 min) and 6 (6 h and 30 min), ticket at 1 (3 d and 6 h),
for a 30-day budget. The windows are minutes of the incident clock: a run that shows 250 minutes in
48 seconds is judged in windows compressed alike, and every report says so. A window that reaches
back beyond the run's start counts only what was seen; `covered` says how much of it that is.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import tables
from analysis.incidents.when import Span
from analysis.timeline import Measured


@dataclass(frozen=True)
class Rule:
    """One alert: fires when the burn rate in both windows reaches `burn`."""

    name: str
    burn: float
    long_min: int
    short_min: int
    response: str

    @property
    def label(self) -> str:
        """The rule in words, windows first."""
        long, short = (tables.whole_minutes(m) for m in (self.long_min, self.short_min))
        return f"{long} and {short} at {self.burn:g}×"


RULES = (
    Rule("fast", 14.4, 60, 5, "page"),
    Rule("slow", 6.0, 360, 30, "page"),
    Rule("ticket", 1.0, 4320, 360, "ticket"),
)
WINDOWS_MIN = tuple(sorted({w for r in RULES for w in (r.long_min, r.short_min)}))
_RECOVERED_WINDOW_MIN = 5


def minutes(measured: Measured, threshold_ms: float) -> pd.DataFrame:
    """Return one row a minute of the incident clock: minute, at (its end), total, bad.

    Attempts count in the minute they ended: before that, no monitor could have known.
    """
    clock = measured.clock
    found = measured.ask(
        "slo_minutes", minute_us=clock.minute_us, threshold_us=round(threshold_ms * 1000)
    )
    count = int(measured.end_us // clock.minute_us) + 1
    frame = pd.DataFrame({"minute": range(count)}).merge(found, on="minute", how="left")
    frame = frame.fillna(0).astype("int64")
    ends = [clock.incident_at((m + 1) * clock.minute_us) for m in frame["minute"]]
    frame.insert(1, "at", pd.Series(ends, dtype="datetime64[us, UTC]"))
    return frame


def burn_rates(frame: pd.DataFrame, objective: float) -> pd.DataFrame:
    """Return the burn rate at the end of each minute in each window, and which rules fire.

    Args:
        frame: as from `minutes`.
        objective: share of good attempts aimed at, such as 0.999.

    Columns: minute, at, burn_<window>min (share bad / share allowed; unknown where nothing ended in
    the window), covered_<window>min (share of the window that lies inside the run), fires_<rule>.
    """
    if not 0 < objective < 1:
        msg = f"objective {objective} is no share between 0 and 1"
        raise ValueError(msg)
    result = frame[["minute", "at"]].copy()
    bad, total = frame["bad"].cumsum(), frame["total"].cumsum()
    for window in WINDOWS_MIN:
        bad_in = bad - bad.shift(window, fill_value=0)
        total_in = total - total.shift(window, fill_value=0)
        share = bad_in / total_in.where(total_in > 0)
        result[f"burn_{window}min"] = share / (1 - objective)
        inside = np.minimum(frame["minute"] + 1, window)
        result[f"covered_{window}min"] = inside / window
    for rule in RULES:
        long = result[f"burn_{rule.long_min}min"] >= rule.burn
        result[f"fires_{rule.name}"] = long & (result[f"burn_{rule.short_min}min"] >= rule.burn)
    return result


def firing(rates: pd.DataFrame) -> pd.DataFrame:
    """Return one row a rule: label, first and last minute it fires (their ends), minutes firing."""
    rows = []
    for rule in RULES:
        hits = rates[rates[f"fires_{rule.name}"]]
        rows.append(
            {
                "rule": rule.label,
                "response": rule.response,
                "minutes_firing": len(hits),
                "first_at": hits["at"].min() if len(hits) else pd.NaT,
                "last_at": hits["at"].max() if len(hits) else pd.NaT,
                "burn_max": float(rates[f"burn_{rule.long_min}min"].max()),
                "covered_max": float(rates[f"covered_{rule.long_min}min"].max()),
            }
        )
    return pd.DataFrame(rows)


def budget_spent(frame: pd.DataFrame, objective: float) -> float:
    """Return the share of a 30-day error budget that this run alone would spend.

    The budget is 30 days of the run's mean traffic times the share allowed; above 1 it is gone.
    """
    total, bad = int(frame["total"].sum()), int(frame["bad"].sum())
    if not total:
        return float("nan")
    return (bad / total) / (1 - objective) * len(frame) / (30 * 24 * 60)


def time_to_detect(measured: Measured, rates: pd.DataFrame) -> tuple[Span, str]:
    """Return minutes from the run's onset to the first page that fires, and which rule it was.

    Bounds: the alert is evaluated once a minute, known to the minute. Open when none fires.
    """
    onset = onset_minute(measured)
    if onset is None:
        return Span(None, None), ""
    pages = [r for r in RULES if r.response == "page"]
    first: tuple[int, str] | None = None
    for rule in pages:
        hits = rates.loc[rates[f"fires_{rule.name}"] & (rates["minute"] + 1 > onset), "minute"]
        if len(hits) and (first is None or hits.min() < first[0]):
            first = (int(hits.min()), rule.label)
    if first is None:
        return Span(None, None), ""
    low, high = max(0.0, first[0] - onset), first[0] + 1 - onset
    return Span(round(low, 2), round(high, 2)), first[1]


def false_pages(measured: Measured, rates: pd.DataFrame) -> int:
    """Return the minutes in which a page fired before the trouble began."""
    onset = onset_minute(measured)
    fired = rates[[f"fires_{r.name}" for r in RULES if r.response == "page"]].any(axis=1)
    early = rates["minute"] + 1 <= (onset if onset is not None else len(rates))
    return int((fired & early).sum())


def time_to_recover(measured: Measured, rates: pd.DataFrame) -> Span:
    """Return minutes from onset to the last minute that burns budget faster than allowed.

    Read in the shortest window (5 min), so that the end is known to that width. Open when the run
    still burns at its end, and when it has no onset.
    """
    onset = onset_minute(measured)
    if onset is None:
        return Span(None, None)
    burning = rates.loc[rates[f"burn_{_RECOVERED_WINDOW_MIN}min"] >= 1, "minute"]
    burning = burning[burning >= onset]
    if burning.empty or burning.max() + 1 >= len(rates):
        return Span(None, None)
    last = int(burning.max())
    low = max(0.0, last + 1 - _RECOVERED_WINDOW_MIN - onset)
    return Span(round(low, 2), round(last + 1 - onset, 2))


def onset_minute(measured: Measured) -> float | None:
    """Return the minute of the incident clock at which the run's trouble begins, None for none."""
    for phase in measured.phases:
        if phase.phase == "during":
            return phase.start_us / measured.clock.minute_us
    return None


def minutes_breached(rates: pd.DataFrame) -> int:
    """Return the minutes at which the shortest window burned faster than the objective allows."""
    return int((rates[f"burn_{WINDOWS_MIN[0]}min"] >= 1).sum())


def window_in_run(measured: Measured, window_min: int) -> dt.timedelta:
    """Return how long a window of the incident clock lasts in the run."""
    return dt.timedelta(microseconds=window_min * measured.clock.minute_us)
