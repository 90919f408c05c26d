"""What a run holds, in numbers: rows of every table, and the server log's events counted."""

from __future__ import annotations

from typing import Any

from analysis import logevents
from analysis.sql import load
from runlog.reader import Run

_DURATIONS = ("statements", "binds", "parses", "plans", "bare")


def summarise(run: Run) -> dict[str, Any]:
    """Return the summary of a run as `walletlab summary --json` prints it.

    `rows` has the rows of each table. The keys of the server log (`records` and after) are there
    when the run has a pg_log; durations are in microseconds, percentiles are nearest-rank.
    `rejected` are the lines set aside of the server's logs, not of request files. `durations` count
    every duration record, and within it `statements` those that executed one, `binds` and `parses`
    the steps before, `plans` what auto_explain told again, and `bare` those without a text.
    """
    manifest = run.manifest
    summary: dict[str, Any] = {
        "run_id": manifest.run_id,
        "kind": manifest.kind,
        "start": manifest.clock.wall_start,
        "end": manifest.clock.wall_end,
        "rows": {name: table.rows for name, table in sorted(manifest.tables.items())},
    }
    if run.has("pg_log"):
        summary |= _server_log(run)
    return summary


def _server_log(run: Run) -> dict[str, Any]:
    con = run.connection
    logevents.create(con)
    durations = _rows(run, "summary_durations")
    told = {row.pop("kind"): row for row in durations}
    events = _rows(run, "summary_log_events")[0]
    errors = _rows(run, "summary_errors")
    rejected = _rejected(run)
    return {
        "records": run.rows("pg_log"),
        "rejected": sum(rejected.values()),
        "rejected_by_reason": rejected,
        "durations": {
            **told.get("all", _no_durations()),
            **{kind: told.get(kind, _no_durations()) for kind in _DURATIONS},
        },
        "lock_waits": _rows(run, "summary_lock_waits")[0],
        "deadlocks": events["deadlocks"],
        "errors": {row["sql_state_code"]: row["count"] for row in errors},
        "checkpoints": events["checkpoints"],
        "temp_files": events["temp_files"],
        "temp_files_bytes": events["temp_files_bytes"],
        "autovacuums": events["autovacuums"],
        "autoanalyzes": events["autoanalyzes"],
        "connections": events["connections_received"] or events["connections_authorized"],
        "connections_authorized": events["connections_authorized"],
        "disconnections": events["connections_disconnected"],
    }


def _rejected(run: Run) -> dict[str, int]:
    """Lines of the server's logs that were set aside, by reason, the commonest first."""
    path = run.folder / "rejects.parquet"
    if not run.manifest.rejects or not path.is_file():
        return {}
    # only a server log's entry counts the lines of its records
    logs = {entry["file"] for entry in run.manifest.sources if "record_lines" in entry}
    others = {entry["file"] for entry in run.manifest.sources} - logs
    given = {"path": str(path), "other_files": sorted(others)}
    return dict(run.connection.execute(load("duckdb/summary_rejects"), given).fetchall())


def _rows(run: Run, name: str) -> list[dict[str, Any]]:
    cursor = run.connection.execute(load(name))
    columns = [d[0] for d in cursor.description or []]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def _no_durations() -> dict[str, Any]:
    """No duration was logged: the count is 0, the percentiles are unknown."""
    none = dict.fromkeys(("p50_us", "p95_us", "p99_us", "max_us"))
    return {"count": 0, "sum_us": 0, **none}
