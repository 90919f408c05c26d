"""The queries that sample a server's views, asked of a live server."""

from __future__ import annotations

import psycopg
import pytest

from reference_engine.postgres import EmbeddedServer
from runlog.sampling import activity_query, activity_rows, counters_query

pytestmark = pytest.mark.engine


def test_sessions_hidden_from_the_sampling_role_have_unknown_blockers(
    server: EmbeddedServer,
) -> None:
    with (
        psycopg.connect(server.dsn, autocommit=True) as owner,
        psycopg.connect(server.dsn, autocommit=True) as other,
    ):
        owner.execute("CREATE ROLE blind LOGIN")
        try:
            hidden = other.info.backend_pid
            with psycopg.connect(server.dsn.replace("user=postgres", "user=blind")) as sampler:
                seen = activity_rows(sampler.execute(activity_query(180000)).fetchall())
            found = {row["pid"]: row["blocked_by"] for row in seen}
            assert found[hidden] is None
            everything = activity_rows(owner.execute(activity_query(180000)).fetchall())
            assert {row["pid"]: row["blocked_by"] for row in everything}[hidden] == []
        finally:
            owner.execute("DROP ROLE blind")


def test_the_same_tables_are_counted_while_their_use_grows(server: EmbeddedServer) -> None:
    query = counters_query(180000, one_schema=False, objects_max=2)
    names = ("cut_a", "cut_b", "cut_c")
    seen = []
    with psycopg.connect(server.dsn, autocommit=True) as owner:
        try:
            for name in names:
                owner.execute(f"CREATE TABLE {name} (id int PRIMARY KEY)")
            for used in (*names, "cut_c", "cut_b", "cut_b", "cut_a"):
                for _ in range(2):
                    owner.execute("SET enable_seqscan = off")
                    owner.execute(f"SELECT FROM {used} WHERE id = 1")
                owner.execute("SELECT pg_stat_force_next_flush()")
                rows = owner.execute(query).fetchall()
                seen.append({name for view, name, _ in rows if view == "pg_stat_user_indexes"})
        finally:
            for name in names:
                owner.execute(f"DROP TABLE IF EXISTS {name}")
    assert all(len(objects) == 2 for objects in seen)
    assert all(objects == seen[0] for objects in seen)
