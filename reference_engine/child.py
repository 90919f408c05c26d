"""Helper processes of a run: started with one command, controlled by JSON lines over their pipes.

A child prints one JSON line when it is ready, then answers each command line with one line. It ends
when its standard input ends, so that nothing outlives a parent that was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Self

from runlog.errors import EnvironmentFault

READY_TIMEOUT_S = 60.0
Command = dict[str, Any]
Handler = Callable[[Command], Awaitable[dict[str, Any]]]
Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_TODO = "run it again; memory or processors may have been short"


class ChildProcess:
    """One helper process: `start()`, `ask()`, `kill()`, `stop()`. Any thread may ask.

    `module` is run with `python -m`; `configuration` is handed over as the first line of its input.
    Standard error goes to `log`. Raises EnvironmentFault when the child does not come up or dies.
    """

    def __init__(self, module: str, configuration: dict[str, Any], log: Path) -> None:
        self.module = module
        self.configuration = configuration
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: Queue[bytes] = Queue()
        self._owed = 0  # answers to what was asked so far
        self._asking = threading.Lock()

    @property
    def pid(self) -> int:
        """Process id of the running child."""
        return self._running().pid

    @property
    def started(self) -> bool:
        """True from its start until it is stopped or killed here, also when it ended by itself."""
        return self._process is not None

    def alive(self) -> bool:
        """True while the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> dict[str, Any]:
        """Start the process and return what it said when it was ready. Blocks at most 60 s."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._lines = Queue()
        self._owed = 0
        threading.Thread(
            target=_pump, args=(self._process.stdout, self._lines), daemon=True
        ).start()
        try:
            self._send(self.configuration)
            return self._receive(READY_TIMEOUT_S)
        except BaseException:
            self.kill()
            raise

    def ask(self, timeout_s: float = 10.0, /, **command: Any) -> dict[str, Any]:
        """Send one command and return its answer. Blocks at most `timeout_s`."""
        with self._asking:
            self._send(command)
            return self._receive(timeout_s)

    def kill(self) -> None:
        """End the process at once (SIGKILL), as a crash would."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._close()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the process in order: its input ends, it finishes; killed after the limit."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._close()

    def _close(self) -> None:
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EnvironmentFault(f"{self.module} is not running", self._last_words(), _TODO)
        return self._process

    def _send(self, command: dict[str, Any]) -> None:
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(command).encode() + b"\n")
            process.stdin.flush()
        except OSError as error:
            raise self._dead() from error
        self._owed += 1

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        """The answer to the last command; answers that came too late for theirs are dropped."""
        deadline = time.monotonic() + timeout_s
        while self._owed:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                what = f"{self.module} did not answer in {timeout_s:g} s"
                raise EnvironmentFault(what, self._last_words(), _TODO) from None
            if not line:
                raise self._dead()
            self._owed -= 1
        answer: dict[str, Any] = json.loads(line)
        if "fault" in answer:
            raise EnvironmentFault(f"{self.module} failed", answer["fault"], _TODO)
        return answer

    def _dead(self) -> EnvironmentFault:
        return EnvironmentFault(f"{self.module} ended", self._last_words(), _TODO)

    def _last_words(self) -> str:
        """Last line of its log, which goes away with the run's folder."""
        with contextlib.suppress(OSError):
            return "".join(self.log.read_text("utf-8", "replace").strip().splitlines()[-1:])
        return ""


class ListeningProcess:
    """A helper process that listens on 127.0.0.1. Its port stays the same over restarts.

    A context manager. `module` listens by `listen()`; `settings` are its configuration.
    """

    def __init__(self, module: str, settings: dict[str, Any], log: Path) -> None:
        self._child = ChildProcess(module, settings | {"port": 0}, log)

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stop()

    @property
    def port(self) -> int:
        """TCP port on 127.0.0.1."""
        return int(self._child.configuration["port"])

    @property
    def pid(self) -> int:
        """Process id."""
        return self._child.pid

    def kill(self) -> None:
        """kill -9: its connections break, and what it only had in memory is lost."""
        self._child.kill()

    def restart(self) -> None:
        """Start again on the same port, killing what still runs."""
        self._child.kill()
        self._start()

    def _start(self) -> None:
        self._child.configuration["port"] = int(self._child.start()["port"])


def _pump(stream: Any, lines: Queue[bytes]) -> None:
    """Move the child's answers into a queue, so that waiting for one can have a limit."""
    with contextlib.suppress(OSError, ValueError):
        for line in stream:
            lines.put(line)
    lines.put(b"")


def configuration_from_parent() -> dict[str, Any]:
    """In the child: the configuration, the first line of standard input. Blocks for it."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            sys.exit(0)
        line += byte
    content: dict[str, Any] = json.loads(line)
    return content


def tell(answer: dict[str, Any]) -> None:
    """In the child: print one JSON line to the parent. A parent that is gone is no error."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(answer).encode() + b"\n")


async def listen(connected: Connected, port: int) -> asyncio.Server:
    """In the child: listen on 127.0.0.1 (0: any free port) and tell the parent where."""
    server = await asyncio.start_server(connected, "127.0.0.1", port, backlog=1024)
    tell({"port": server.sockets[0].getsockname()[1]})
    return server


def first_in_line() -> None:
    """In the child: run before others when the processors are busy, where that is permitted.

    For work that must happen on time and takes little: starting arrivals, sampling.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
        # Linux weighs sessions before processes where autogroups are on; each child is a session
        Path("/proc/self/autogroup").write_text("-10", "utf-8")


async def serve_commands(handle: Handler) -> None:
    """In the child: answer each command of the parent with `handle`, until its input ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            tell(await handle(json.loads(line)))
        except Exception as error:  # told to the parent, which raises it there
            tell({"fault": f"{type(error).__name__}: {error}"})
