"""One front: an operating-system process that plays its slice of the schedule, open loop.

Arrivals start when they are due, whatever happened to those before. Commands come from the parent
as JSON lines: `start`, `pause`, `flags`, `drained`, `finish`. The process ends when its input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import psycopg_pool
import uvloop

from reference_engine.batch_clients import BatchClients
from reference_engine.batched import BATCHED_OPERATIONS
from reference_engine.child import (
    configuration_from_parent,
    first_in_line,
    serve_commands,
    tell,
)
from reference_engine.designs import Batched, Design, make_designs
from reference_engine.gateway_client import GatewayClient
from reference_engine.load import Arrival, build_schedule
from reference_engine.scenario_model import Flags, Scenario
from reference_engine.spool import RunClock, Spool, Trace
from reference_engine.wallet import (
    Gateway,
    Reply,
    Store,
    Wallet,
    counterparty_account,
    reply_to_error,
)

IN_FLIGHT_MAX = 20_000
TICK_US = 1_000  # arrivals closer than this start together: the loop's own timers are no finer
_POOL_COUNTERS = (
    "pool_max",
    "pool_size",
    "pool_available",
    "requests_waiting",
    "requests_num",
    "requests_queued",
    "requests_wait_ms",
    "requests_errors",
    "usage_ms",
)


class Front:
    """State of one front process."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.scenario = Scenario.model_validate_json(settings["scenario"])
        self.number = int(settings["front"])
        self.arrivals = build_schedule(self.scenario).arrivals(self.number, self.scenario.fronts)
        self.flags = Flags.model_validate(settings["flags"])
        self.design_name: str = settings["design"]
        self.clock = RunClock(settings["epoch_us"], settings["monotonic_ns"])
        folder = Path(settings["folder"])
        label = f"{self.number}-{settings['life']}"
        self.requests = Spool(folder / f"requests-{label}.jsonl")
        self.spans = Spool(folder / f"spans-{label}.jsonl")
        self.stats = Spool(folder / f"pool_stats-{label}.jsonl")
        self.store = Store(
            settings["dsn"], settings["schema"], f"walletlab front {self.number}", self.flags
        )
        self.client = GatewayClient(
            settings["gateway_port"], timeout_s=self.flags.gateway_timeout_ms / 1000
        )
        self.wallet = Wallet(self.store, Gateway(self.client), limited=settings["limited"])
        self.designs: dict[str, Design] = make_designs(self.wallet, self.clock.now_us)
        batched = self.designs["batched"]
        assert isinstance(batched, Batched)
        batches = Spool(folder / f"batches-{label}.jsonl")
        self.spools = (self.requests, self.spans, self.stats, batches)
        self.batcher = batched.batcher
        self.batch_clients = BatchClients(self, batched, batches)
        self.tasks: set[asyncio.Task[None]] = set()
        self.counts = {"started": 0, "skipped": 0}
        self.first_attempts = 0
        self.retries = 0
        self.playing: asyncio.Task[None] | None = None
        self.counting: asyncio.Task[None] | None = None
        self.run_start_us = 0

    async def command(self, message: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command of the parent."""
        do = message["do"]
        if do == "start":
            self.run_start_us = int(message["at_us"])
            self.playing = asyncio.create_task(self.play(int(message["from_us"])))
            if self.counting is None:
                self.counting = asyncio.create_task(self.count_pool())
        elif do == "pause":
            if self.playing is not None:
                self.playing.cancel()
        elif do == "flags":
            await self.set_flags(message["set"])
        elif do == "drained":
            done = (self.playing is None or self.playing.done()) and not self.in_flight
            return {"drained": done}
        elif do == "finish":
            return await self.finish()
        return {}

    async def set_flags(self, changes: dict[str, Any]) -> None:
        changes = dict(changes)
        self.design_name = changes.pop("design", self.design_name)
        self.flags = Flags.model_validate(self.flags.model_dump() | changes)
        self.client.timeout_s = self.flags.gateway_timeout_ms / 1000
        await self.store.apply(self.flags)

    async def play(self, from_us: int) -> None:
        """Start every arrival of this front at its time; those before `from_us` are not ours."""
        for count, arrival in enumerate(self.arrivals):
            if arrival.offset_us < from_us:
                continue
            if count % 256 == 0:
                await asyncio.sleep(0)  # a front that is late must not starve its own work
            due = self.run_start_us + arrival.offset_us
            while (started := self.clock.now_us()) < due:
                await asyncio.sleep(max(due - started, TICK_US) / 1e6)
            if self.in_flight >= IN_FLIGHT_MAX:
                self.counts["skipped"] += 1
                self.record(arrival, 1, due, None, None, Reply("failed", "front_overloaded"), None)
                continue
            self.counts["started"] += 1
            self.first_attempts += 1
            if self.design_name == "batched" and arrival.operation in BATCHED_OPERATIONS:
                self.batch_clients.offer(arrival, due, started)
            else:
                self.spawn(self.serve(arrival, due))

    @property
    def in_flight(self) -> int:
        """Attempts started and not finished."""
        return len(self.tasks) + self.batcher.in_flight

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` run beside everything else."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, arrival: Arrival, due_us: int) -> None:
        """One client: a first attempt, and retries as the flags have them."""
        reply = await self.attempt(arrival, 1, due_us)
        await self.retry(arrival, 1, reply)

    async def retry(self, arrival: Arrival, attempt: int, reply: Reply) -> None:
        """Try again while the last attempt brought no answer and the flags allow it."""
        while reply.outcome not in ("approved", "declined") and self.may_retry(attempt):
            self.retries += 1
            scheduled = self.clock.now_us() + self.back_off_us(arrival, attempt)
            await asyncio.sleep((scheduled - self.clock.now_us()) / 1e6)
            attempt += 1
            reply = await self.attempt(arrival, attempt, scheduled)

    def may_retry(self, attempt: int) -> bool:
        """True when this client tries again: attempts left, and budget left in the front."""
        if attempt > self.flags.retries:
            return False
        budget = self.flags.retry_budget
        return budget == 0 or self.retries < budget * self.first_attempts

    def back_off_us(self, arrival: Arrival, attempt: int) -> int:
        """Pause before the next attempt: none, or exponential with jitter drawn from the key."""
        if self.flags.backoff == "none":
            return 0
        jitter = random.Random(f"{arrival.idempotency_key}/{attempt}").uniform(0.5, 1.5)
        return int(self.flags.backoff_ms * 1000 * 2 ** (attempt - 1) * jitter)

    async def attempt(self, arrival: Arrival, attempt: int, scheduled_us: int) -> Reply:
        """One attempt under the client's time limit; always leaves one row of `requests`."""
        started = self.clock.now_us()
        trace = Trace(self.clock, self.spans, arrival.request_id, attempt)
        trace.add("queue", "start", scheduled_us)
        left_s = (scheduled_us - started) / 1e6 + self.flags.client_timeout_ms / 1000
        try:
            async with asyncio.timeout(left_s):
                reply = await self.designs[self.design_name].execute(arrival, trace)
        except Exception as error:
            reply = reply_to_error(error)
        except asyncio.CancelledError:
            reply = Reply("failed", "run_ended")
            self.record(arrival, attempt, scheduled_us, started, None, reply, trace)
            raise
        self.record(arrival, attempt, scheduled_us, started, self.clock.now_us(), reply, trace)
        return reply

    def record(
        self,
        arrival: Arrival,
        attempt: int,
        scheduled_us: int,
        started_us: int | None,
        finished_us: int | None,
        reply: Reply,
        trace: Trace | None,
    ) -> None:
        """Write one row of `requests`."""
        self.requests.add(
            {
                "request_id": arrival.request_id,
                "idempotency_key": arrival.idempotency_key,
                "operation": arrival.operation,
                "needs_auto_charge": trace.needs_auto_charge if trace else None,
                "wallet_id": arrival.wallet_id,
                "counterparty_id": counterparty_account(arrival),
                "amount_jpy": arrival.amount_jpy,
                "attempt": attempt,
                "front_id": self.number,
                "scheduled_at": scheduled_us,
                "started_at": started_us,
                "finished_at": finished_us,
                "outcome": reply.outcome,
                "reason": reply.reason,
            }
        )

    async def count_pool(self) -> None:
        """Write one row of `pool_stats` a second."""
        next_s = time.monotonic() + 1
        while True:
            await asyncio.sleep(max(0.0, next_s - time.monotonic()))
            next_s += 1
            self.stats.add(self.pool_row())
            for spool in self.spools:
                spool.flush()

    def pool_row(self) -> dict[str, int]:
        """The pool's counters of the second that ends now."""
        found = self.store.pool.pop_stats()
        row = {name: int(found.get(name, 0)) for name in _POOL_COUNTERS}
        here = {"sampled_at": self.clock.now_us(), "front_id": self.number}
        return here | row | {"in_flight": self.in_flight}

    async def finish(self) -> dict[str, Any]:
        """End what still runs, wait for what goes on in the background, close everything."""
        for task in list(self.tasks):
            task.cancel()
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=10)
        await self.batch_clients.end()
        for task in list(self.tasks):
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await self.wallet.settle_background()
        if self.counting is not None:
            self.counting.cancel()
        self.stats.add(self.pool_row())
        await self.client.close()
        await self.store.pool.close(5)
        for spool in self.spools:
            spool.close()
        return self.counts


def _keep_to_the_schedule() -> None:
    """Arrivals must start in time: no long garbage collection, and first in line where permitted.

    The schedule (many objects that live as long as the run) is taken out of every collection.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    first_in_line()


async def main() -> None:
    """Connect, say ready, obey the parent until its pipe ends."""
    front = Front(configuration_from_parent())
    await front.store.pool.open()
    try:
        await front.store.pool.wait(20)
    except psycopg_pool.PoolTimeout as error:
        tell({"fault": f"front {front.number} cannot fill its pool: {error}"})
        return
    _keep_to_the_schedule()
    tell({"arrivals": len(front.arrivals)})
    await serve_commands(front.command)


if __name__ == "__main__":
    uvloop.run(main())
