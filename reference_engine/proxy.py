"""Fault-injecting TCP proxy, a process of its own, in front of the gateway or of PostgreSQL.

Toxics, each with its parameters:
  latency     delay_ms [jitter_ms]   every chunk is delivered later, in both directions
  jitter      jitter_ms              as latency, with a random delay of 0 to jitter_ms
  drop        [share]                that share of new connections is accepted and never served
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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reference_engine.child import (
    ListeningProcess,
    configuration_from_parent,
    listen,
    serve_commands,
)
from runlog.errors import UsageFault, did_you_mean

# parameters of each toxic, and whether they must be given
TOXICS: dict[str, dict[str, bool]] = {
    "latency": {"delay_ms": True, "jitter_ms": False},
    "jitter": {"jitter_ms": True},
    "drop": {"share": False},
    "reset": {"share": False},
    "black_hole": {},
    "bandwidth": {"bytes_per_s": True},
}
_CHUNK = 16_384
_LINGER = struct.pack("ii", 1, 0)


def wrong_parameters(toxic: str, parameters: Iterable[str]) -> list[str]:
    """What is wrong with the names of a toxic's parameters, in words."""
    known, given = TOXICS[toxic], set(parameters)
    names = ", ".join(known) or "none"
    wrong = [f"{toxic} has no parameter '{n}' (known: {names})" for n in sorted(given - set(known))]
    return wrong + [f"{toxic} needs '{n}'" for n, must in known.items() if must and n not in given]


class ProxyProcess(ListeningProcess):
    """Context manager around a proxy to `upstream` (host, port); `port` is where it listens.

    A host that is a folder means PostgreSQL's socket in it. Toxics do not survive a kill.
    """

    def __init__(self, upstream: tuple[str, int], folder: Path, seed: int = 0) -> None:
        settings = {"host": upstream[0], "to_port": upstream[1], "seed": seed}
        log = folder / f"proxy-{upstream[1]}.err"
        super().__init__("reference_engine.proxy", settings, log)

    def set(self, toxic: str, **parameters: float) -> None:
        """Switch one toxic on, or change its parameters. Raises UsageFault for an unknown one."""
        if toxic not in TOXICS:
            raise UsageFault("no such toxic", toxic, did_you_mean(toxic, list(TOXICS)))
        for what in wrong_parameters(toxic, parameters):
            raise UsageFault(what)
        self._child.ask(toxic=toxic, parameters=parameters)

    def change(self, toxics: dict[str, dict[str, float] | None]) -> None:
        """Switch each toxic on with its parameters, or off (None)."""
        for toxic, parameters in toxics.items():
            if parameters is None:
                self.clear(toxic)
            else:
                self.set(toxic, **parameters)

    def clear(self, toxic: str | None = None) -> None:
        """Switch one toxic, or all, off."""
        self._child.ask(toxic=toxic, parameters=None)


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
            back, upstream = await self._connected()
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

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.upstream
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

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
    _server = await listen(proxy.connection, settings["port"])
    await serve_commands(proxy.command)


if __name__ == "__main__":
    asyncio.run(_main())
