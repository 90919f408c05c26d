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
    "log_errors": "duckdb/log_events_errors",
    "log_stops": "duckdb/log_events_stops",
    "log_lock_lines": "duckdb/log_events_lock_lines",
    "log_lock_waits": "duckdb/log_events_lock_waits",
    "log_deadlock_edges": "duckdb/log_events_deadlock_edges",
    "log_checkpoints": "duckdb/log_events_checkpoints",
    "log_temp_files": "duckdb/log_events_temp_files",
    "log_autovacuums": "duckdb/log_events_autovacuums",
    "log_connections": "duckdb/log_events_connections",
}
# asked for again and again while small: worth keeping once computed
_KEPT_RECORDS_MAX = 1_000_000
RARE = ("log_stops", "log_lock_lines", "log_lock_waits", "log_deadlock_edges", "log_checkpoints")


def create(con: duckdb.DuckDBPyConnection, *, keep: Collection[str] = RARE) -> None:
    """Create the event views over the table or view `pg_log` of `con` (see `open_run`).

    Grain, columns and units of each are in the header of its SQL file. Those named in `keep` are
    computed once into temporary tables; the others are read from the log each time. `log_records`
    are the records that tell no duration.
    """
    names = {row[0] for row in con.execute("DESCRIBE pg_log").fetchall()}
    stored = {"duration_us", "duration_kind", "statement"} <= names
    other = "duration_us IS NULL" if stored else "coalesce(message, '') NOT LIKE 'duration: %'"
    records = f"SELECT * FROM pg_log WHERE {other}"
    small = con.execute(f"SELECT count(*) FROM ({records})").fetchall()[0][0] <= _KEPT_RECORDS_MAX
    if small:
        con.execute(f"CREATE OR REPLACE TEMP TABLE log_records_kept AS {records}")
        records = "FROM log_records_kept"
    con.execute(f"CREATE OR REPLACE TEMP VIEW log_records AS {records}")
    for view, name in VIEWS.items():
        kind = "TEMP TABLE" if view in keep else "VIEW"
        query = load(f"{name}_stored" if stored and view == "log_durations" else name)
        con.execute(f"CREATE OR REPLACE {kind} {view} AS {query}")
