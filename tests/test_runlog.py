"""The contract: a run directory is complete and valid, or it is refused with every fault named."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runlog.errors import BadData, EnvironmentFault, UsageFault
from runlog.manifest import Clock, Manifest
from runlog.reader import open_run
from runlog.schema import CHECKED, TABLES
from runlog.writer import RunWriter, connect

NOW = datetime(2018, 10, 9, 5, 14, tzinfo=UTC)
EVENT = """SELECT TIMESTAMPTZ '2018-10-09 05:14:00+00' AS at, 'load' AS kind, 'x' AS label,
    true AS important"""


def manifest() -> Manifest:
    return Manifest(run_id="r", kind="imported", clock=Clock(scenario_start=None, wall_start=NOW))


def write(out: Path, query: str = EVENT, table: str = "events") -> Path:
    with RunWriter(out) as writer:
        writer.add(table, query)
        return writer.commit(manifest())


def test_a_written_run_reads_back_row_for_row(tmp_path):
    run = open_run(write(tmp_path / "run"))
    rows = run.connection.execute(
        'SELECT "at"::VARCHAR, kind, label, important FROM events'
    ).fetchall()
    assert rows == [("2018-10-09 05:14:00+00", "load", "x", True)]
    assert run.rows("events") == 1


def test_a_table_that_was_not_recorded_is_told_apart_from_an_empty_one(tmp_path):
    run = open_run(write(tmp_path / "run", EVENT + " LIMIT 0"))
    assert run.has("events")
    assert not run.has("requests")
    assert run.connection.execute("SELECT count(*) FROM requests").fetchall() == [(0,)]


def test_equal_data_in_another_order_give_equal_bytes(tmp_path):
    second = EVENT.replace("'x'", "'y'")
    write(tmp_path / "a", f"{EVENT} UNION ALL {second}")
    write(tmp_path / "b", f"{second} UNION ALL {EVENT}")
    a = (tmp_path / "a" / "events.parquet").read_bytes()
    assert a == (tmp_path / "b" / "events.parquet").read_bytes()


def test_a_run_is_never_overwritten(tmp_path):
    out = write(tmp_path / "run")
    with pytest.raises(UsageFault, match="output exists"):
        write(out)
    open_run(out)


def test_an_exception_leaves_nothing_behind(tmp_path):
    with pytest.raises(ZeroDivisionError), RunWriter(tmp_path / "run") as writer:
        writer.add("events", EVENT)
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_missing_column_is_named(tmp_path):
    with pytest.raises(BadData, match=r"table events .*important"):
        write(tmp_path / "run", EVENT.replace(",\n    true AS important", ""))


def test_truncated_parquet_is_named_with_its_table(tmp_path):
    out = write(tmp_path / "run")
    path = out / "events.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadData, match=r"events: events\.parquet"):
        open_run(out)


def test_missing_file_is_named(tmp_path):
    out = write(tmp_path / "run")
    (out / "events.parquet").unlink()
    with pytest.raises(BadData, match=r"events\.parquet is missing"):
        open_run(out)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"contract_version": 1}', '{"surprise": 1}'])
def test_broken_manifest_is_one_clear_line(tmp_path, content):
    out = write(tmp_path / "run")
    (out / "manifest.json").write_text(content)
    with pytest.raises(BadData, match="broken manifest") as caught:
        open_run(out)
    assert "\n" not in str(caught.value)


def test_unknown_table_in_the_manifest_is_named(tmp_path):
    out = write(tmp_path / "run")
    document = json.loads((out / "manifest.json").read_text())
    document["tables"]["surprises"] = document["tables"]["events"]
    (out / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(BadData, match="unknown table surprises"):
        open_run(out)


def test_every_fault_of_the_rows_is_found_at_once_with_an_example(tmp_path):
    """The writer casts types but trusts its producer with the rest, so the reader checks."""
    bad = """
        SELECT 'r1' AS request_id, 'k' AS idempotency_key, 'gift' AS operation,
               NULL AS needs_auto_charge, 1 AS wallet_id,
               2 AS counterparty_id, 5 AS amount_jpy, 1 AS attempt, 0 AS front_id,
               NULL AS scheduled_at, NULL AS started_at, NULL AS finished_at, 'lost' AS outcome,
               NULL AS reason
        FROM range(2)"""
    out = write(tmp_path / "run", bad, "requests")
    with pytest.raises(BadData) as caught:
        open_run(out)
    text = str(caught.value)
    assert "requests.operation: is not in the closed list in 2 row(s), e.g. request_id=r1" in text
    assert "requests.outcome: is not in the closed list" in text
    assert "requests.scheduled_at: is NULL in 2 row(s)" in text
    assert "key (request_id, attempt) not unique" in text
    assert text.startswith("4 fault(s)")


def test_rows_checked_elsewhere_are_not_checked_again_but_the_bytes_are(tmp_path, monkeypatch):
    out = write(tmp_path / "run", f"{EVENT} FROM range(2)")
    with pytest.raises(BadData, match="not unique"):
        open_run(out)
    manifest = (out / "manifest.json").read_bytes()
    monkeypatch.setenv(CHECKED, f"other {hashlib.sha256(manifest).hexdigest()}")
    open_run(out).close()
    table = out / "events.parquet"
    table.write_bytes(table.read_bytes() + b"x")
    with pytest.raises(BadData, match="sha256 differs"):
        open_run(out)


def test_wrong_type_in_a_foreign_file_is_named(tmp_path):
    out = write(tmp_path / "run")
    path = out / "events.parquet"
    con = connect()
    con.execute(
        f"COPY (SELECT '2018' AS at, 'load' AS kind, 'x' AS label, true AS important) TO '{path}'"
    )
    from runlog.writer import sha256_of

    document = json.loads((out / "manifest.json").read_text())
    document["tables"]["events"]["sha256"] = sha256_of(path)
    (out / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(BadData, match=r"events\.at: type VARCHAR, not TIMESTAMP WITH TIME ZONE"):
        open_run(out)


KILLED_WRITER = """
import sys, time
from pathlib import Path
from datetime import datetime, UTC
from runlog.writer import RunWriter
from runlog.manifest import Clock, Manifest
out, stop_at = Path(sys.argv[1]), int(sys.argv[2])
query = '''{event}'''
step = 0
def tick():
    global step
    step += 1
    if step == stop_at:
        print("here", flush=True)
        time.sleep(60)
