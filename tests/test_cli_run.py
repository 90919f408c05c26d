"""`walletlab run` as a user meets it: one line for what goes wrong, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from analysis.cli import run_cli
from analysis.cli.run import limits_of, parse_flags
from runlog.errors import UsageFault
from runlog.reader import open_run

COMMAND = "import sys; from analysis.cli import main; main(sys.argv[1:])"


def run(*arguments, environment=None):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "run", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | (environment or {}),
        timeout=180,
        check=False,
    )


def told(done):
    """The error line, which must be one line and no traceback."""
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("walletlab:")]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nosuch"], 2, "no such scenario"),
        (["helthy"], 2, "did you mean 'healthy'?"),
        ([], 2, "no scenario given"),
        (["healthy", "--flag", "pool_sise=3"], 2, "pool_sise"),
        (["healthy", "--flag", "pool_size"], 2, "NAME=VALUE"),
        (["healthy", "--flag", "pool_size=-3"], 2, "pool_size"),
        (["healthy", "--design", "phazed"], 2, "did you mean 'phased'?"),
        (["healthy", "--time-scale", "0"], 2, "time scale"),
        (["healthy", "--seed", "-1"], 2, "seed"),
        (["healthy", "--dsn", "host=127.0.0.1 port=1 connect_timeout=2"], 3, "--dsn"),
    ],
)
def test_wrong_call_is_told_in_one_line(arguments, code, words, capsys):
    assert run_cli(["run", *arguments]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert words in lines[-1]
    assert lines[-1].startswith("walletlab: ")


def test_unreachable_server_from_the_environment_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none?connect_timeout=2")
    assert run_cli(["run", "healthy", "--out", str(tmp_path / "run")]) == 3
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


def test_taken_output_and_taken_data_directory_are_refused(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "theirs").write_text("x")
    assert run_cli(["run", "healthy", "--out", str(tmp_path / "run")]) == 2
    assert "output exists" in capsys.readouterr().err
    arguments = ["--data-dir", str(tmp_path / "data"), "--out", str(tmp_path / "new")]
    assert run_cli(["run", "healthy", *arguments]) == 2
    assert "data directory is taken" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "run"]


def test_scenarios_are_listed(capsys):
    assert run_cli(["run", "--list"]) == 0
    assert {"healthy", "kyash-2018-10-09"} <= set(capsys.readouterr().out.split())


def test_flags_that_are_no_pairs_are_refused():
    with pytest.raises(UsageFault, match="NAME=VALUE"):
        parse_flags(("=3",))


def test_licence_gives_limits_in_yen_by_operation():
    assert limits_of("", None) is None
    import datetime as dt

    limits = limits_of("funds_transfer_2", dt.date(2026, 4, 1))
    assert limits == {"p2p_transfer": {"per_transfer": 1_000_000}}


# --- real runs ------------------------------------------------------------------------------------


@pytest.mark.engine
def test_run_prints_its_path_and_nothing_else_on_standard_output(tmp_path):
    out = tmp_path / "run"
    done = run(
        "healthy", "--time-scale", "0.05", "--seed", "7", "--out", str(out), "--flag", "pool_size=3"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}\n"
    opened = open_run(out)
    assert opened.manifest.seed == 7
    assert opened.manifest.flags["pool_size"] == 3
    assert opened.manifest.kind == "engine"
    opened.close()


@pytest.mark.engine
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.parametrize("where", ["--data-dir", "--out"])
def test_full_disk_is_told_in_one_line_and_leaves_nothing(where):
    """A disk of 12 MB holds neither a server's data nor, once filled up, a run."""
    with tempfile.TemporaryDirectory() as disk:
        mount = ["mount", "-t", "tmpfs", "-o", "size=12m,mode=755", "none", disk]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("mounting is not allowed here")
        try:
            if where == "--out":
                _fill(Path(disk) / "ballast")
            before = sorted(Path(disk).iterdir())
            done = run("healthy", "--time-scale", "0.03", where, f"{disk}/made")
            assert done.returncode == 3
            assert "no space left" in told(done)
            assert sorted(Path(disk).iterdir()) == before
        finally:
            subprocess.run(["umount", disk], check=True)


def _fill(path):
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return


@pytest.fixture
def started(tmp_path):
    """A run that has begun, in a process of its own, with a temporary folder of its own."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for folder in (temporary, *temporary.parents):
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    errors = tmp_path / "errors.txt"
    out = tmp_path / "out" / "run"
    with errors.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "run", "healthy", "--out", str(out)],
            stdout=subprocess.DEVNULL,
            stderr=file,
            env=os.environ | {"TMPDIR": str(temporary)},
        )
    deadline = time.monotonic() + 120
    while not _playing(process.pid) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert process.poll() is None, errors.read_text()
    yield process, psutil.Process(process.pid).children(recursive=True), errors
    if process.poll() is None:
        process.kill()
        process.wait(10)


def _playing(pid):
    """True once the sampler runs: everything else was started before it."""
    try:
        commands = [c.cmdline() for c in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return False
    return any("reference_engine.sampler" in part for command in commands for part in command)


def _gone(children, folder, limit_s=25.0):
    """Wait until no child runs and nothing is left; return what is left."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        alive = [c for c in children if c.is_running() and c.status() != psutil.STATUS_ZOMBIE]
        left = [Path(at) / f for at, _, files in os.walk(folder) for f in files]
        left = [p for p in left if p.name != "errors.txt"]
        if not alive and not left:
            return []
        time.sleep(0.1)
    return [*alive, *left]


@pytest.mark.engine
@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_ends_in_order_and_leaves_nothing(started, way):
    process, children, errors = started
    assert len(children) >= 6
    process.send_signal(way)
    assert process.wait(90) == 130
    text = errors.read_text()
    assert "Traceback" not in text
    assert text.strip().splitlines()[-1].startswith("walletlab: interrupted")
    assert _gone(children, errors.parent) == []


@pytest.mark.engine
def test_killed_run_leaves_nothing(started):
    process, children, errors = started
    process.kill()
    process.wait(10)
    assert _gone(children, errors.parent) == []
