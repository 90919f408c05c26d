"""The embedded server and the schema on a user's server: durable, alone, and gone afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from reference_engine.guardian import Guardian
from reference_engine.postgres import EmbeddedServer, ExternalServer
from runlog.errors import EnvironmentFault, UsageFault

pytestmark = pytest.mark.engine


def until(condition, limit_s=15.0):
    """Wait until `condition()` is true; return whether it became so."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


def test_embedded_server_is_durable_logs_csv_and_leaves_nothing(tmp_path):
    with EmbeddedServer() as server:
        settings = server.settings()
        folder, pid = server.folder, server.pid
        log = server.csvlog_files()
        assert folder.exists()
        assert len(log) == 1
    wanted = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
    wanted |= {"log_lock_waits": "on", "deadlock_timeout": "100ms", "log_timezone": "UTC"}
    assert {k: settings[k] for k in wanted} == wanted
    assert settings["server_version"].startswith("18.")
    assert not folder.exists()
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("way", ["kill", "stop_immediately", "stop"])
def test_committed_rows_survive_every_way_down(way):
    with EmbeddedServer() as server:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept VALUES (7)")
        getattr(server, way)()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.dsn, connect_timeout=2)
        server.restart()
        with psycopg.connect(server.dsn) as connection:
            assert connection.execute("SELECT n FROM kept").fetchall() == [(7,)]
        crashed = any("not properly shut down" in p.read_text() for p in server.csvlog_files())
        assert crashed == (way != "stop")


def test_settings_given_and_changed_take_effect():
    with EmbeddedServer(settings={"work_mem": "9MB", "autovacuum": False}) as server:
        server.set(deadlock_timeout="250ms")
        assert server.settings()["deadlock_timeout"] == "250ms"
        with psycopg.connect(server.dsn) as connection:
            assert connection.execute("SHOW work_mem").fetchone() == ("9MB",)
            assert connection.execute("SHOW autovacuum").fetchone() == ("off",)


def test_taken_data_directory_is_left_alone(tmp_path):
    (tmp_path / "theirs").write_text("mine")
    with pytest.raises(UsageFault, match="taken"):
        EmbeddedServer(tmp_path).__enter__()
    assert [p.name for p in tmp_path.iterdir()] == ["theirs"]


@pytest.fixture
def open_folder():
    """A folder that the server's account can enter; root's tmp_path is closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_running_servers_data_directory_is_taken(open_folder):
    with EmbeddedServer(open_folder / "d"), pytest.raises(UsageFault, match="taken"):
        EmbeddedServer(open_folder / "d").__enter__()
    assert not (open_folder / "d").exists()


def test_folder_with_a_hostile_name_is_as_good_as_any(open_folder):
    folder = open_folder / """it's "a\\b" %s = \u96fb"""
    with EmbeddedServer(folder, settings={"search_path": "it's, \\x"}) as server:
        with psycopg.connect(server.dsn) as connection:
            assert connection.execute("SHOW search_path").fetchone() == ("it's, \\x",)
        assert str(server.sockets).startswith(str(folder))
    assert not folder.exists()


@pytest.mark.parametrize("name", ["a,b", "n" * 110], ids=["comma", "too long"])
def test_folder_that_no_client_could_name_is_refused(open_folder, monkeypatch, name):
    with pytest.raises(UsageFault, match="another data directory"):
        EmbeddedServer(open_folder / name).__enter__()
    assert list(open_folder.iterdir()) == []
    (open_folder / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder / name))
    with pytest.raises(EnvironmentFault, match="TMPDIR"):
        EmbeddedServer().__enter__()
    assert list((open_folder / name).iterdir()) == []


HOSTILE = {
    "PGHOST": "203.0.113.9",
    "PGHOSTADDR": "203.0.113.9",
    "PGPORT": "1",
    "PGUSER": "nobody_known",
    "PGDATABASE": "none",
    "PGOPTIONS": "-c default_transaction_read_only=on",
    "PGSERVICE": "no_such_service",
    "PGSSLMODE": "verify-full",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGREQUIREPEER": "somebody_else",
    "PGTARGETSESSIONATTRS": "standby",
    "PGDATESTYLE": "German",
    "PGTZ": "No/Where",
    "PGDATA": "/nonexistent",
}


