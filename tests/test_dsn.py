"""A user's connection string is checked in one line that never shows a piece of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from runlog.dsn import checked_dsn
from runlog.errors import UsageFault

MISWRITTEN = {
    "percent": "postgresql://user:se%cret@127.0.0.1:1/db",
    "space": "postgresql://user:se cret@127.0.0.1:1/db",
    "at": "postgresql://user:se@cret@127.0.0.1:1/db",
    "slash": "postgresql://user:se/cret@127.0.0.1:1/db",
    "words": "host=127.0.0.1 port=1 password=se cret",
    "quote": "host=127.0.0.1 port=1 password='se cret",
}


@pytest.mark.parametrize("dsn", MISWRITTEN.values(), ids=MISWRITTEN)
def test_miswritten_connection_string_is_not_repeated(dsn):
    with pytest.raises(UsageFault, match="percent-encoded") as caught:
        checked_dsn(dsn)
    assert "cret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "dsn",
    [
        "",
        "postgresql://user:se%25c%40ret@127.0.0.1:5432/db?sslmode=require",
        "host=/tmp port=5432 user=postgres dbname=postgres",
        "postgresql://user@one:5432,two:5433/db",
        "postgresql:///db",
    ],
)
def test_well_written_connection_string_passes(dsn):
    assert checked_dsn(dsn) == dsn


@pytest.mark.parametrize(
    "command", [["run", "healthy"], ["watch", "--for", "1s"]], ids=["run", "watch"]
)
def test_commands_tell_in_one_line_and_without_the_password(command, tmp_path):
    arguments = [*command, "--dsn", MISWRITTEN["percent"], "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", "from analysis.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "connection string cannot be read" in done.stderr.splitlines()[-1]
    assert "cret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
