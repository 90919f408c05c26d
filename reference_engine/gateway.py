"""The card gateway: a process of its own with its own durable books, reached over a real socket.

Protocol: JSON lines over TCP, many calls in flight on one connection.
Call `{"id", "verb": charge|void|refund|status, "key", "amount_jpy"}`;
answer `{"id", "outcome", "charge_id", "amount_jpy", "reason"}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import random
import time
from collections import deque
from pathlib import Path
from typing import Any

import orjson

from reference_engine.child import (
    ListeningProcess,
    configuration_from_parent,
    listen,
    serve_commands,
)
from reference_engine.gateway_books import Call, Charge, apply, open_books, read_books
from reference_engine.scenario_model import Gateway as GatewayConfiguration

VERBS = ("charge", "void", "refund", "status")
_WAITING_MAX = 50_000
_COMMIT_MAX = 512


class GatewayProcess(ListeningProcess):
    """The gateway as its owner sees it: start, configure, kill, restart, read the books.

    A context manager. Killed, it loses the calls in work and keeps what was committed.
    """

    def __init__(
        self, folder: Path, configuration: GatewayConfiguration | None = None, seed: int = 0
    ) -> None:
        self.folder = folder
        values = (configuration or GatewayConfiguration()).model_dump()
        settings = {"folder": str(folder), "seed": seed, **values}
        super().__init__("reference_engine.gateway", settings, folder / "gateway.err")

    def configure(self, **changes: float) -> None:
        """Change `latency_ms`, `latency_sigma`, `decline_share` or `capacity` while it runs."""
        self._child.ask(**changes)
        self._child.configuration.update(changes)

    def books(self) -> list[Charge]:
        """Every line of the gateway's books, by charge_id."""
        return read_books(self.folder)


class _Server:
    """The work inside the gateway process."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.latency_ms = float(settings["latency_ms"])
        self.latency_sigma = float(settings["latency_sigma"])
        self.decline_share = float(settings["decline_share"])
        self.capacity = int(settings["capacity"])
        self.seed = int(settings["seed"])
        self.books = open_books(Path(settings["folder"]))
        self.random = random.Random(self.seed)
        self.working = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.commits: list[tuple[Call, asyncio.Future[dict[str, Any]]]] = []
        self.something = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()

    async def command(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Change the configuration; a larger capacity wakes those who wait."""
        for name, value in changes.items():
            setattr(self, name, type(getattr(self, name))(value))
        self._wake()
        return {}

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read calls of one connection; each is answered when it is done, in any order."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
            while line := await reader.readline():
                task = asyncio.create_task(self._serve(orjson.loads(line), writer))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
        with contextlib.suppress(ConnectionError):
            writer.close()

    async def _serve(self, call: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        answer = await self._answer(call)
        if not writer.is_closing():
            writer.write(orjson.dumps(answer | {"id": call.get("id")}) + b"\n")

    async def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        verb, key, amount = call.get("verb"), call.get("key"), call.get("amount_jpy", 0)
        sound = isinstance(key, str) and key and isinstance(amount, int) and 0 <= amount < 2**63
        if verb not in VERBS or not sound or (verb == "charge" and amount == 0):
            return {"outcome": "refused", "reason": "bad_call"}
        if not await self._enter():
            return {"outcome": "refused", "reason": "overloaded"}
        try:
            # A card network works before and after the moment that counts: a crash or a lost
            # connection can come on either side of the commit.
            delay_s = self._latency_s()
            await asyncio.sleep(delay_s / 2)
            answer = await self._commit(verb, str(key), int(amount))
            await asyncio.sleep(delay_s / 2)
            return answer
        finally:
            self.working -= 1
            self._wake()

    async def _enter(self) -> bool:
        if self.working < self.capacity and not self.waiting:
            self.working += 1
            return True
        if len(self.waiting) >= _WAITING_MAX:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        await turn
        return True

    def _wake(self) -> None:
        while self.waiting and self.working < self.capacity:
            self.working += 1
            self.waiting.popleft().set_result(None)

    def _latency_s(self) -> float:
        if self.latency_ms <= 0:
            return 0.0
        return self.random.lognormvariate(math.log(self.latency_ms), self.latency_sigma) / 1000

    async def _commit(self, verb: str, key: str, amount_jpy: int) -> dict[str, Any]:
        done: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        reason = "card_declined" if self._declines(key) else None
        call = Call(verb, key, amount_jpy, reason, time.time_ns() // 1000)
        self.commits.append((call, done))
        self.something.set()
        return await done

    def _declines(self, key: str) -> bool:
        """Decide by the key alone, so that the same run declines the same cards."""
        digest = hashlib.blake2b(f"{self.seed}:{key}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64 < self.decline_share

    async def keep_books(self) -> None:
        """Group commit: whatever came while the last commit ran goes into the next."""
        while True:
            await self.something.wait()
            self.something.clear()
            while self.commits:
                batch, self.commits = self.commits[:_COMMIT_MAX], self.commits[_COMMIT_MAX:]
                calls = [call for call, _ in batch]
                answers = await asyncio.to_thread(apply, self.books, calls)
                for (_, done), answer in zip(batch, answers, strict=True):
                    if not done.done():
                        done.set_result(answer)


async def _main() -> None:
    settings = configuration_from_parent()
    gateway = _Server(settings)
    keeper = asyncio.create_task(gateway.keep_books())
    server = await listen(gateway.connection, settings["port"])
    commands = asyncio.create_task(serve_commands(gateway.command))
    # The books are the gateway: when their keeper fails, the process must not go on answering.
    await asyncio.wait({keeper, commands}, return_when=asyncio.FIRST_COMPLETED)
    server.close()
    if keeper.done():
        keeper.result()
    keeper.cancel()
    gateway.books.close()


if __name__ == "__main__":
    asyncio.run(_main())
