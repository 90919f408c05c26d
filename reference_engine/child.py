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
from collections.abc import Awaitable, Callable
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from runlog.errors import EnvironmentFault

READY_TIMEOUT_S = 60.0
Command = dict[str, Any]
Handler = Callable[[Command], Awaitable[dict[str, Any]]]


class ChildProcess:
    """One helper process: `start()`, `ask()`, `kill()`, `stop()`. Not shared between threads.

    `module` is run with `python -m`; `configuration` is handed over as the first line of its input.
    Standard error goes to `log`. Raises EnvironmentFault when the child does not come up or dies.
    """

    def __init__(self, module: str, configuration: dict[str, Any], log: Path) -> None:
        self.module = module
        self.configuration = configuration
        self.log = log
        self.ready: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: Queue[bytes] = Queue()

    @property
    def pid(self) -> int:
        """Process id of the running child."""
        return self._running().pid

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
        threading.Thread(
            target=_pump, args=(self._process.stdout, self._lines), daemon=True
        ).start()
        try:
            self._send(self.configuration)
            self.ready = self._receive(READY_TIMEOUT_S)
        except BaseException:
            self.kill()
            raise
        return self.ready

    def ask(self, timeout_s: float = 10.0, /, **command: Any) -> dict[str, Any]:
        """Send one command and return its answer. Blocks at most `timeout_s`."""
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
            msg = f"{self.module} is not running"
            raise EnvironmentFault(msg, "", f"see {self.log}")
        return self._process

    def _send(self, command: dict[str, Any]) -> None:
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(command).encode() + b"\n")
            process.stdin.flush()
        except OSError as error:
            raise self._dead() from error

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=timeout_s)
        except Empty:
            todo = f"see {self.log}"
            raise EnvironmentFault(
                f"{self.module} did not answer in {timeout_s:g} s", "", todo
            ) from None
        if not line:
            raise self._dead()
        answer: dict[str, Any] = json.loads(line)
        if "fault" in answer:
            raise EnvironmentFault(f"{self.module} failed", answer["fault"], f"see {self.log}")
        return answer

    def _dead(self) -> EnvironmentFault:
        tail = self.log.read_text("utf-8", "replace").strip().splitlines()[-1:]
        return EnvironmentFault(f"{self.module} ended", "".join(tail), f"see {self.log}")


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
