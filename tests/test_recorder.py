"""The recorder: what the server showed is in the tables, whole, typed and with literals masked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from reference_engine.gateway_books import Charge
from reference_engine.postgres import EmbeddedServer
from reference_engine.recorder import (
    Sampler,
    export_charges,
    export_log,
    export_rows,
    export_spools,
    read_csvlogs,
)
from runlog.errors import EnvironmentFault
from runlog.masking import mask_sql
from runlog.writer import RunWriter

SECRET = "4111111111111111"


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[RunWriter]:
    with RunWriter(tmp_path / "run") as writer:
        yield writer


def rows(writer: RunWriter, table: str, query: str = "SELECT * FROM t") -> list[Any]:
    source = f"read_parquet('{writer.partial / table}.parquet')"
    return writer.connection.execute(query.replace("FROM t", f"FROM {source}")).fetchall()


def until(condition: Any, limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def blocked_session(server: EmbeddedServer) -> tuple[psycopg.Connection[Any], threading.Thread]:
    """One idle transaction that holds a row, and one session that waits for it."""
    holder = psycopg.connect(server.dsn, application_name="holder")
    holder.execute("CREATE TABLE IF NOT EXISTS held (a int, b text)")
    holder.execute("INSERT INTO held VALUES (1, 'x')")
    holder.commit()
    holder.execute("UPDATE held SET b = 'y' WHERE a = 1")

    def wait() -> None:
        with psycopg.connect(server.dsn, application_name="waiter") as waiter:
            waiter.execute(f"UPDATE held SET b = '{SECRET}' WHERE a = 1")

    thread = threading.Thread(target=wait)
    thread.start()
    return holder, thread


def waiting(server: EmbeddedServer) -> bool:
    with psycopg.connect(server.dsn) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        row = connection.execute(query).fetchone()
    return row is not None and row[0] > 0


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A lock wait of a known holder, sampled and logged; then a crash of the server."""
    folder = tmp_path_factory.mktemp("recorded")
    with EmbeddedServer(settings={"fsync": "off"}) as server:
        with Sampler(server.dsn, folder, 20, schema="public") as sampler:
            holder, thread = blocked_session(server)
            until(lambda: waiting(server))
            time.sleep(0.5)
            holder.commit()
            thread.join(20)
            holder_pid, size = holder.info.backend_pid, sum(_sizes(sampler))
            holder.close()
            server.kill()
            server.restart()
            until(lambda: sum(_sizes(sampler)) > size + 10_000)
        with RunWriter(folder / "run") as writer:
            for table, spools in sampler.spools.items():
                export_spools(writer, table, spools)
            export_log(writer, server.csvlog_files(), folder / "log.jsonl")
            yield {"writer": writer, "sampler": sampler, "holder": holder_pid}


def _sizes(sampler: Sampler) -> list[int]:
    return [p.stat().st_size for files in sampler.spools.values() for p in files if p.exists()]


pytestmark = pytest.mark.engine


def test_a_waiter_is_sampled_with_its_blocker(recorded: dict[str, Any]) -> None:
    found = rows(
        recorded["writer"],
        "pg_activity",
        "SELECT DISTINCT wait_event_type, wait_event, blocked_by, query, state "
        "FROM t WHERE application_name = 'waiter' AND wait_event_type = 'Lock'",
    )
    query = "UPDATE held SET b = '?' WHERE a = ?"
    assert ("Lock", "transactionid", [recorded["holder"]], query, "active") in found


def test_the_holder_is_sampled_idle_in_transaction_and_free(recorded: dict[str, Any]) -> None:
    found = rows(
        recorded["writer"],
        "pg_activity",
        "SELECT DISTINCT state, wait_event_type, wait_event, blocked_by FROM t "
        "WHERE application_name = 'holder' AND state = 'idle in transaction'",
    )
    assert ("idle in transaction", "Client", "ClientRead", []) in found
    assert all(blocked_by == [] for *_, blocked_by in found)


