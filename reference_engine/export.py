"""Turns what a run left behind (spools, logs, books, ledger) into the tables of the contract."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from reference_engine.batch_spool import unfold
from reference_engine.ledger.export import export_ledger
from reference_engine.load import Arrival, Schedule
from reference_engine.recorder import (
    export_charges,
    export_log,
    export_rows,
    export_spools,
    whole_lines,
)
from reference_engine.wallet import counterparty_account
from runlog.writer import RunWriter, space_guard

if TYPE_CHECKING:
    from reference_engine.run import Stage


def export_run(writer: RunWriter, stage: Stage) -> None:
    """Write every table of the run. Arrivals that no front wrote down are added as failed."""
    folder = stage.folder
    with space_guard(folder):
        batches = [whole_lines(p) for p in sorted(folder.glob("batches-*.jsonl"))]
        if batches := [path for path in batches if path.stat().st_size]:
            unfolded = (folder / "requests-unfolded.jsonl", folder / "spans-unfolded.jsonl")
            unfold(writer.connection, batches, *unfolded)
        names = ("requests", "spans", "pool_stats")
        spools = {name: sorted(folder.glob(f"{name}-*.jsonl")) for name in names}
        lost = folder / "requests-lost.jsonl"
        counted = write_lost(stage.schedule, spools["requests"], lost, stage.start_us)
        stage.arrivals.update(counted)
        export_spools(writer, "requests", [lost, *spools["requests"]])
        export_spools(writer, "spans", spools["spans"])
        export_spools(writer, "pool_stats", spools["pool_stats"])
        for table, files in stage.sampler.spools.items():
            export_spools(writer, table, files)
        logs = stage.server.csvlog_files()
        if logs:
            export_log(writer, logs, folder / "pg_log.jsonl")
        export_ledger(writer, stage.server.dsn, stage.server.schema, folder)
        export_charges(writer, stage.gateway.books(), folder / "gateway_charges.jsonl")
        export_rows(writer, "events", _events(stage), folder / "events.jsonl")


def arrivals_told(writer: RunWriter) -> dict[str, int]:
    """How true the fronts were to the schedule, read from the `requests` just written.

    Keys: scheduled; started; skipped (a front had too much in flight); lost (with a front that was
    stopped); start_error_us_p50, _p99 and _max: start of work minus intended arrival.
    """
    path = str(writer.partial / "requests.parquet")
    row = writer.connection.execute(
        "SELECT count(*), count(started_at), "
        "count(*) FILTER (WHERE reason = 'front_overloaded'), "
        "count(*) FILTER (WHERE reason = 'front_stopped'), "
        "percentile_disc(0.5) WITHIN GROUP (ORDER BY error_us), "
        "percentile_disc(0.99) WITHIN GROUP (ORDER BY error_us), max(error_us) FROM ("
        "SELECT *, epoch_us(started_at) - epoch_us(scheduled_at) AS error_us "
        "FROM read_parquet($1) WHERE attempt = 1)",
        [path],
    ).fetchall()[0]
    names = ["scheduled", "started", "skipped", "lost"]
    names += [f"start_error_us_{which}" for which in ("p50", "p99", "max")]
    return {n: int(v) for n, v in zip(names, row, strict=True) if v is not None}


def _events(stage: Stage) -> list[dict[str, Any]]:
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return [
        {
            "at": epoch + dt.timedelta(microseconds=at_us),
            "kind": event.kind,
            "label": event.label,
            "important": event.important,
        }
        for at_us, event in stage.happened
    ]


def write_lost(schedule: Schedule, spools: list[Path], lost: Path, start_us: int) -> dict[str, int]:
    """Write a `requests` row for each arrival that no spool has.

    A front that is killed takes along what it had not written: for its clients these requests
    failed, and the schedule says that they were meant. Returns what became of all arrivals: those
    started, those skipped by a front that had too much to do, and those lost with a front.
    """
    seen: set[str] = set()
    skipped: set[str] = set()
    for path in spools:
        for line in path.read_bytes().split(b"\n"):
            if line.endswith(b"}"):
                row = orjson.loads(line)
                seen.add(row["request_id"])
                if row["reason"] == "front_overloaded":
                    skipped.add(row["request_id"])
    rows = [_lost_row(a, start_us) for a in schedule.all if a.request_id not in seen]
    lost.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return {
        "started": len(seen) - len(skipped),
        "skipped": len(skipped),
        "lost": len(rows),
    }


def _lost_row(arrival: Arrival, start_us: int) -> dict[str, Any]:
    return {
        "request_id": arrival.request_id,
        "idempotency_key": arrival.idempotency_key,
        "operation": arrival.operation,
        "needs_auto_charge": None,
        "wallet_id": arrival.wallet_id,
        "counterparty_id": counterparty_account(arrival),
        "amount_jpy": arrival.amount_jpy,
        "attempt": 1,
        "front_id": None,
        "scheduled_at": start_us + arrival.offset_us,
        "started_at": None,
        "finished_at": None,
        "outcome": "failed",
        "reason": "front_stopped",
    }
