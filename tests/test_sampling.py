"""The queries that sample a server's views, asked of a live server."""

from __future__ import annotations

import psycopg
import pytest

from reference_engine.postgres import EmbeddedServer
from runlog.sampling import activity_query, activity_rows

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
