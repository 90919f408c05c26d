"""One run directory into rows of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from analysis import sql
from analysis.capacity.plan import GOOD_MS, Session
from analysis.reconcile.result import reconcile_run
from runlog.reader import Run, open_run

_PLANNED = (
    *("name", "purpose", "factor", "design", "fronts", "pool_size", "settlement_shards"),
    *("max_waiting", "auto_charge", "server_cores", "offered_per_s"),
)


def measure_session(
    folder: Path, session: Session, run_order: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the result rows of one run, and the service times of its validation windows.

    Raises BadData when the folder is no valid run.
    """
    run = open_run(folder)
    rows, times = [], []
    try:
        for place, window in enumerate(session.windows):
            experiment = window.experiment
            bounds = _window(run, window.start_s, window.end_s)
            length_s = window.end_s - window.start_s
            row = {k: getattr(experiment, k) for k in _PLANNED}
            row["experiment"] = row.pop("name")
            row |= {"repetition": session.repetition, "window_s": length_s}
            row["run_order"] = run_order * 100 + place
            rows.append(row | _figures(run, bounds, length_s))
            if experiment.purpose == "validation":
                part = _query(run, "capacity_service_times", bounds)
                part.insert(0, "experiment", experiment.name)
                part.insert(1, "repetition", session.repetition)
                times.append(part)
    finally:
        run.close()
    return pd.DataFrame(rows), pd.concat(times) if times else pd.DataFrame()


def measure_study(
    folder: Path, study: str, variant: str, repetition: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return what one run of a study came to (one row), and its timeline (one row a second)."""
    run = open_run(folder)
    try:
        start = run.manifest.clock.wall_start.isoformat()
        seconds = _query(run, "capacity_timeline", {"run_start": start, "good_us": GOOD_MS * 1000})
        totals = reconcile_run(run).totals
        denied = run.connection.execute(sql.load("capacity_denied")).fetchall()[0]
    finally:
        run.close()
    where: dict[str, Any] = {"study": study, "variant": variant, "repetition": repetition}
    for place, (name, value) in enumerate(where.items()):
        seconds.insert(place, name, value)
    names = ("intentions", "attempted_jpy", "approved_jpy", "refunds_due")
    refund = totals["refund_card_jpy"] + totals["refund_balance_jpy"]
    paid = {"paid": int(denied[0]), "denied": int(denied[1]), "denied_jpy": int(denied[2])}
    return where | {n: totals[n] for n in names} | {"refund_jpy": refund} | paid, seconds


def _figures(run: Run, window: dict[str, Any], length_s: float) -> dict[str, Any]:
    found = _query(run, "capacity_window", window | {"good_us": GOOD_MS * 1000}).iloc[0]
    row: dict[str, Any] = {str(k): None if pd.isna(v) else int(v) for k, v in found.items()}
    row["throughput_per_s"] = (row.pop("answers") or 0) / length_s
    row["goodput_per_s"] = (row.pop("good") or 0) / length_s
    row["in_flight_mean"] = _query(run, "capacity_in_flight", window)["in_flight_mean"].iloc[0]
    return row


def _window(run: Run, from_s: float, to_s: float) -> dict[str, Any]:
    start = pd.Timestamp(run.manifest.clock.wall_start)
    ends = (start + pd.Timedelta(seconds=from_s), start + pd.Timedelta(seconds=to_s))
    return {"start": ends[0].isoformat(), "end": ends[1].isoformat()}


def _query(run: Run, name: str, parameters: dict[str, Any]) -> pd.DataFrame:
    return run.connection.execute(sql.load(name), parameters).df()
