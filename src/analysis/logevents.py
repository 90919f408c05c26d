"""Server log records turned into event views: durations, lock waits, deadlocks, checkpoints, ...

The log knows these only as English sentences; each view says in its SQL file which ones it reads.
"""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from analysis.sql import load

# view -> its SQL file; in the order in which they must be made (later ones read earlier ones)
VIEWS = {
    "log_durations": "duckdb/log_events_durations",
    "log_lock_lines": "duckdb/log_events_lock_lines",
    "log_lock_waits": "duckdb/log_events_lock_waits",
    "log_deadlock_edges": "duckdb/log_events_deadlock_edges",
    "log_checkpoints": "duckdb/log_events_checkpoints",
    "log_temp_files": "duckdb/log_events_temp_files",
    "log_autovacuums": "duckdb/log_events_autovacuums",
    "log_connections": "duckdb/log_events_connections",
    "log_errors": "duckdb/log_events_errors",
}
# asked for again and again while small: worth keeping once computed
RARE = ("log_lock_lines", "log_lock_waits", "log_deadlock_edges", "log_checkpoints")


def create(con: duckdb.DuckDBPyConnection, *, keep: Collection[str] = RARE) -> None:
    """Create the event views over the table or view `pg_log` of `con` (see `open_run`).

    Grain, columns and units of each are in the header of its SQL file. Those named in `keep` are
    computed once into temporary tables; the others are read from the log each time.
    """
    for view, name in VIEWS.items():
        kind = "TEMP TABLE" if view in keep else "VIEW"
        con.execute(f"CREATE OR REPLACE {kind} {view} AS {load(name)}")
