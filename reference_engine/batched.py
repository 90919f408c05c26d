"""Group commit across requests: whatever waits goes into one statement and one transaction.

Two lanes work in turn, so that the next batch is gathered while the server works on the last.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from reference_engine.load import Arrival
from reference_engine.spool import BatchTimes
from reference_engine.wallet import Answer, Reply, Wallet, counterparty_account, reply_to_error

BATCHED_OPERATIONS = ("card_payment", "p2p_transfer", "top_up")
_LANES = 2
_BATCH_BEGIN = (
    "SELECT idempotency_key, operation_id, state, reason, card_part_jpy FROM batch_begin("
    "%s::text[], %s::operation_kind[], %s::bigint[], %s::bigint[], %s::bigint[], %s, %s, %s, %s)"
)
_BATCH_FINISH = (
    "SELECT idempotency_key, operation_id, state, reason, card_part_jpy FROM batch_finish("
    "%s::text[], %s::text[], %s::text[], %s)"
)
_APPROVED = Answer(0, "approved", None, 0)
# errors of one request that fail the whole statement: the batch is then tried one by one
_ONE_BY_ONE = (
    psycopg.errors.IntegrityError,
    psycopg.errors.DataError,
)


@dataclass(slots=True, eq=False)
class Ticket:
    """One request in the batcher. `done` is called once, with the answer or the error's reply."""

    arrival: Arrival
    offered_us: int
    done: Callable[[Ticket, Answer | Reply], None]
    times: BatchTimes = field(default_factory=BatchTimes)
    scheduled_us: int = 0


@dataclass(slots=True)
class _Ending:
    """One operation to finish after the gateway's answer."""

    key: str
    outcome: str
    reason: str | None
    done: asyncio.Future[Answer]


class Batcher:
    """Gathers requests and endings of one front and carries them out in batches."""

    def __init__(self, wallet: Wallet, now_us: Callable[[], int]) -> None:
        self._wallet = wallet
        self._now_us = now_us
        self._tickets: deque[Ticket] = deque()
        self._endings: deque[_Ending] = deque()
        self._something = asyncio.Event()
        self._lanes: list[asyncio.Task[None]] = []
        self._gathering = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Requests gathered and not yet sent to the server."""
        return len(self._tickets)

    def offer(self, ticket: Ticket) -> None:
        """Take a request in; returns at once."""
        self._tickets.append(ticket)
        self._wake()

    async def finish(self, key: str, outcome: str, reason: str | None) -> Answer:
        """Finish one operation in the next batch of endings."""
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._endings.append(_Ending(key, outcome, reason, done))
        self._wake()
        return await done

    def _wake(self) -> None:
        if not self._lanes:
            self._lanes = [asyncio.create_task(self._lane()) for _ in range(_LANES)]
        self._something.set()

    async def close(self) -> None:
        """Stop the lanes; what still waits is answered by nobody."""
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)
        self._lanes = []

    async def _lane(self) -> None:
        while True:
            async with self._gathering:
                await self._something.wait()
                flags = self._wallet.flags
                if len(self._tickets) < flags.batch_max and flags.batch_wait_ms:
                    await asyncio.sleep(flags.batch_wait_ms / 1000)
                tickets, endings = self._take(flags.batch_max)
                if not self._tickets and not self._endings:
                    self._something.clear()
            if endings:
                await self._end(endings)
            if tickets:
                await self._begin(tickets)

    def _take(self, limit: int) -> tuple[list[Ticket], list[_Ending]]:
        """The next batch; a key asked for twice waits for the answer to the first.

        All requests of a batch are concurrent, so any one order of them is as good as another; the
        server takes what is paid before what is received (see batch.sql).
        """
        tickets: list[Ticket] = []
        again: list[Ticket] = []
        keys: set[str] = set()
        while self._tickets and len(tickets) < limit:
            ticket = self._tickets.popleft()
            key = ticket.arrival.idempotency_key
            (again if key in keys else tickets).append(ticket)
            keys.add(key)
        self._tickets.extendleft(reversed(again))
        endings = [self._endings.popleft() for _ in range(min(limit, len(self._endings)))]
        return tickets, endings

    async def _begin(self, tickets: list[Ticket]) -> None:
        """Carry out the first step of every ticket and hand out the answers."""
        times = BatchTimes(gathered_us=self._now_us())
        for ticket in tickets:
            ticket.times = times
        arrivals = [ticket.arrival for ticket in tickets]
        flags = self._wallet.flags
        parameters = (
            [a.idempotency_key for a in arrivals],
            [a.operation for a in arrivals],
            [a.wallet_id for a in arrivals],
            [counterparty_account(a) for a in arrivals],
            [a.amount_jpy for a in arrivals],
            flags.auto_charge,
            flags.settlement_shards,
            self._wallet.limited,
            flags.hash_chain,
        )
        try:
            rows = await self._ask(_BATCH_BEGIN, parameters, times)
        except _ONE_BY_ONE as error:
            await self._begin_one_by_one(tickets, error)
            return
        except (psycopg.Error, TimeoutError) as error:
            for ticket in tickets:
                ticket.done(ticket, reply_to_error(error))
            return
        special = {row[0]: Answer(*row[1:]) for row in rows}
        for ticket in tickets:
            ticket.done(ticket, special.get(ticket.arrival.idempotency_key, _APPROVED))

    async def _begin_one_by_one(self, tickets: list[Ticket], error: psycopg.Error) -> None:
        """One bad request must not fail the others: send each in a batch of its own."""
        if len(tickets) == 1:
            tickets[0].done(tickets[0], reply_to_error(error))
            return
        for ticket in tickets:
            await self._begin([ticket])

    async def _end(self, endings: list[_Ending]) -> None:
        parameters = (
            [e.key for e in endings],
            [e.outcome for e in endings],
            [e.reason for e in endings],
            self._wallet.flags.hash_chain,
        )
        try:
            rows = await self._ask(_BATCH_FINISH, parameters, BatchTimes())
        except (psycopg.Error, TimeoutError) as error:
            if isinstance(error, _ONE_BY_ONE) and len(endings) > 1:
                for ending in endings:
                    await self._end([ending])
                return
            for ending in endings:
                if not ending.done.done():
                    ending.done.set_exception(error)
            return
        answers = {row[0]: Answer(*row[1:]) for row in rows}
        for ending in endings:
            if not ending.done.done():
                ending.done.set_result(answers[ending.key])

    async def _ask(
        self, query: str, parameters: tuple[Any, ...], times: BatchTimes
    ) -> list[tuple[Any, ...]]:
        """One statement in one transaction; notes when its stages began."""
        async with self._wallet.store.pool.connection() as connection:
            times.acquired_us = self._now_us()
            await self._wallet.store.set_isolation(connection)
            times.asked_us = self._now_us()
            cursor = await connection.execute(query, parameters, prepare=True)
            rows = await cursor.fetchall()
            times.answered_us = self._now_us()
            await connection.commit()
            times.committed_us = self._now_us()
        return rows
