"""Fault-injecting TCP proxy, a process of its own, in front of the gateway or of PostgreSQL.

Toxics, each with its parameters:
  latency     delay_ms [jitter_ms]   every chunk is delivered later, in both directions
  jitter      jitter_ms              as latency, with a random delay of 0 to jitter_ms
  drop        share                  that share of new connections is accepted and never served
  reset       [share]                open connections are reset, and that share of new ones
  black_hole                         nothing is delivered any more, and nobody is told
  bandwidth   bytes_per_s            each direction of each connection is this slow
The idea of toxics is Toxiproxy's (github.com/Shopify/toxiproxy).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from pathlib import Path
from typing import Any

from reference_engine.child import ChildProcess, configuration_from_parent, serve_commands, tell
from runlog.errors import UsageFault, did_you_mean

TOXICS: dict[str, frozenset[str]] = {
    "latency": frozenset({"delay_ms", "jitter_ms"}),
    "jitter": frozenset({"jitter_ms"}),
    "drop": frozenset({"share"}),
    "reset": frozenset({"share"}),
    "black_hole": frozenset(),
    "bandwidth": frozenset({"bytes_per_s"}),
}
_CHUNK = 16_384
_LINGER = struct.pack("ii", 1, 0)


class ProxyProcess:
    """Context manager around a proxy to `upstream` (host, port); `port` is where it listens.

    The port stays the same over restarts; toxics do not survive a kill.
    """

    def __init__(self, upstream: tuple[str, int], folder: Path, seed: int = 0) -> None:
        settings = {"host": upstream[0], "to_port": upstream[1], "port": 0, "seed": seed}
        name = f"proxy-{upstream[1]}.err"
        self._child = ChildProcess("reference_engine.proxy", settings, folder / name)

    def __enter__(self) -> ProxyProcess:
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

    def set(self, toxic: str, **parameters: float) -> None:
        """Switch one toxic on, or change its parameters. Raises UsageFault for an unknown one."""
        if toxic not in TOXICS:
            raise UsageFault("no such toxic", toxic, did_you_mean(toxic, list(TOXICS)))
        for name in parameters:
            if name not in TOXICS[toxic]:
                todo = f"known: {', '.join(sorted(TOXICS[toxic])) or 'none'}"
                raise UsageFault(f"toxic {toxic} has no parameter", name, todo)
        self._child.ask(toxic=toxic, parameters=parameters)

    def clear(self, toxic: str | None = None) -> None:
        """Switch one toxic, or all, off."""
        self._child.ask(toxic=toxic, parameters=None)

    def kill(self) -> None:
        """kill -9: every connection through it breaks."""
        self._child.kill()

    def restart(self) -> None:
        """Start again on the same port, without toxics."""
        self._child.kill()
        self._start()

    def _start(self) -> None:
        self._child.configuration["port"] = int(self._child.start()["port"])


class _Proxy:
    """The work inside the proxy process."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.upstream = (str(settings["host"]), int(settings["to_port"]))
        self.random = random.Random(settings["seed"])
        self.toxics: dict[str, dict[str, float]] = {}
        self.changed = asyncio.Event()
        self.open: set[asyncio.StreamWriter] = set()

    async def command(self, command: dict[str, Any]) -> dict[str, Any]:
        """Switch a toxic on (parameters) or off (none); toxic None with none switches all off."""
        toxic, parameters = command["toxic"], command["parameters"]
        if parameters is not None:
            self.toxics[toxic] = parameters
        elif toxic is None:
            self.toxics.clear()
        else:
            self.toxics.pop(toxic, None)
        if toxic == "reset" and parameters is not None:
            for writer in tuple(self.open):
                _reset(writer)
        self.changed.set()
        self.changed = asyncio.Event()
        return {}

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client: connect upstream and carry bytes both ways until either side ends."""
        self.open.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            if self._chosen("reset"):
                _reset(writer)
                return
            if self._chosen("drop"):
                await self._swallow(reader)
                return
            back, upstream = await asyncio.open_connection(*self.upstream)
            self.open.add(upstream)
            ways = (self._carry(reader, upstream), self._carry(back, writer))
            tasks = [asyncio.create_task(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        except OSError:
            pass  # upstream is down: the client sees its connection end, as without a proxy
        finally:
            for side in (writer, upstream):
                if side is not None:
                    self.open.discard(side)
                    with contextlib.suppress(OSError, RuntimeError):
                        side.close()

    def _chosen(self, toxic: str) -> bool:
        parameters = self.toxics.get(toxic)
        return parameters is not None and self.random.random() < parameters.get("share", 1.0)

    async def _swallow(self, reader: asyncio.StreamReader) -> None:
        """Take what comes and answer nothing."""
        while await reader.read(_CHUNK):
            pass

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one direction. Delays overlap: a delayed chunk does not hold up the reading."""
        loop = asyncio.get_running_loop()
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1024)
        sender = asyncio.create_task(self._deliver(line, writer))
        free_at = 0.0
        try:
            while chunk := await reader.read(_CHUNK):
                free_at = max(free_at, loop.time())
                rate = self.toxics.get("bandwidth", {}).get("bytes_per_s", 0.0)
                if rate > 0:
                    free_at += len(chunk) / rate
                await line.put((free_at + self._delay_s(), chunk))
                if sender.done():
                    return
            if "black_hole" in self.toxics:
                return  # whoever gave up sends nothing again: what was on the way is lost
            await line.put((0.0, b""))
            await sender
        except ConnectionError:
            return
        finally:
            sender.cancel()

    async def _deliver(
        self, line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while True:
                due, chunk = await line.get()
                if not chunk:
                    return
                if (wait_s := due - loop.time()) > 0:
                    await asyncio.sleep(wait_s)
                while "black_hole" in self.toxics:
                    await self.changed.wait()
                writer.write(chunk)
                await writer.drain()

    def _delay_s(self) -> float:
        latency = self.toxics.get("latency", {})
        jitter_ms = latency.get("jitter_ms", 0.0)
        jitter_ms += self.toxics.get("jitter", {}).get("jitter_ms", 0.0)
        return (latency.get("delay_ms", 0.0) + self.random.uniform(0.0, jitter_ms)) / 1000


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    writer.transport.abort()


async def _main() -> None:
    settings = configuration_from_parent()
    proxy = _Proxy(settings)
    server = await asyncio.start_server(
        proxy.connection, "127.0.0.1", int(settings["port"]), backlog=1024
    )
    tell({"port": server.sockets[0].getsockname()[1]})
    await serve_commands(proxy.command)


if __name__ == "__main__":
    asyncio.run(_main())