def test_every_sample_has_one_time_and_no_sampler(recorded: dict[str, Any]) -> None:
    found = rows(
        recorded["writer"],
        "pg_activity",
        "SELECT count(DISTINCT sampled_at), "
        "count(*) FILTER (WHERE application_name = 'walletlab sampler') FROM t",
    )
    assert found == [(found[0][0], 0)]
    assert found[0][0] <= recorded["sampler"].told["samples"]
    assert found[0][0] > 10


def test_the_sampler_comes_back_after_a_crash_and_says_so(recorded: dict[str, Any]) -> None:
    assert recorded["sampler"].told["lost_connections"] >= 1


def test_counters_of_the_server_and_of_the_schema_are_there(recorded: dict[str, Any]) -> None:
    found = rows(recorded["writer"], "pg_counters", "SELECT DISTINCT view, object, metric FROM t")
    names = set(found)
    for name in (
        ("pg_stat_database", "postgres", "deadlocks"),
        ("pg_stat_database", "postgres", "xact_commit"),
        ("pg_stat_user_tables", "held", "n_dead_tup"),
        ("pg_stat_wal", "server", "wal_bytes"),
        ("pg_stat_checkpointer", "server", "num_requested"),
        ("pg_stat_activity", "server", "max_connections"),
        ("pg_stat_activity", "server", "xact_age_us_max"),
    ):
        assert name in names


def test_the_log_has_the_wait_with_its_numbers_and_masked_statement(
    recorded: dict[str, Any],
) -> None:
    found = rows(
        recorded["writer"],
        "pg_log",
        "SELECT message, detail, query FROM t WHERE message LIKE '%still waiting for ShareLock%'",
    )
    assert found
    message, detail, query = found[0]
    assert "ShareLock on transaction " in message
    assert detail.startswith(f"Process holding the lock: {recorded['holder']}.")
    assert query == "UPDATE held SET b = '?' WHERE a = ?"


def test_no_literal_reaches_any_table(recorded: dict[str, Any]) -> None:
    for table in ("pg_activity", "pg_log"):
        text = str(rows(recorded["writer"], table))
        assert "UPDATE held" in text
        assert SECRET not in text


def test_crash_recovery_is_in_the_log(recorded: dict[str, Any]) -> None:
    found = str(rows(recorded["writer"], "pg_log", "SELECT message FROM t"))
    assert "not properly shut down; automatic recovery in progress" in found


def test_a_sampler_without_a_server_fails_in_one_line(tmp_path: Path) -> None:
    sampler = Sampler("host=127.0.0.1 port=1 user=x", tmp_path)
    with pytest.raises(EnvironmentFault, match="sampler cannot connect"):
        sampler.start()
    sampler.stop()


def test_a_sampler_that_died_is_no_quiet_gap(server: EmbeddedServer, tmp_path: Path) -> None:
    sampler = Sampler(server.dsn, tmp_path, schema="public")
    sampler.start()
    psutil.Process(sampler.pid).kill()
    with pytest.raises(EnvironmentFault, match=r"reference_engine\.sampler ended"):
        sampler.stop()


def test_a_sample_that_fails_for_good_is_told(server: EmbeddedServer, tmp_path: Path) -> None:
    """Not a lost connection, which is waited for: here the role loses the right to look."""
    sampler = Sampler(server.dsn, tmp_path, 20, schema="public")
    sampler.start()
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("ALTER VIEW pg_stat_activity RENAME TO pg_stat_activity_gone")
        try:
            time.sleep(0.3)
            with pytest.raises(EnvironmentFault, match="sampling ended"):
                sampler.stop()
        finally:
            connection.execute("ALTER VIEW pg_stat_activity_gone RENAME TO pg_stat_activity")


def test_a_line_cut_off_by_a_crash_is_left_out(tmp_path: Path, writer: RunWriter) -> None:
    spool = tmp_path / "events-0.jsonl"
    event = '{"at": 1000000, "kind": "load", "label": "%s", "important": true}\n'
    spool.write_text(event % "whole" + (event % "cut")[:40], "utf-8")
    assert export_spools(writer, "events", [spool]) == 1
    only_a_piece = tmp_path / "events-1.jsonl"
    only_a_piece.write_text('{"at": 10', "utf-8")
    assert export_spools(writer, "events", [only_a_piece, tmp_path / "missing.jsonl"]) == 0


