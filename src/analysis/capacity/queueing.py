"""Laws that need no simulation: Little's law and utilisation."""

from __future__ import annotations

import pandas as pd

BUSY_SHARE = 0.7  # how busy a station may be for the plan to hold; above it queues grow steeply


def littles_law(results: pd.DataFrame) -> pd.DataFrame:
    """Return one row a run: in flight as sampled, and as throughput x residence says.

    Both sides are measured apart: the fronts count attempts in work once a second; the other side
    comes from the requests. Columns: experiment, repetition, sampled, by_law, error_share. Runs in
    which requests were shed or timed out are left out: they end work without an answer.
    Source: J. D. C. Little, "A Proof for the Queuing Formula L = lambda W", 1961.
    """
    calm = results[(results["shed"] == 0) & (results["timed_out"] == 0)]
    calm = calm[calm["in_flight_mean"].notna() & calm["residence_us_mean"].notna()]
    frame = calm[["experiment", "repetition"]].copy()
    frame["sampled"] = calm["in_flight_mean"].astype("float64")
    rate = calm["arrivals"] / calm["window_s"]
    frame["by_law"] = rate * calm["residence_us_mean"].astype("float64") / 1e6
    frame["error_share"] = (frame["sampled"] - frame["by_law"]).abs() / frame["by_law"]
    return frame.reset_index(drop=True)


def stations_needed(rate_per_s: float, demand_s: float, busy_share: float = BUSY_SHARE) -> int:
    """Return how many single servers carry this rate at this share of their time.

    Utilisation law: rate x demand = servers x busy share. Source: P. J. Denning and J. P. Buzen,
    "The Operational Analysis of Queueing Network Models", ACM Computing Surveys 10 (1978).

    >>> stations_needed(20_000, 0.010)
    286
    """
    return max(1, -int(-(rate_per_s * demand_s) // busy_share))