def test_pg_variables_of_the_environment_do_not_reach_an_embedded_server(tmp_path):
    """libpq would take each of them for this server, too; outside they are as they were."""
    script = tmp_path / "embedded.py"
    script.write_text(
        textwrap.dedent("""
        import os, subprocess, sys
        import psycopg
        from reference_engine.postgres import EmbeddedServer
        query = "SELECT current_user, current_database(), now()::text"
        child = "import psycopg, sys; print(psycopg.connect(sys.argv[1]).execute(sys.argv[2]))"
        before = dict(os.environ)
        with EmbeddedServer() as server:
            with EmbeddedServer() as other:
                assert other.settings()["fsync"] == "on"
            with psycopg.connect(server.dsn) as connection:
                assert connection.execute(query).fetchone()[:2] == ("postgres", "postgres")
                connection.execute("SELECT now()").fetchone()
            subprocess.run([sys.executable, "-c", child, server.dsn, query], check=True)
        assert dict(os.environ) == before
        """)
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | HOSTILE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_bad_setting_is_told_in_one_line_and_leaves_nothing(open_folder):
    with pytest.raises(EnvironmentFault) as caught:
        EmbeddedServer(open_folder / "d", settings={"shared_buffers": "lots"}).__enter__()
    assert "shared_buffers" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (open_folder / "d").exists()


def test_permissions_of_closed_folders_are_not_widened(open_folder):
    """As root the server runs under another account, and a closed folder stays closed to it."""
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    if os.geteuid() != 0:
        with EmbeddedServer(closed / "d") as server:
            assert server.settings()["fsync"] == "on"
        return
    with pytest.raises(EnvironmentFault, match="reach"):
        EmbeddedServer(closed / "d").__enter__()
    assert closed.stat().st_mode & 0o777 == 0o700
    assert list(closed.iterdir()) == []


def test_schema_on_a_users_server_is_dropped_and_nothing_else_touched(server):
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        before = _everything(connection)
        with ExternalServer(server.dsn) as first, ExternalServer(server.dsn) as second:
            assert first.schema != second.schema
            assert {first.schema, second.schema} <= {n for n, _ in _everything(connection)}
        assert _everything(connection) == before


def test_schema_that_cannot_be_dropped_is_told_with_the_way_out(server, capsys):
    external = ExternalServer(server.dsn).__enter__()
    external.dsn = "host=127.0.0.1 port=1 connect_timeout=2"
    external.__exit__()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("walletlab: the run's schema could not be dropped")
    statement = line.partition("by hand: ")[2]
    assert external.schema in statement
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(statement)
        assert external.schema not in {n for n, _ in _everything(connection)}


def _everything(connection):
    rows = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_namespace AS n "
        "LEFT JOIN pg_class AS c ON c.relnamespace = n.oid "
        "WHERE n.nspname NOT LIKE 'pg_%' AND n.nspname NOT LIKE 'test_%' ORDER BY 1, 2"
    )
    return rows.fetchall()


def test_unreachable_server_is_told_in_one_line():
    with pytest.raises(EnvironmentFault) as caught:
        ExternalServer("host=127.0.0.1 port=1 connect_timeout=2").__enter__()
    assert "\n" not in str(caught.value)
    assert "--dsn" in str(caught.value)


def test_killed_parent_takes_everything_along(server, tmp_path):
    """SIGKILL leaves no time to clean up: the guardian does it."""
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent("""
        import subprocess, sys, tempfile, time
        from pathlib import Path
        from reference_engine.guardian import Guardian
        from reference_engine.postgres import EmbeddedServer, ExternalServer
        with Guardian() as guardian, EmbeddedServer(guardian=guardian) as server:
            external = ExternalServer(sys.argv[1], guardian=guardian).__enter__()
            child = subprocess.Popen(["sleep", "100"], start_new_session=True)
            guardian.watch_process(child.pid)
            folder = Path(tempfile.mkdtemp())
            guardian.watch_folder(folder)
            print(server.folder, server.pid, child.pid, folder, external.schema, flush=True)
            time.sleep(100)
        """)
    )
    parent = subprocess.Popen(
        [sys.executable, str(script), server.dsn], stdout=subprocess.PIPE, text=True
    )
    data, postmaster, child, folder, schema = parent.stdout.readline().split()
    parent.kill()
    parent.wait(10)
    parent.stdout.close()
    assert until(lambda: not psutil.pid_exists(int(postmaster)))
    assert until(lambda: not Path(data).exists() and not Path(folder).exists())
    assert until(lambda: not psutil.pid_exists(int(child)))
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        query = "SELECT count(*) FROM pg_namespace WHERE nspname = %s"
        assert until(lambda: connection.execute(query, [schema]).fetchone() == (0,))


def test_killed_parent_takes_along_what_it_did_not_have_watched(server, tmp_path):
    """As above with servers nobody was told to guard, and a statement that outlives its client."""
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent("""
        import sys, threading, time
        import psycopg
        from reference_engine.postgres import EmbeddedServer, ExternalServer
        server = EmbeddedServer().__enter__()
        external = ExternalServer(sys.argv[1]).__enter__()
        connection = psycopg.connect(sys.argv[1], application_name="outlives its client")
        connection.execute(f"CREATE TABLE {external.schema}.t AS SELECT 1")
        connection.commit()
        query = f"SELECT pg_sleep(4) FROM {external.schema}.t"
        threading.Thread(target=connection.execute, args=(query,), daemon=True).start()
        time.sleep(0.5)
        print(server.folder, server.pid, external.schema, flush=True)
        time.sleep(100)
        """)
    )
    parent = subprocess.Popen(
        [sys.executable, str(script), server.dsn], stdout=subprocess.PIPE, text=True
    )
    data, postmaster, schema = parent.stdout.readline().split()
    parent.kill()
    parent.wait(10)
    parent.stdout.close()
    assert until(lambda: not psutil.pid_exists(int(postmaster)))
    assert until(lambda: not Path(data).exists())
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        query = "SELECT count(*) FROM pg_namespace WHERE nspname = %s"
        assert until(lambda: connection.execute(query, [schema]).fetchone() == (0,))


def test_guardian_touches_nothing_after_an_orderly_end(tmp_path):
    child = subprocess.Popen(["sleep", "100"], start_new_session=True)
    with Guardian() as guardian:
        guardian.watch_process(child.pid)
        guardian.watch_folder(tmp_path)
    time.sleep(0.3)
    assert child.poll() is None
    assert tmp_path.exists()
    child.kill()
    child.wait(10)
