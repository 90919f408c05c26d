"""The lost synchronous standby: a second embedded server that streams, answers, and goes away."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from pydantic import Field

from reference_engine.faults.base import Fault, FaultContext, FaultParameters
from reference_engine.postgres import EmbeddedServer
from reference_engine.server_environment import server_environment
from reference_engine.server_folder import PORT
from runlog.errors import EnvironmentFault

STANDBY = "walletlab_standby"
_PATIENCE_S = 30.0


class SyncStandbyLost(Fault):
    """Commits wait for a synchronous standby that is gone.

    A real standby is made with pg_basebackup before the load starts, and every commit waits for it.
    It is stopped at the start of the window and started again at its end.

    Signature: all who commit stand in IPC/SyncRep, reads go on; nothing in the statistics views but
    a missing row in pg_stat_replication; the log tells of a cancelled wait only when one is.
    Source: GoCardless 2017-10-10 (gocardless.com incident review: a PostgreSQL cluster whose
    failover did not promote, 1 h 50 min). Measured shape: 32 of 32 sessions in IPC/SyncRep.
    """

    name = "sync_standby_lost"
    target = "standby"
    needs_embedded_server = True

    class Parameters(FaultParameters):
        catch_up_s: float = Field(default=10.0, gt=0, le=600)  # limit of waiting at the end

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(parameters)
        self._standby: _Standby | None = None

    def prepare(self, ctx: FaultContext) -> None:
        """Copy the server, start the copy as a standby, and make commits wait for it."""
        assert isinstance(ctx.server, EmbeddedServer)
        self._standby = _Standby(ctx.server)
        self._standby.make()
        self._standby.start()
        self._standby.wait_streaming(_PATIENCE_S)
        ctx.server.set(synchronous_standby_names=STANDBY)

    def inject(self, ctx: FaultContext) -> None:
        """Stop the standby."""
        assert self._standby is not None
        self._standby.stop()

    def heal(self, ctx: FaultContext) -> None:
        """Start it again; commits go on once it has caught up."""
        assert self._standby is not None
        self._standby.start()
        self._standby.wait_streaming(self.parameters.catch_up_s)

    def close(self, ctx: FaultContext) -> None:
        """Release the commits for good and remove the standby."""
        if self._standby is not None:
            with contextlib.suppress(psycopg.Error):
                self._standby.primary.set(synchronous_standby_names="")
            self._standby.stop()
            self._standby.remove()
            self._standby = None


class _Standby:
    """The standby's folder and process, beside those of its primary and under the same account."""

    def __init__(self, primary: EmbeddedServer) -> None:
        self.primary = primary
        self.folder = primary.folder / "standby"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def make(self) -> None:
        """Take a base backup of the primary and set it up to follow."""
        self.folder.mkdir(mode=0o755)
        self._give_away(self.folder)
        arguments = ["-D", str(self.data), "--checkpoint=fast", "--wal-method=stream", "--no-sync"]
        source = self.primary.dsn
        self.primary.run("pg_basebackup", *arguments, "-d", source)
        shutil.rmtree(self.data / "server_log", ignore_errors=True)
        (self.data / "standby.signal").touch()
        self._give_away(self.data / "standby.signal")
        settings = {
            "primary_conninfo": make_conninfo(source, application_name=STANDBY),
            "port": PORT + 1,  # in the socket folder of its primary
            "shared_buffers": "32MB",
            "synchronous_standby_names": "",
            "log_directory": "standby_log",
        }
        self.primary.configure(self.data, settings)

    def _give_away(self, path: Path) -> None:
        """Let the account of the servers own it."""
        if identity := self.primary.identity():
            os.chown(path, identity["user"], identity["group"])

    def start(self) -> None:
        """Start the standby's server process."""
        with (self.folder / "standby.out").open("ab") as out:
            self._process = subprocess.Popen(
                [str(self.primary.binaries / "postgres"), "-D", str(self.data)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd="/",
                env=server_environment(),
                start_new_session=True,
                **self.primary.identity(),
            )
        self.primary.watch(self._process.pid)

    def wait_streaming(self, limit_s: float) -> None:
        """Block until the primary streams to it. Raises EnvironmentFault after `limit_s`."""
        deadline = time.monotonic() + limit_s
        query = (
            "SELECT count(*) FROM pg_stat_replication WHERE application_name = %s AND state = %s"
        )
        while time.monotonic() < deadline:
            with contextlib.suppress(psycopg.OperationalError):
                with psycopg.connect(self.primary.dsn, autocommit=True) as connection:
                    row = connection.execute(query, (STANDBY, "streaming")).fetchone()
                if row and row[0]:
                    return
            time.sleep(0.05)
        out = (self.folder / "standby.out").read_text("utf-8", "replace").splitlines()[-1:]
        todo = f"it had {limit_s:g} s; free processors and run it again"
        raise EnvironmentFault("the standby does not stream", "".join(out), todo)

    def stop(self) -> None:
        """Stop the standby at once (immediate shutdown)."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            self._process = None

    def remove(self) -> None:
        """Remove its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
