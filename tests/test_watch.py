"""`walletlab watch` on live servers: the embedded one, and Debian's with both extensions."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from log_case import import_text, record, summary_of, table

from analysis.watch import Watch
from reference_engine.postgres import EmbeddedServer
from runlog.manifest import read_manifest
from runlog.reader import open_run

DEBIAN = Path("/usr/lib/postgresql/15")
pytestmark = pytest.mark.engine


@pytest.fixture
def embedded(server: EmbeddedServer) -> str:
    return server.dsn


@pytest.fixture(scope="module")
def debian() -> Iterator[str]:
    """A throw-away PostgreSQL 15 with pg_stat_statements and pg_wait_sampling."""
    if not (DEBIAN / "lib" / "pg_wait_sampling.so").exists():
        pytest.skip("no /usr/lib/postgresql/15 with pg_wait_sampling (apt-get install it)")
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="pg15"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    data, program = folder / "data", DEBIAN / "bin"

    def call(*command: object) -> None:
        subprocess.run(
            [*as_user, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/"
        )

    call(program / "initdb", "-D", data, "-U", "postgres", "-A", "trust")
    with (data / "postgresql.conf").open("a") as file:
        file.write(
            f"listen_addresses = ''\nunix_socket_directories = '{folder}'\n"
            "shared_preload_libraries = 'pg_stat_statements,pg_wait_sampling'\nfsync = off\n"
        )
    call(program / "pg_ctl", "-D", data, "-w", "-l", folder / "start", "start")
    try:
        dsn = f"host={folder} user=postgres dbname=postgres"
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            connection.execute("CREATE EXTENSION pg_wait_sampling")
            connection.execute("CREATE ROLE watcher LOGIN")
            connection.execute("GRANT pg_monitor TO watcher")
            connection.execute("CREATE ROLE nobody LOGIN")
        yield dsn
    finally:
        call(program / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def lock_chain(dsn: str, seconds: float) -> threading.Thread:
    """A holder and a waiter on one row, for some seconds."""

    def play() -> None:
        with (
            psycopg.connect(dsn, application_name="holder") as holder,
            psycopg.connect(dsn, application_name="waiter") as waiter,
        ):
            holder.execute("CREATE TABLE IF NOT EXISTS watched (id int primary key, note text)")
            holder.execute("INSERT INTO watched VALUES (1, '') ON CONFLICT DO NOTHING")
            holder.commit()
            holder.execute("UPDATE watched SET note = 'Jane Roe' WHERE id = 1")
            blocked = threading.Thread(
                target=waiter.execute, args=("UPDATE watched SET note = 'secret 42' WHERE id = 1",)
            )
            blocked.start()
            time.sleep(seconds)
            holder.commit()
            blocked.join()
            waiter.commit()

    thread = threading.Thread(target=play)
    thread.start()
    return thread


def watched(dsn: str, out: Path, seconds: float = 2.5, **more: Any) -> Watch:
    watch = Watch(dsn, duration_s=seconds, **more)
    watch.record(out, echo=lambda _: None)
    return watch


def test_watching_sees_who_blocks_whom_and_masks_values(embedded: str, tmp_path: Path) -> None:
    load = lock_chain(embedded, 2.0)
    watch = watched(embedded, tmp_path / "run")
    load.join()
    assert watch.told["samples"] >= 5
    open_run(tmp_path / "run").close()  # keeps the contract
    activity = table(tmp_path / "run", "pg_activity")
    waiting = activity[activity["application_name"] == "waiter"]
    holders = set(activity[activity["application_name"] == "holder"]["pid"])
    blockers = {int(pid) for row in waiting["blocked_by"].dropna() for pid in row}
    assert blockers <= holders
    assert blockers
    queries = "\n".join(activity["query"].dropna())
    assert "UPDATE watched" in queries
    assert "Jane" not in queries
    assert "secret" not in queries
    assert "walletlab watch" not in set(activity["application_name"])
    manifest = read_manifest(tmp_path / "run")
    assert manifest.kind == "watched"
    assert manifest.postgres["max_connections"]
    assert summary_of(tmp_path / "run")["rows"]["pg_activity"] == len(activity)


def test_server_logs_join_a_watched_run(embedded: str, tmp_path: Path) -> None:
    watched(embedded, tmp_path / "run", 0.5)
    before = read_manifest(tmp_path / "run")
    import_text(tmp_path, record(1, "checkpoint starting: time"))
    after = read_manifest(tmp_path / "run")
    open_run(tmp_path / "run").close()
    assert set(after.tables) == {"pg_activity", "pg_counters", "pg_log"}
    assert after.kind == "watched"
    assert (after.flags, after.postgres) == (before.flags, before.postgres)
    assert after.clock.wall_end == before.clock.wall_end
    assert after.clock.wall_start < before.clock.wall_start


def test_extensions_are_used_by_a_monitoring_role(debian: str, tmp_path: Path) -> None:
    load = lock_chain(debian, 1.0)
    dsn = debian.replace("user=postgres", "user=watcher")
    watch = watched(dsn, tmp_path / "run")
    load.join()
    counters = table(tmp_path / "run", "pg_counters")
    views = set(counters["view"])
    assert views >= {
        "pg_stat_statements", "pg_wait_sampling_profile", "pg_stat_database", "pg_stat_bgwriter",
    }  # fmt: skip
    assert "public.watched" in set(counters[counters["view"] == "pg_stat_user_tables"]["object"])
    assert not any("hidden" in note for note in watch.notes)


def test_a_role_without_rights_is_told_what_it_misses(debian: str, tmp_path: Path) -> None:
    watch = watched(debian.replace("user=postgres", "user=nobody"), tmp_path / "run", 0.5)
    assert any("pg_monitor" in note for note in watch.notes)
    assert watch.told["samples"] >= 1


def test_who_may_not_see_who_waits_does_not_say_that_nobody_does(
    embedded: str, tmp_path: Path
) -> None:
    with psycopg.connect(embedded, autocommit=True) as owner:
        owner.execute("CREATE ROLE unseeing LOGIN")
    try:
        thread = lock_chain(embedded, 1.5)
        watched(embedded.replace("user=postgres", "user=unseeing"), tmp_path / "run", 1.5)
        thread.join()
    finally:
        with psycopg.connect(embedded, autocommit=True) as owner:
            owner.execute("DROP ROLE unseeing")
    activity = table(tmp_path / "run", "pg_activity")
    chain = activity[activity["application_name"].isin(["holder", "waiter"])]
    assert len(chain)
    assert chain["state"].isna().all()
    assert chain["blocked_by"].isna().all()


def test_watching_writes_nothing_into_the_server(debian: str, tmp_path: Path) -> None:
    watch = Watch(debian, duration_s=0.3)
    with watch._connect() as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("CREATE TABLE intruder (id int)")


def test_ctrl_c_leaves_a_complete_run(embedded: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-c", "from analysis.cli import main; main()", "watch"]
    process = subprocess.Popen(
        [*command, "--dsn", embedded, "--out", str(out)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "watching" in process.stderr.readline()
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert summary_of(out)["rows"]["pg_activity"] > 0


def test_slow_samples_are_followed_by_rest_and_counted() -> None:
    watch = Watch("", hz=10.0)
    began = time.monotonic() - 0.2  # a sample that took 200 ms
    due = watch._next(began, began, 0.1)
    assert due - time.monotonic() > 3.5
    assert watch.told["rests"] == 1


def test_a_server_that_restarts_is_found_again(tmp_path: Path) -> None:
    with EmbeddedServer() as server:
        watch = Watch(server.dsn, duration_s=6.0)
        worker = threading.Thread(
            target=watch.record, args=(tmp_path / "run",), kwargs={"echo": lambda _: None}
        )
        worker.start()
        time.sleep(1.0)
        before = watch.told["samples"]
        server.kill()
        server.restart()
        worker.join(timeout=60)
    assert watch.told["lost_connections"] >= 1
    assert watch.told["samples"] > before >= 1
    open_run(tmp_path / "run").close()
