"""Cleans up after a run whose parent died without a chance to: servers, children, folders, schemas.

`Guardian` starts one small process in a session of its own and tells it, over a pipe, what belongs
to the run. When the pipe ends without a farewell (SIGKILL of the parent, a crash), the process ends
every registered process by its id, drops the run's schema on a user's server and removes the run's
temporary folders. The pipe makes this work alike on Linux and macOS.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from runlog.errors import EnvironmentFault

_PATIENCE_S = 8.0
_SCHEMA_PATIENCE_S = 120.0


class Guardian:
    """Context manager around the guarding process; `watch_*` register what must not outlive us."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Guardian:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reference_engine.guardian"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Everything was ended in order: the guardian goes without touching anything."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(EnvironmentFault):
                self._tell(action="farewell")
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process.wait(10)
            self._process = None

    def watch_process(self, pid: int, gentle: str = "SIGKILL") -> None:
        """End this process with the signal `gentle` (then SIGKILL) when the parent dies."""
        with contextlib.suppress(psutil.NoSuchProcess):
            born = psutil.Process(pid).create_time()
            self._tell(action="process", pid=pid, born=born, signal=gentle)

    def watch_folder(self, folder: Path) -> None:
        """Remove this folder when the parent dies."""
        self._tell(action="folder", path=str(folder))

    def watch_schema(self, dsn: str, schema: str) -> None:
        """Drop this schema when the parent dies."""
        self._tell(action="schema", dsn=dsn, schema=schema)

    def _tell(self, **message: Any) -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            with self._lock:
                self._process.stdin.write(json.dumps(message).encode() + b"\n")
                self._process.stdin.flush()
        except OSError as error:
            what = "the process that cleans up after a crash has ended"
            raise EnvironmentFault(what, error, "nothing was kept; run it again") from error


def _end_process(pid: int, born: float, how: str) -> None:
    """End one process, if it is still the registered one and not a later one of that id."""
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - born) > 1.0:
            return
        process.send_signal(getattr(signal, how))
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(_PATIENCE_S)
        if process.is_running():
            process.kill()
    except psutil.NoSuchProcess:
        return


def _drop_schema(dsn: str, schema: str) -> None:
    import psycopg
    from psycopg import sql

    drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
    deadline = time.monotonic() + _SCHEMA_PATIENCE_S
    while time.monotonic() < deadline:
        # a statement of a dead client runs on to its end, and keeps its locks until then
        with contextlib.suppress(psycopg.Error):
            with psycopg.connect(dsn, connect_timeout=10, autocommit=True) as connection:
                connection.execute("SET lock_timeout = '2s'")
                connection.execute(drop)
            return
        time.sleep(1)


def main() -> None:
    """Listen until the pipe ends; without a farewell, clean up."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    known: list[dict[str, Any]] = []
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if message["action"] == "farewell":
            return
        known.append(message)
    # children of the dead parent first, so that nobody writes while the server goes down
    for message in reversed([m for m in known if m["action"] == "process"]):
        _end_process(message["pid"], message["born"], message["signal"])
    for message in known:
        if message["action"] == "folder":
            for _ in range(20):
                shutil.rmtree(message["path"], ignore_errors=True)
                if not os.path.lexists(message["path"]):
                    break
                time.sleep(0.25)
    for message in known:
        if message["action"] == "schema":
            _drop_schema(message["dsn"], message["schema"])


if __name__ == "__main__":
    main()
