"""Working tables over the server log: statements, lock waits with their roots, errors, on the axis.

Everything is aggregated inside DuckDB; a log of hundreds of megabytes never comes to Python as
rows.
"""

from __future__ import annotations

from typing import Any

import duckdb

from analysis import logevents
from analysis.sql import load

# Chains of waiters longer than this are cut and counted; a lock queue deeper than 64 hops of
# *different* locks does not happen, and a cycle (a deadlock) would go on for ever.
MAX_HOPS = 64


# table -> its query, in the order in which they can be made
QUERIES = {
    "bn_durations": "duckdb/bottleneck_durations",
    "bn_fingerprints": "duckdb/bottleneck_fingerprints",
    "bn_sessions": "duckdb/bottleneck_sessions",
    "bn_log_lines": "duckdb/bottleneck_log_lines",
    "bn_waits": "duckdb/bottleneck_waits",
    "bn_wait_buckets": "duckdb/bottleneck_wait_buckets",
    "bn_waiting_statements": "duckdb/bottleneck_waiting_statements",
    "bn_holders": "duckdb/bottleneck_holders",
    "bn_overlap": "duckdb/bottleneck_overlap",
    "bn_chain": "duckdb/bottleneck_chain_start",
}


def create(con: duckdb.DuckDBPyConnection, axis: dict[str, Any], *, use: bool) -> None:
    """Create the `bn_*` tables of the server log; empty ones when the log is not to be used."""
    if not use:
        con.execute(
            "CREATE OR REPLACE TEMP VIEW pg_log AS SELECT * FROM memory.main.pg_log WHERE false"
        )
    logevents.create(con)
    _table(con, "bn_durations", axis)
    _table(con, "bn_fingerprints")
    _table(con, "bn_sessions", {"use": use})
    _table(con, "bn_log_lines", {**axis, "use": use})
    _table(con, "bn_waits")
    _table(con, "bn_wait_buckets", axis)
    _table(con, "bn_waiting_statements")
    _table(con, "bn_holders")
    _table(con, "bn_overlap", axis)
    follow_chains(con)


def follow_chains(con: duckdb.DuckDBPyConnection) -> int:
    """Create `bn_log_roots` (wait_id, pid, session_id, weight); return the waits cut short.

    A chain is followed at the moment of the wait's own first line, until a process that was not
    itself waiting then, as far as the log shows. A cycle has no root: its waits are missing from
    the table.
    """
    _table(con, "bn_chain")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE bn_visited AS SELECT wait_id, wait_id AS via FROM bn_waits"
    )
    hops = 0
    while hops < MAX_HOPS and _count(con, "bn_chain WHERE via IS NOT NULL"):
        con.execute(
            "INSERT INTO bn_visited SELECT wait_id, via FROM bn_chain WHERE via IS NOT NULL"
        )
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE bn_next AS {load('duckdb/bottleneck_chain_step')}"
        )
        con.execute("CREATE OR REPLACE TEMP TABLE bn_chain AS FROM bn_next")
        hops += 1
    cut = _count(con, "bn_chain WHERE via IS NOT NULL")
    # what a cycle, or a second way to the same wait, swallowed belongs to the roots that were found
    con.execute(
        "CREATE OR REPLACE TEMP TABLE bn_log_roots AS SELECT * REPLACE "
        "(weight / sum(weight) OVER (PARTITION BY wait_id) AS weight) "
        "FROM bn_chain WHERE via IS NULL"
    )
    return cut


def _count(con: duckdb.DuckDBPyConnection, source: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {source}").fetchall()[0][0])


def _table(
    con: duckdb.DuckDBPyConnection, table: str, parameters: dict[str, Any] | None = None
) -> None:
    query = load(QUERIES[table])
    con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}", parameters or {})
