"""Group commit across requests: whatever waits goes into one statement and one transaction.

Two lanes work in turn, so that the next batch is gathered while the server works on the last.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg

from reference_engine.load import Arrival
from reference_engine.spool import BatchTimes
from reference_engine.wallet import Answer, Reply, Wallet, counterparty_account, reply_to_error

BATCHED_OPERATIONS = frozenset({"card_payment", "p2p_transfer", "top_up"})
_LANES = 2
_BATCH_BEGIN = (
    "SELECT idempotency_key, operation_id, state, reason, card_part_jpy FROM batch_begin("
    "%s::text[], %s::operation_kind[], %s::bigint[], %s::bigint[], %s::bigint[], %s, %s, %s, %s)"
)
_BATCH_FINISH = (
    "SELECT idempotency_key, operation_id, state, reason, card_part_jpy FROM batch_finish("
    "%s::text[], %s::text[], %s::text[], %s)"
)
APPROVED = Answer(0, "approved", None, 0)
# errors of one request that fail the whole statement: the batch is then tried one by one
_ONE_BY_ONE = (
    psycopg.errors.IntegrityError,
    psycopg.errors.DataError,
)

# called once with what became of a ticket: the answer, or the reply to an error
Done = Callable[["Ticket", Answer | Reply, BatchTimes], None]


@dataclass(slots=True, eq=False)
class Ticket:
    """One request in the batcher: when it was meant to begin, and when it was offered.

    `done` hears what became of it; without one, the batcher's clients do.
    """

    arrival: Arrival
    scheduled_us: int
    offered_us: int
    done: Done | None = None


class Clients(Protocol):
    """Whoever owns the tickets that have no `done` of their own."""

    def approved(self, tickets: list[Ticket], times: BatchTimes) -> None:
        """These were simply approved, all in one batch."""

    def answered(self, ticket: Ticket, answer: Answer | Reply, times: BatchTimes) -> None:
        """This one was answered in another way."""


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
        self.clients: Clients | None = None
        self._wallet = wallet
        self._now_us = now_us
        self._tickets: deque[Ticket] = deque()
        self._endings: deque[_Ending] = deque()
        self._in_hand: list[list[Ticket]] = [[] for _ in range(_LANES)]
        self._something = asyncio.Event()
        self._lanes: list[asyncio.Task[None]] = []
        self._gathering = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Requests gathered and not yet sent to the server."""
        return len(self._tickets)

    @property
    def in_flight(self) -> int:
        """Requests offered and not answered yet."""
        return len(self._tickets) + sum(map(len, self._in_hand))

    def unanswered(self) -> list[Ticket]:
        """The requests offered and not answered; after `close` nobody will answer them."""
        return [ticket for hand in (*self._in_hand, self._tickets) for ticket in hand]

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
            self._lanes = [asyncio.create_task(self._lane(lane)) for lane in range(_LANES)]
        self._something.set()

    async def close(self) -> None:
        """Stop the lanes; what still waits is answered by nobody."""
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)
        self._lanes = []

    async def _lane(self, lane: int) -> None:
        while True:
            async with self._gathering:
                await self._something.wait()
                flags = self._wallet.flags
                if len(self._tickets) < flags.batch_max and flags.batch_wait_ms:
                    await asyncio.sleep(flags.batch_wait_ms / 1000)
                tickets, endings = self._take(flags.batch_max)
                self._in_hand[lane] = tickets
                if not self._tickets and not self._endings:
                    self._something.clear()
            if endings:
                await self._end(endings)
            if tickets:
                await self._begin(tickets, lane)
                self._in_hand[lane] = []

    def _take(self, limit: int) -> tuple[list[Ticket], list[_Ending]]:
        """The next batch; a key asked for twice waits for the answer to the first.

        All requests of a batch are concurrent, so any one order of them is as good as another; the
        server takes what is paid before what is received (see batch.sql).
        """
        waiting = self._tickets
        tickets = [waiting.popleft() for _ in range(min(limit, len(waiting)))]
        first = {ticket.arrival.idempotency_key: ticket for ticket in reversed(tickets)}
        if len(first) < len(tickets):
            chosen = set(first.values())
            waiting.extendleft(t for t in reversed(tickets) if t not in chosen)
            tickets = [t for t in tickets if t in chosen]
        endings = [self._endings.popleft() for _ in range(min(limit, len(self._endings)))]
        return tickets, endings

    async def _begin(self, tickets: list[Ticket], lane: int, *, again: bool = True) -> None:
        """Carry out the first step of every ticket and hand out the answers."""
        times = BatchTimes(gathered_us=self._now_us())
        try:
            rows = await self._ask(_BATCH_BEGIN, self._parameters(tickets), times)
        except _ONE_BY_ONE as error:
            if len(tickets) > 1:
                await self._begin_one_by_one(tickets, lane)
            elif again and isinstance(error, psycopg.errors.UniqueViolation):
                # another attempt of the key was faster: by now its answer is there
                await self._begin(tickets, lane, again=False)
            else:
                self._answer(tickets[0], reply_to_error(error), times)
            return
        except Exception as error:
            reply = reply_to_error(error)
            for ticket in tickets:
                self._answer(ticket, reply, times)
            return
        special = {row[0]: Answer(*row[1:]) for row in rows}
        together = []
        for ticket in tickets:
            answer = special.get(ticket.arrival.idempotency_key)
            if answer is None and ticket.done is None:
                together.append(ticket)
            else:
                self._answer(ticket, answer or APPROVED, times)
        if together:
            assert self.clients is not None
            self.clients.approved(together, times)

    def _parameters(self, tickets: list[Ticket]) -> tuple[Any, ...]:
        arrivals = [ticket.arrival for ticket in tickets]
        flags = self._wallet.flags
        return (
            array_literal([a.idempotency_key for a in arrivals]),
            array_literal([a.operation for a in arrivals]),
            _numbers([a.wallet_id for a in arrivals]),
            _numbers([counterparty_account(a) for a in arrivals]),
            _numbers([a.amount_jpy for a in arrivals]),
            flags.auto_charge,
            flags.settlement_shards,
            self._wallet.limited,
            flags.hash_chain,
        )

    async def _begin_one_by_one(self, tickets: list[Ticket], lane: int) -> None:
        """One bad request must not fail the others: send each in a batch of its own."""
        for place, ticket in enumerate(tickets):
            self._in_hand[lane] = tickets[place:]
            await self._begin([ticket], lane)

    def _answer(self, ticket: Ticket, answer: Answer | Reply, times: BatchTimes) -> None:
        if ticket.done is not None:
            ticket.done(ticket, answer, times)
        else:
            assert self.clients is not None
            self.clients.answered(ticket, answer, times)

    async def _end(self, endings: list[_Ending]) -> None:
        parameters = (
            [e.key for e in endings],
            [e.outcome for e in endings],
            [e.reason for e in endings],
            self._wallet.flags.hash_chain,
        )
        try:
            rows = await self._ask(_BATCH_FINISH, parameters, BatchTimes())
        except Exception as error:
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


def array_literal(texts: list[str]) -> str:
    """A text[] as PostgreSQL writes it; adapting a list of thousands takes many times as long."""
    whole = "".join(texts)
    if "\\" in whole or '"' in whole:
        texts = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    return "{" + ",".join([f'"{text}"' for text in texts]) + "}"


def _numbers(values: Iterable[int | None]) -> str:
    return "{" + ",".join(["NULL" if v is None else str(v) for v in values]) + "}"
