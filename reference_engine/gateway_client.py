"""Client of the card gateway: pipelined calls over a few real connections.

The outcome of a call may be unknown (timeout, reset). It is then said to be unknown, never guessed;
only reconciliation against the gateway settles it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

_CONNECT_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """How one call ended.

    `outcome`: captured, declined, voided, refunded, cancelled, absent as the gateway said;
    refused (it did nothing); not_sent (no connection: certainly nothing happened);
    unknown (sent, no answer: anything may have happened).
    """

    outcome: str
    charge_id: str | None = None
    amount_jpy: int | None = None
    reason: str | None = None

    @property
    def known(self) -> bool:
        """False when nobody on this side can say whether the card was charged."""
        return self.outcome != "unknown"


class _Connection:
    """One open connection with its calls in flight."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.in_flight: dict[int, asyncio.Future[GatewayAnswer]] = {}
        self.heard_at = time.monotonic()
        self.retired = False
        self.reading = asyncio.create_task(self._read(reader))

    @property
    def usable(self) -> bool:
        """True while new calls may be sent here."""
        return not (self.retired or self.reading.done() or self.writer.is_closing())

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            with contextlib.suppress(ConnectionError, ValueError):
                while line := await reader.readline():
                    self.heard_at = time.monotonic()
                    content: dict[str, Any] = orjson.loads(line)
                    waiting = self.in_flight.pop(content.pop("id", -1), None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(GatewayAnswer(**content))
        finally:
            self.drop("connection_lost")

    def retire(self) -> None:
        """Send nothing more here; calls in flight keep their own limits."""
        self.retired = True
        self.close_when_idle()

    def close_when_idle(self) -> None:
        """Close a retired connection that nobody waits on any more."""
        if self.retired and not self.in_flight:
            self.drop("closed")

    def drop(self, reason: str) -> None:
        """Give the connection up; whoever waits on it learns that the outcome is unknown."""
        with contextlib.suppress(Exception):
            self.writer.transport.abort()
        waiting, self.in_flight = self.in_flight, {}
        for future in waiting.values():
            if not future.done():
                future.set_result(GatewayAnswer("unknown", reason=reason))


class GatewayClient:
    """Calls the gateway at host:port. `timeout_s` limits each call; it may be changed at any time.

    Use as an async context manager, inside one event loop.
    """

    def __init__(
        self, port: int, *, host: str = "127.0.0.1", timeout_s: float = 3.0, connections: int = 4
    ) -> None:
        self.host = host
        self.port = port
        self.timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._slots: list[_Connection | None] = [None] * connections
        self._opening = [asyncio.Lock() for _ in range(connections)]
        self._open: set[_Connection] = set()

    async def __aenter__(self) -> GatewayClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; calls in flight end as unknown."""
        for connection in self._open:
            connection.drop("closed")
            connection.reading.cancel()
        await asyncio.gather(*(c.reading for c in self._open), return_exceptions=True)
        self._open.clear()
        self._slots = [None] * len(self._slots)

    async def charge(
        self, key: str, amount_jpy: int, *, timeout_s: float | None = None
    ) -> GatewayAnswer:
        """Charge the card: captured, declined, refused, not_sent or unknown."""
        return await self._call("charge", key, amount_jpy, timeout_s)

    async def void(self, key: str, *, timeout_s: float | None = None) -> GatewayAnswer:
        """Cancel a charge; a key never seen is cancelled for good, so no late charge can follow."""
        return await self._call("void", key, 0, timeout_s)

    async def refund(self, key: str, *, timeout_s: float | None = None) -> GatewayAnswer:
        """Give a charge back: refunded, or what it already was."""
        return await self._call("refund", key, 0, timeout_s)

    async def status(self, key: str, *, timeout_s: float | None = None) -> GatewayAnswer:
        """Ask for the state of a key; `absent` only means that it had not arrived yet."""
        return await self._call("status", key, 0, timeout_s)

    async def _call(
        self, verb: str, key: str, amount_jpy: int, timeout_s: float | None
    ) -> GatewayAnswer:
        limit = self.timeout_s if timeout_s is None else timeout_s
        number = next(self._ids)
        try:
            async with asyncio.timeout(limit):
                connection = await self._connection(number % len(self._slots))
        except (OSError, TimeoutError):
            return GatewayAnswer("not_sent", reason="unreachable")
        sent_at = time.monotonic()
        waiting: asyncio.Future[GatewayAnswer] = asyncio.get_running_loop().create_future()
        connection.in_flight[number] = waiting
        content = {"id": number, "verb": verb, "key": key, "amount_jpy": amount_jpy}
        connection.writer.write(orjson.dumps(content) + b"\n")
        try:
            async with asyncio.timeout(limit):
                return await waiting
        except TimeoutError:
            if connection.heard_at < sent_at:
                connection.retire()  # silent since then: the next call gets a fresh connection
            return GatewayAnswer("unknown", reason="timeout")
        finally:
            connection.in_flight.pop(number, None)
            connection.close_when_idle()

    async def _connection(self, slot: int) -> _Connection:
        """The slot's connection, opened when there is none that may be used."""
        async with self._opening[slot]:
            current = self._slots[slot]
            if current is None or not current.usable:
                async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                    streams = await asyncio.open_connection(self.host, self.port)
                current = self._slots[slot] = _Connection(*streams)
                self._open.add(current)
                current.reading.add_done_callback(partial(self._forget, current))
            return current

    def _forget(self, connection: _Connection, _: asyncio.Task[None]) -> None:
        self._open.discard(connection)
