"""First attempts of clients whose requests go through the batcher.

None of them is a task of its own until something special happens to it, and what happened to all
of a batch alike is written down once for the whole batch.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reference_engine.batch_spool import batch_row
from reference_engine.batched import APPROVED, Ticket
from reference_engine.designs import Batched
from reference_engine.load import Arrival
from reference_engine.spool import BatchTimes, Spool, Trace
from reference_engine.wallet import Answer, Reply, reply_to_error

if TYPE_CHECKING:
    from reference_engine.front import Front


class BatchClients:
    """The tickets of one front. Batches are written to `spool`, everything else by the front."""

    def __init__(self, front: Front, design: Batched, spool: Spool) -> None:
        self._front = front
        self._design = design
        self._batcher = design.batcher
        self._batcher.clients = self
        self._spool = spool

    def offer(self, arrival: Arrival, due_us: int, started_us: int) -> None:
        """Hand a first attempt to the batcher, or shed it."""
        front = self._front
        limit = front.flags.max_waiting
        if limit and self._batcher.waiting >= limit:
            shed = Reply("shed", "max_waiting")
            front.record(arrival, 1, due_us, started_us, front.clock.now_us(), shed, None)
            front.spawn(front.retry(arrival, 1, shed))
        else:
            self._batcher.offer(Ticket(arrival, due_us, started_us))

    def approved(self, tickets: list[Ticket], times: BatchTimes) -> None:
        """Write down what the batch approved; who had given up by then saw a timeout."""
        now_us = self._front.clock.now_us()
        patient_us = now_us - self._patience_us
        if min(ticket.scheduled_us for ticket in tickets) < patient_us:
            for ticket in tickets:
                if ticket.scheduled_us < patient_us:
                    self.answered(ticket, APPROVED, times)
            tickets = [ticket for ticket in tickets if ticket.scheduled_us >= patient_us]
        if tickets:
            self._spool.add(batch_row(self._front.number, tickets, times, now_us))

    def answered(self, ticket: Ticket, answer: Answer | Reply, times: BatchTimes) -> None:
        """Record one first attempt, or go on to the gateway with it."""
        front = self._front
        trace = Trace(front.clock, front.spans, ticket.arrival.request_id, 1)
        trace.add_batch(ticket.scheduled_us, times)
        if isinstance(answer, Answer):
            trace.needs_auto_charge = answer.card_part_jpy > 0
            if answer.state == "pending":
                front.spawn(self._charge(ticket, answer, trace))
                return
            answer = answer.reply()
        self._close(ticket, answer, trace)

    async def end(self) -> None:
        """Stop the batcher, and record what nobody will answer any more."""
        await self._batcher.close()
        for ticket in self._batcher.unanswered():
            self._close(ticket, Reply("failed", "run_ended"), None)

    @property
    def _patience_us(self) -> int:
        return self._front.flags.client_timeout_ms * 1000

    async def _charge(self, ticket: Ticket, answer: Answer, trace: Trace) -> None:
        """The rest of a payment that needs the card; the client's patience still counts."""
        try:
            done = await self._design.charge_and_post(ticket.arrival, answer, trace)
            reply = done.reply()
        except Exception as error:
            reply = reply_to_error(error)
        except asyncio.CancelledError:
            self._close(ticket, Reply("failed", "run_ended"), trace)
            raise
        self._close(ticket, reply, trace)

    def _close(self, ticket: Ticket, reply: Reply, trace: Trace | None) -> None:
        """Record a first attempt as its client saw it."""
        front = self._front
        finished = front.clock.now_us()
        gave_up = ticket.scheduled_us + self._patience_us
        if finished > gave_up:
            finished, reply = gave_up, Reply("timed_out", "client_timeout")
        at = (ticket.scheduled_us, ticket.offered_us, finished)
        front.record(ticket.arrival, 1, *at, reply, trace)
        if reply.outcome not in ("approved", "declined"):
            front.spawn(front.retry(ticket.arrival, 1, reply))
