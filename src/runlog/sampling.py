"""What is read from a server's statistics views: shared by the engine and `walletlab watch`.

Columns of the views differ by version: they are taken by name, as JSON, and every number becomes
one counter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from runlog.masking import mask_sql
from runlog.schema import TABLES

COUNTERS_HZ = 1.0
_QUERY_CHARACTERS = 2000
_FIELDS = TABLES["pg_activity"].column_names

# pg_blocking_pids() takes the lock manager's locks, so it is asked only for who waits for a lock.
# Without pg_monitor other users' sessions are hidden: whether they wait is unknown, hence NULL.
_ACTIVITY = """
SELECT (extract(epoch FROM clock_timestamp()) * 1e6)::bigint, pid, backend_type, state,
       wait_event_type, wait_event, {query_id}, left(query, {characters}),
       (extract(epoch FROM xact_start) * 1e6)::bigint,
       (extract(epoch FROM query_start) * 1e6)::bigint,
       (extract(epoch FROM state_change) * 1e6)::bigint,
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid)
            WHEN state IS NULL AND backend_type IS NULL THEN NULL ELSE '{{}}' END,
       application_name
FROM pg_stat_activity
WHERE pid <> pg_backend_pid()
"""
# view -> (first server version, object, condition)
_VIEWS: dict[str, tuple[int, str, str]] = {
    "pg_stat_database": (0, "datname", "datname = current_database()"),
    "pg_stat_bgwriter": (0, "'server'", "true"),
    "pg_stat_checkpointer": (170000, "'server'", "true"),
    "pg_stat_wal": (140000, "'server'", "true"),
    "pg_stat_io": (
        160000,
        "concat_ws('/', backend_type, object, context)",
        "greatest(reads, writes, extends, fsyncs, hits) > 0",
    ),
    "pg_stat_replication": (0, "concat_ws('/', application_name, pid)", "true"),
}
# the same for one schema's objects by their own names, or all by their qualified names:
# view -> (name, how often it was used)
_OBJECTS: dict[str, tuple[str, str]] = {
    "pg_stat_user_tables": ("relname", "seq_scan + coalesce(idx_scan, 0)"),
    "pg_stat_user_indexes": ("indexrelname", "idx_scan"),
}
_SERVER = """
SELECT 'pg_stat_activity', 'server', jsonb_build_object(
    'connections', count(*) FILTER (WHERE backend_type = 'client backend'),
    'max_connections', current_setting('max_connections')::int,
    'backend_xmin_age_max', max(age(backend_xmin)),
    'xact_age_us_max', (extract(epoch FROM max(clock_timestamp() - xact_start)) * 1e6)::bigint)
FROM pg_stat_activity WHERE pid <> pg_backend_pid()
"""


def activity_query(version: int) -> str:
    """Return the query for one sample of pg_stat_activity on a server of this version number."""
    query_id = "query_id" if version >= 140000 else "NULL::bigint"
    return _ACTIVITY.format(query_id=query_id, characters=_QUERY_CHARACTERS)


def counters_query(version: int, *, one_schema: bool, objects_max: int = 500) -> str:
    """Return the query for one sample of the counters: view, object, all its columns as JSON.

    With `one_schema` the query has a parameter `schema`; without, the `objects_max` most used
    tables (and indexes) of all schemas are read, named schema.table. Use is compared by its number
    of digits, then names decide: by the number itself those at the cut would come and go from one
    sample to the next, and each return would look like a burst.
    """
    parts = [
        f"SELECT '{view}', ({name})::text, to_jsonb(v) FROM {view} v WHERE {condition}"
        for view, (first, name, condition) in _VIEWS.items()
        if version >= first
    ]
    for view, (name, used) in _OBJECTS.items():
        if one_schema:
            parts.append(
                f"SELECT '{view}', ({name})::text, to_jsonb(v) FROM {view} v "
                "WHERE schemaname = %(schema)s"
            )
        else:
            parts.append(
                f"SELECT * FROM (SELECT '{view}', schemaname || '.' || {name}, to_jsonb(v) "
                f"FROM {view} v ORDER BY length(({used})::text) DESC, schemaname, {name} "
                f"LIMIT {objects_max}) t"
            )
    return " UNION ALL ".join([*parts, _SERVER])


def activity_rows(rows: list[Any]) -> list[dict[str, Any]]:
    """Return the rows of one sample as pg_activity rows: one time for all, literals masked."""
    if not rows:
        return []
    at = rows[0][0]  # one time for one sample, so that samples can be counted
    found = [dict(zip(_FIELDS, row, strict=True)) for row in rows]
    for row in found:
        row["sampled_at"] = at
        row["query"] = mask_sql(row["query"]) if row["query"] else None
    return found


def counter_rows(
    at_us: int, rows: Iterable[tuple[str, str, dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Return one pg_counters row for each number in (view, object, columns)."""
    return [
        {"sampled_at": at_us, "view": view, "object": name, "metric": metric, "value": value}
        for view, name, metrics in rows
        for metric, value in metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