with RunWriter(out) as writer:
    tick()
    writer.add("events", query)
    tick()
    writer.add_json("truth.json", [])
    tick()
    import runlog.writer as w
    sync = w._sync
    def slow(path):
        sync(path)
        tick()
    w._sync = slow
    now = datetime(2018, 10, 9, tzinfo=UTC)
    clock = Clock(scenario_start=None, wall_start=now)
    writer.commit(Manifest(run_id="r", kind="imported", clock=clock))
    tick()
"""


@pytest.mark.parametrize("stop_at", range(1, 7))
def test_a_killed_writer_never_leaves_what_passes_for_a_run(tmp_path, stop_at):
    """Killed at each step in turn: before the rename there is no run, after it a whole one."""
    out = tmp_path / "run"
    code = KILLED_WRITER.format(event=EVENT)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(out), str(stop_at)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout.readline() == "here\n"
        writer.send_signal(signal.SIGKILL)
    renamed = stop_at >= 6
    assert out.exists() == renamed
    if renamed:
        open_run(out)
    else:
        (orphan,) = tmp_path.iterdir()
        if not (orphan / "manifest.json").exists():
            with pytest.raises(BadData, match="not a run directory"):
                open_run(orphan)
        write(out)
        assert [p.name for p in tmp_path.iterdir()] == ["run"], "the next writer removes the orphan"


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs a small tmpfs")
def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.decode().strip()}")
    try:
        big = EVENT.replace("'x'", "sha256(range::VARCHAR) || sha256((range + 1)::VARCHAR)")
        with pytest.raises(EnvironmentFault, match="no space left") as caught:
            write(small / "run", big + " FROM range(100000)")
        assert "\n" not in str(caught.value)
        assert list(small.iterdir()) == []
    finally:
        for _ in range(20):
            if subprocess.run(["umount", str(small)], capture_output=True).returncode == 0:
                break
            time.sleep(0.1)


def test_every_column_of_the_contract_is_documented():
    for table in TABLES.values():
        assert table.grain
        assert set(table.key) <= set(table.column_names)
        assert all(column.doc for column in table.columns)
