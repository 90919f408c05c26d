"""A wallet under test: one design with its flags, over a real ledger and a real gateway."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fixtures_postgres import Ledger

from reference_engine.designs import make_designs
from reference_engine.gateway import GatewayProcess
from reference_engine.gateway_client import GatewayClient
from reference_engine.load import Arrival
from reference_engine.scenario_model import Flags
from reference_engine.settle import Settled, settle_unknown
from reference_engine.spool import RunClock, Spool, Trace
from reference_engine.wallet import Gateway, Reply, Store, Wallet, reply_to_error

_numbers = itertools.count(1)

# every design, and every flag that the wallet knows, alone and together
DESIGNS = ("lock_across_call", "phased", "batched")
FLAGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sharded": {"settlement_shards": 8},
    "chained": {"hash_chain": True},
    "one-connection": {"pool_size": 1},
    "unsorted": {"lock_order": "unsorted"},
    "repeatable-read": {"isolation": "repeatable read"},
    "serializable": {"isolation": "serializable"},
    "sharded-chained-shedding": {"settlement_shards": 4, "hash_chain": True, "max_waiting": 100},
    "no-auto-charge": {"auto_charge": False},
}


class Case:
    """One wallet, its clients, and what they were told."""

    def __init__(
        self,
        design: str,
        flags: dict[str, Any],
        ledger: Ledger,
        gateway: GatewayProcess,
        folder: Path,
    ) -> None:
        self.design = design
        self.flags = Flags.model_validate({"pool_size": 6, "gateway_timeout_ms": 2_000} | flags)
        self.ledger = ledger
        self.gateway = gateway
        self.folder = folder
        self.prefix = f"case{next(_numbers)}"
        self.limited = False

    def run(self, story: Callable[[Clients], Awaitable[Any]]) -> Any:
        """Play a story and return what it returns; waits for background work."""
        return asyncio.run(self._run(story))

    async def _run(self, story: Callable[[Clients], Awaitable[Any]]) -> Any:
        store = Store(self.ledger.dsn, self.ledger.schema, "walletlab front 0", self.flags)
        client = GatewayClient(
            self.gateway.port, timeout_s=self.flags.gateway_timeout_ms / 1000, connections=2
        )
        await store.pool.open()
        clock = RunClock(time.time_ns() // 1000, time.monotonic_ns())
        wallet = Wallet(store, Gateway(client), limited=self.limited)
        designs = make_designs(wallet, clock.now_us)
        spool = Spool(self.folder / f"{self.prefix}.jsonl")
        try:
            return await story(Clients(self, designs[self.design], clock, spool))
        finally:
            await wallet.settle_background()
            await designs["batched"].batcher.close()  # type: ignore[attr-defined]
            await client.close()
            await store.pool.close()
            spool.close()

    def key(self, name: str) -> str:
        """The key of that name; the gateway outlives the test, so keys are told apart by case."""
        return f"{self.prefix}-{name}"

    def charges(self) -> dict[str, tuple[str, int]]:
        """Status and yen by key name, from the gateway's own books."""
        mine = [c for c in self.gateway.books() if c.idempotency_key.startswith(self.prefix + "-")]
        cut = len(self.prefix) + 1
        return {c.idempotency_key[cut:]: (c.status, c.amount_jpy) for c in mine}

    def settle(self) -> Settled:
        """Settle unknown outcomes against the gateway."""
        chain = self.flags.hash_chain
        return settle_unknown(self.ledger.dsn, self.ledger.schema, self.gateway.port, chain=chain)

    def promises_broken(self) -> list[str]:
        """Every promise all designs make, checked in the ledger and in the gateway's books."""
        broken = [f"{what}: {example}" for what, example in self.ledger.faults()]
        chain = self.ledger.all("SELECT chain_id FROM chain_faults()")
        broken += [f"hash chain broken at {row.chain_id}" for row in chain]
        states = {
            row.idempotency_key: (row.state, row.card_part_jpy)
            for row in self.ledger.all(
                "SELECT idempotency_key, state::text, card_part_jpy FROM operations"
            )
        }
        for name, (status, yen) in self.charges().items():
            state, card_part = states.get(self.key(name), ("absent", 0))
            if status == "captured" and state == "approved" and yen != card_part:
                broken.append(f"{name}: gateway took {yen}, ledger says {card_part}")
            if status in ("declined", "cancelled") and state == "approved":
                broken.append(f"{name}: approved without a charge")
        for key, (state, card_part) in states.items():
            name = key[len(self.prefix) + 1 :]
            unseen = state == "approved" and card_part and name not in self.charges()
            if unseen and not self._is_refund(key):
                broken.append(f"{name}: approved, the gateway never saw it")
        return broken

    def _is_refund(self, key: str) -> bool:
        row = self.ledger.one("SELECT operation FROM operations WHERE idempotency_key = %s", key)
        return row.operation == "refund"

    def refunds_due(self) -> list[str]:
        """Charges the gateway took for which the ledger has no posted payment."""
        approved = {
            row.idempotency_key
            for row in self.ledger.all(
                "SELECT idempotency_key FROM operations WHERE state='approved'"
            )
        }
        taken = self.charges().items()
        return [n for n, (s, _) in taken if s == "captured" and self.key(n) not in approved]


class Clients:
    """What a story can do: ask the wallet, as one client or as many."""

    def __init__(self, case: Case, design: Any, clock: RunClock, spool: Spool) -> None:
        self.case = case
        self.design = design
        self._clock = clock
        self._spool = spool
        self._asked = itertools.count(1)

    async def ask(
        self,
        name: str,
        operation: str,
        wallet: int,
        yen: int | None,
        *,
        other: int | None = 1,
        refers_to: str | None = None,
        patience_s: float = 20.0,
    ) -> Reply:
        """One attempt of one client; errors become the reply that a front would record."""
        arrival = Arrival(
            f"r{next(self._asked)}",
            self.case.key(name),
            0,
            operation,
            wallet,
            other if operation in ("card_payment", "p2p_transfer", "refund") else None,
            yen,
            self.case.key(refers_to) if refers_to else None,
        )
        trace = Trace(self._clock, self._spool, arrival.request_id, 1)
        try:
            async with asyncio.timeout(patience_s):
                reply: Reply = await self.design.execute(arrival, trace)
                return reply
        except Exception as error:
            return reply_to_error(error)

    async def pay(self, name: str, wallet: int, yen: int, **more: Any) -> Reply:
        return await self.ask(name, "card_payment", wallet, yen, **more)

    async def insist(self, *request: Any, tries: int = 60, **more: Any) -> Reply:
        """Ask again under the same key until there is an answer (conflicts are tried again)."""
        for _ in range(tries):
            reply = await self.ask(*request, **more)
            if reply.outcome in ("approved", "declined"):
                return reply
            await asyncio.sleep(0.01)
        return reply
