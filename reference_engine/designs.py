"""The designs of the wallet: one switch, the same promises, different ways to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from reference_engine.batched import BATCHED_OPERATIONS, Batcher, Ticket
from reference_engine.gateway_client import GatewayAnswer
from reference_engine.load import Arrival
from reference_engine.spool import BatchTimes, Trace
from reference_engine.wallet import (
    BEGIN_SQL,
    FINISH_SQL,
    LOCKED_BEGIN_SQL,
    REFUND_SQL,
    Answer,
    Reply,
    Tx,
    Wallet,
)


class Design(Protocol):
    """How operations are carried out."""

    async def execute(self, arrival: Arrival, trace: Trace) -> Reply:
        """Carry out one attempt and return what the client is told."""


class LockAcrossCall:
    """One transaction around everything: its row locks are held while the gateway is called.

    When the client gives up, the transaction is rolled back, whatever the gateway did meanwhile: a
    captured charge may then belong to no payment. That is how this design fails. Refunds are phased
    here, too: one rolled back after the card has its money would leave nothing to settle by.
    """

    def __init__(self, wallet: Wallet) -> None:
        self.wallet = wallet
        self._phased = Phased(wallet)

    async def execute(self, arrival: Arrival, trace: Trace) -> Reply:
        wallet = self.wallet
        if arrival.operation == "balance_inquiry":
            return await wallet.balance(arrival, trace)
        if arrival.operation == "refund":
            return await self._phased.execute(arrival, trace)
        async with wallet.store.transaction(trace, arrival.operation) as tx:
            answer = Answer(
                *await tx.ask("locked_begin", LOCKED_BEGIN_SQL, wallet.parameters(arrival))
            )
            trace.needs_auto_charge = answer.card_part_jpy > 0
            if answer.state == "pending":
                said = await _call_gateway(wallet, arrival, answer, trace)
                answer = await _finish(wallet, tx, arrival, said) or answer
        return answer.reply()


class Phased:
    """Hold, call, post: two short transactions, and no lock while the gateway is called.

    Once the gateway is called the work goes on to its end even when the client has given up.
    """

    def __init__(self, wallet: Wallet) -> None:
        self.wallet = wallet

    async def execute(self, arrival: Arrival, trace: Trace) -> Reply:
        wallet = self.wallet
        if arrival.operation == "balance_inquiry":
            return await wallet.balance(arrival, trace)
        async with wallet.store.transaction(trace, "begin") as tx:
            if arrival.operation == "refund":
                answer = await _begin_refund(wallet, tx, arrival)
            else:
                answer = Answer(*await tx.ask("begin", BEGIN_SQL, wallet.parameters(arrival)))
                trace.needs_auto_charge = answer.card_part_jpy > 0
        if answer.state == "pending":
            answer = await wallet.carry_on(self.charge_and_post(arrival, answer, trace))
        return answer.reply()

    async def charge_and_post(self, arrival: Arrival, answer: Answer, trace: Trace) -> Answer:
        """Call the gateway, then post or release in a second transaction."""
        said = await _call_gateway(self.wallet, arrival, answer, trace)
        if settled_outcome(arrival, said) is None:
            return answer
        finished = await self.post(arrival, said, trace) or answer
        if said.outcome == "captured" and finished.state in ("declined", "failed"):
            # another attempt of the same key was settled first: this charge must not stand
            await self.wallet.gateway.refund(arrival.idempotency_key, trace)
        return finished

    async def post(self, arrival: Arrival, said: GatewayAnswer, trace: Trace) -> Answer | None:
        """Post or release by the gateway's answer, in a transaction of its own."""
        async with self.wallet.store.transaction(trace, "finish") as tx:
            return await _finish(self.wallet, tx, arrival, said)


async def _begin_refund(wallet: Wallet, tx: Tx, arrival: Arrival) -> Answer:
    parameters = (
        arrival.idempotency_key,
        arrival.refers_to,
        arrival.wallet_id,
        wallet.flags.hash_chain,
    )
    return Answer(*await tx.ask("refund_begin", REFUND_SQL, parameters))


async def _call_gateway(
    wallet: Wallet, arrival: Arrival, answer: Answer, trace: Trace
) -> GatewayAnswer:
    """Charge the missing part, or cancel the card part of the payment that is refunded."""
    if arrival.operation == "refund":
        assert arrival.refers_to is not None
        return await wallet.gateway.refund(arrival.refers_to, trace)
    return await wallet.gateway.charge(arrival.idempotency_key, answer.card_part_jpy, trace)


def settled_outcome(arrival: Arrival, said: GatewayAnswer) -> str | None:
    """'captured' or 'declined' as `operation_finish` takes it; None while nobody can say.

    Even "not sent" settles nothing here: an earlier attempt of the same key may have been sent.
    """
    done = ("refunded", "voided") if arrival.operation == "refund" else ("captured",)
    if said.outcome in done:
        return "captured"
    return "declined" if said.outcome == "declined" else None


async def _finish(wallet: Wallet, tx: Tx, arrival: Arrival, said: GatewayAnswer) -> Answer | None:
    """Post or release by the gateway's answer; None leaves the operation pending."""
    outcome = settled_outcome(arrival, said)
    if outcome is None:
        return None
    parameters = (
        arrival.idempotency_key,
        outcome,
        said.reason or "card_declined",
        wallet.flags.hash_chain,
    )
    return Answer(*await tx.ask("finish", FINISH_SQL, parameters))


class Batched(Phased):
    """As phased, with many requests in one statement and one commit (group commit)."""

    def __init__(self, wallet: Wallet, now_us: Callable[[], int]) -> None:
        super().__init__(wallet)
        self.batcher = Batcher(wallet, now_us)

    async def execute(self, arrival: Arrival, trace: Trace) -> Reply:
        if arrival.operation not in BATCHED_OPERATIONS:
            return await super().execute(arrival, trace)
        waiting: asyncio.Future[Answer | Reply] = asyncio.get_running_loop().create_future()
        offered = trace.now_us()

        def done(ticket: Ticket, answer: Answer | Reply, times: BatchTimes) -> None:
            trace.add_batch(ticket.offered_us, times)
            if not waiting.done():
                waiting.set_result(answer)

        self.batcher.offer(Ticket(arrival, offered, offered, done))
        answer = await waiting
        if isinstance(answer, Reply):
            return answer
        trace.needs_auto_charge = answer.card_part_jpy > 0
        if answer.state == "pending":
            answer = await self.wallet.carry_on(self.charge_and_post(arrival, answer, trace))
        return answer.reply()

    async def post(self, arrival: Arrival, said: GatewayAnswer, trace: Trace) -> Answer | None:
        """Post or release with the next batch of endings; refunds go by themselves."""
        outcome = settled_outcome(arrival, said)
        if outcome is None or arrival.operation not in BATCHED_OPERATIONS:
            return await super().post(arrival, said, trace)
        reason = said.reason or "card_declined"
        return await self.batcher.finish(arrival.idempotency_key, outcome, reason)


def make_designs(wallet: Wallet, now_us: Callable[[], int]) -> dict[str, Design]:
    """Return every design by its public name, all over the same wallet."""
    return {
        "lock_across_call": LockAcrossCall(wallet),
        "phased": Phased(wallet),
        "batched": Batched(wallet, now_us),
    }
