"""Makes small run directories through the real writer, for tests that need known numbers."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd

from runlog.manifest import Clock, Manifest
from runlog.schema import TABLES
from runlog.writer import RunWriter

WALL = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def attempt(
    number: int, at_s: float, took_s: float, outcome: str = "approved", **more: Any
) -> dict[str, Any]:
    """One attempt: intended at `at_s` after the run's start, answered `took_s` later."""
    scheduled = WALL + dt.timedelta(seconds=at_s)
    waited_s = more.pop("waited_s", 0.0)
    return {
        "request_id": f"r{number}",
        "idempotency_key": more.pop("key", f"k{number}"),
        "operation": "card_payment",
        "needs_auto_charge": False,
        "wallet_id": 1,
        "counterparty_id": 2,
        "amount_jpy": 100,
        "attempt": 1,
        "front_id": 0,
        "scheduled_at": scheduled,
        "started_at": None if outcome == "shed" else scheduled + dt.timedelta(seconds=waited_s),
        "finished_at": scheduled + dt.timedelta(seconds=took_s),
        "outcome": outcome,
        "reason": None if outcome == "approved" else "test",
        **more,
    }


def event(at_s: float, kind: str, label: str = "", important: bool = True) -> dict[str, Any]:
    """One event of the run."""
    at = WALL + dt.timedelta(seconds=at_s)
    return {"at": at, "kind": kind, "label": label or kind, "important": important}


def write_run(
    out: Path,
    attempts: list[dict[str, Any]],
    events: list[dict[str, Any]] = (),  # type: ignore[assignment]
    *,
    compression: float = 1.0,
    scenario_start: dt.datetime | None = None,
    incident: str | None = None,
) -> Path:
    """Write a run with these requests and events; return its directory."""
    with RunWriter(out) as writer:
        for name, rows in (("requests", attempts), ("events", list(events))):
            frame = pd.DataFrame(rows, columns=TABLES[name].column_names)
            frame = frame.astype({c: "object" for c in frame.columns if frame[c].isna().all()})
            writer.connection.register("made", frame)
            writer.add(name, "SELECT * FROM made")
        clock = Clock(scenario_start=scenario_start, wall_start=WALL, compression=compression)
        manifest = Manifest(run_id=out.name, kind="engine", clock=clock, incident=incident)
        return writer.commit(manifest)