def test_a_key_written_twice_is_kept_once_as_last_written(
    tmp_path: Path, writer: RunWriter
) -> None:
    charge = {"charge_id": "ch1", "idempotency_key": "k", "amount_jpy": 5, "at": 1}
    both = [charge | {"status": "captured"}, charge | {"status": "voided"}]
    export_rows(writer, "gateway_charges", both, tmp_path / "charges.jsonl")
    assert rows(writer, "gateway_charges", "SELECT status FROM t") == [("voided",)]


def test_only_charges_that_hit_a_card_are_exported(tmp_path: Path, writer: RunWriter) -> None:
    states = ("captured", "declined", "voided", "refunded", "cancelled")
    books = [Charge(n, f"k{n}", 10, state, None, n) for n, state in enumerate(states, 1)]
    assert export_charges(writer, books, tmp_path / "charges.jsonl") == 3
    found = rows(writer, "gateway_charges", "SELECT status FROM t ORDER BY charge_id")
    assert found == [("captured",), ("voided",), ("refunded",)]


def test_log_lines_keep_evidence_and_lose_values(tmp_path: Path) -> None:
    def line(message: str, detail: str = "", context: str = "") -> str:
        fields = ["2026-01-02 03:04:05.678 UTC", "u", "d", "12", "[local]", "6b.1", "1", "", ""]
        fields += ["", "0", "LOG", "00000", message, detail, "", "", "", context, "", "", ""]
        fields += ["app", "client backend", "", "0"]
        return ",".join('"' + f.replace('"', '""') + '"' for f in fields) + "\n"

    log = tmp_path / "server.csv"
    log.write_text(
        line("duration: 12.5 ms  statement: SELECT 'tarou' WHERE x = 5")
        + line("deadlock detected", "Process 3 waits.\nProcess 3: UPDATE a SET b = 'tarou'")
        + line("duplicate key", "Key (name)=(tarou) already exists.")
        + line("function failed", "", "SQL statement \"SELECT 'tarou'\"\nPL/pgSQL function f()")
        + '"2026-01-02 03:04:06.0',
        "utf-8",
    )
    found = list(read_csvlogs([log]))
    assert found[0]["message"] == ("duration: 12.5 ms  statement: SELECT '?' WHERE x = ?")
    assert found[1]["detail"] == "Process 3 waits.\nProcess 3: UPDATE a SET b = '?'"
    assert found[2]["detail"] == "Key (name)=(?) already exists."
    assert found[3]["context"] == "SQL statement SELECT '?'\nPL/pgSQL function f()"
    assert "tarou" not in str(found)
    assert len(found) == 4
    assert (found[0]["process_id"], found[0]["transaction_id"]) == (12, None)


@pytest.mark.parametrize(
    ("statement", "masked"),
    [
        ('SELECT $1, a1 FROM "t 2" LIMIT 10', 'SELECT $1, a1 FROM "t 2" LIMIT ?'),
        ("SELECT $tag$se'cret$tag$ + 1.5e3", "SELECT '?' + ?"),
        ("SELECT $$secret$$, 'a''b'", "SELECT '?', '?'"),
        (r"SELECT E'a\'b', 'c\', 5", r"SELECT '?', '?', ?"),
        ("SELECT 1 -- card 4111", "SELECT ? /*?*/"),
        ("SELECT 1 /* 4111 */ + 2", "SELECT ? /*?*/ + ?"),
        ("INSERT INTO t VALUES (-5, 'cut o", "INSERT INTO t VALUES (-?, '?'"),
    ],
)
def test_literals_are_masked_and_the_rest_stays(statement: str, masked: str) -> None:
    assert mask_sql(statement) == masked


def test_role_without_privileges_is_enough_for_sampling(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    """On a user's server the run's role is no superuser, and may not change what is logged."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE plain LOGIN")
        try:
            plain = server.dsn.replace("user=postgres", "user=plain")
            with Sampler(plain, tmp_path, 20, schema="public") as sampler:
                until(lambda: sum(_sizes(sampler)) > 0)
            assert sampler.told["samples"] > 0
        finally:
            connection.execute("DROP ROLE plain")
