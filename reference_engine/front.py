"""One front: an operating-system process that plays its slice of the schedule, open loop.

Arrivals start when they are due, whatever happened to those before. Commands come from the parent
as JSON lines: `start`, `flags`, `drained`, `finish`. The process ends when its input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from pathlib import Path
from typing import Any

import psycopg
import psycopg_pool
import uvloop

from reference_engine.child import configuration_from_parent, serve_commands, tell
from reference_engine.designs import DESIGNS, Design
from reference_engine.gateway_client import GatewayClient
from reference_engine.load import Arrival, build_schedule
from reference_engine.scenario_model import Flags, Scenario
from reference_engine.spool import RunClock, Spool, Trace
from reference_engine.wallet import Gateway, Reply, Store, Wallet, counterparty_account

IN_FLIGHT_MAX = 20_000
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
        self.designs: dict[str, Design] = {n: d(self.wallet) for n, d in DESIGNS.items()}
        self.tasks: set[asyncio.Task[None]] = set()
        self.counts = {"started": 0, "skipped": 0}
        self.start_errors_us: list[int] = []
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
            self.counting = asyncio.create_task(self.count_pool())
        elif do == "flags":
            await self.set_flags(message["set"])
        elif do == "drained":
            done = self.playing is not None and self.playing.done() and not self.tasks
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
        for arrival in self.arrivals:
            if arrival.offset_us < from_us:
                continue
            due = self.run_start_us + arrival.offset_us
            while (early := due - self.clock.now_us()) > 0:
                await asyncio.sleep(early / 1e6)
            if len(self.tasks) >= IN_FLIGHT_MAX:
                self.counts["skipped"] += 1
                self.record(arrival, 1, due, None, None, Reply("failed", "front_overloaded"), None)
                continue
            self.counts["started"] += 1
            self.start_errors_us.append(self.clock.now_us() - due)
            task = asyncio.create_task(self.serve(arrival, due))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def serve(self, arrival: Arrival, due_us: int) -> None:
        """One client: a first attempt, and retries as the flags have them."""
        attempt, scheduled = 1, due_us
        self.first_attempts += 1
        while True:
            reply = await self.attempt(arrival, attempt, scheduled)
            if reply.outcome in ("approved", "declined") or not self.may_retry(attempt):
                return
            self.retries += 1
            scheduled = self.clock.now_us() + self.back_off_us(arrival, attempt)
            await asyncio.sleep((scheduled - self.clock.now_us()) / 1e6)
            attempt += 1

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
        except (TimeoutError, psycopg.Error) as error:
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
            for spool in (self.requests, self.spans, self.stats):
                spool.flush()

    def pool_row(self) -> dict[str, int]:
        """The pool's counters of the second that ends now."""
        found = self.store.pool.pop_stats()
        row = {name: int(found.get(name, 0)) for name in _POOL_COUNTERS}
        here = {"sampled_at": self.clock.now_us(), "front_id": self.number}
        return here | row | {"in_flight": len(self.tasks)}

    async def finish(self) -> dict[str, Any]:
        """End what still runs, wait for what goes on in the background, close everything."""
        for task in list(self.tasks):
            task.cancel()
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=10)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await self.wallet.settle_background()
        if self.counting is not None:
            self.counting.cancel()
        self.stats.add(self.pool_row())
        await self.client.close()
        await self.store.pool.close(5)
        for spool in (self.requests, self.spans, self.stats):
            spool.close()
        return self.counts | {"start_errors_us": self.start_errors_us}


def reply_to_error(error: BaseException) -> Reply:
    """What a client sees of an error in the front: an outcome and a short code."""
    if isinstance(error, psycopg_pool.TooManyRequests):
        return Reply("shed", "max_waiting")
    if isinstance(error, psycopg_pool.PoolTimeout):
        return Reply("failed", "pool_timeout")
    if isinstance(error, TimeoutError):
        return Reply("timed_out", "client_timeout")
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return Reply("failed", f"sqlstate_{error.sqlstate}")
    return Reply("failed", "database_unreachable")


async def main() -> None:
    """Connect, say ready, obey the parent until its pipe ends."""
    front = Front(configuration_from_parent())
    await front.store.pool.open()
    try:
        await front.store.pool.wait(20)
    except psycopg_pool.PoolTimeout as error:
        tell({"fault": f"front {front.number} cannot fill its pool: {error}"})
        return
    tell({"arrivals": len(front.arrivals)})
    await serve_commands(front.command)


if __name__ == "__main__":
    uvloop.run(main())
