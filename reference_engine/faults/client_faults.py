"""Faults on the wallet's own side: fronts, pools, clients, and the way to the gateway."""

from __future__ import annotations

import threading
from typing import Any, Literal

from pydantic import Field

from reference_engine.faults.base import Fault, FaultContext, FaultParameters, FlagFault


class PoolExhaustion(FlagFault):
    """The fronts' connection pools are far too small for the load.

    Signature: time in `pool_wait` far above time in the database; requests queue at the pool or
    fail at its timeout; on the server few sessions, little active.
    Source: Meedan 2022 (wrocloverb.rubygraph.dev, connection pool contention);
    hyperledger-firefly/firefly#380.
    """

    name = "pool_exhaustion"
    target = "fronts"

    class Parameters(FaultParameters):
        pool_size: int = Field(default=1, ge=1, le=500)  # connections of one front

    def changes(self) -> dict[str, Any]:
        return {"pool_size": self.parameters.pool_size}


class SerializationFailures(FlagFault):
    """The wallet runs at an isolation level that its contended rows cannot bear.

    Signature: SQLSTATE 40001 many times, rollbacks climb, attempts per request above one, few long
    waits.
    Source: interledger five-bells-ledger#402 (40001 shown to users as "insufficient funds").
    """

    name = "serialization_failure"
    target = "ledger"

    class Parameters(FaultParameters):
        isolation: Literal["repeatable read", "serializable"] = "serializable"  # of the fronts

    def changes(self) -> dict[str, Any]:
        return {"isolation": self.parameters.isolation, "settlement_shards": 1}


class RetryStorm(FlagFault):
    """Clients try again at once and without end; a short slowness of the gateway sets it off.

    The trigger ends long before the storm does: the gateway works on calls that nobody waits for
    any more, so that every new call comes too late as well (a metastable failure).

    Signature: attempts per request well above one, the same idempotency keys again and again;
    goodput stays low after the trigger has ended, until the retries themselves are stopped.
    Source: UPI 2025-04-12 (flood of status checks; moneycontrol.com article-12995316); Huang et
    al., Metastable Failures in the Wild, OSDI 2022.
    """

    name = "retry_storm"
    target = "clients"

    class Parameters(FaultParameters):
        retries: int = Field(default=12, ge=1, le=50)  # of one client, one after the other
        trigger_s: float = Field(default=3.0, gt=0, le=600)  # how long the gateway is slow
        trigger_latency_ms: float = Field(default=1_500, gt=0, le=60_000)  # median meanwhile
        capacity: int = Field(default=4, ge=1, le=100_000)  # calls the gateway works on at once

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(parameters)
        self._timer: threading.Timer | None = None

    def changes(self) -> dict[str, Any]:
        return {
            "retries": self.parameters.retries,
            "backoff": "none",
            "backoff_ms": 0,
            "retry_budget": 0.0,
        }

    def prepare(self, ctx: FaultContext) -> None:
        """A gateway with little to spare: vulnerable, but stable as long as nothing happens."""
        ctx.gateway.set({"capacity": self.parameters.capacity})

    def inject(self, ctx: FaultContext) -> None:
        """Let clients retry without mercy, and slow the gateway down for `trigger_s`."""
        super().inject(ctx)
        ctx.gateway.lay(self, {"latency_ms": self.parameters.trigger_latency_ms})
        self._timer = threading.Timer(self.parameters.trigger_s, ctx.gateway.lift, (self,))
        self._timer.daemon = True
        self._timer.start()

    def heal(self, ctx: FaultContext) -> None:
        """Put the retries back to what they were: the storm dies of it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join(10)
        ctx.gateway.lift(self)
        super().heal(ctx)


class GatewayPartition(Fault):
    """The network between wallet and card gateway fails.

    Signature: gateway spans as long as the timeout, outcomes unknown, captures without ledger rows
    until reconciliation; nothing at all in PostgreSQL (unless locks are held across the call);
    operations that need no card go on.
    Source: Kyash 2018-07-14 (stated cause: internal network failure, by the notice quoted at
    orangeitems.com); PayPay 2018-12-04 as users saw it (itmedia.co.jp 1812/04 news094).
    """

    name = "gateway_partition"
    target = "gateway"

    class Parameters(FaultParameters):
        how: Literal["black_hole", "reset", "drop"] = "black_hole"  # what becomes of the bytes
        share: float = Field(default=1.0, gt=0, le=1)  # of connections, for reset and drop

    def inject(self, ctx: FaultContext) -> None:
        """Break the way."""
        share = {} if self.parameters.how == "black_hole" else {"share": self.parameters.share}
        ctx.gateway_way.lay(self, {self.parameters.how: share})

    def heal(self, ctx: FaultContext) -> None:
        """Open the way."""
        ctx.gateway_way.lift(self)


class GatewaySlow(Fault):
    """The gateway answers, but late (a grey failure).

    Signature: gateway spans long from the median on, calls in flight grow as rate times latency
    (Little's law); nothing in PostgreSQL unless locks are held across the call.
    Source: Kyash 2018-10-09 speaks of delays and errors under concentrated access; that the gateway
    was slow is a hypothesis.
    """

    name = "gateway_slow"
    target = "gateway"

    class Parameters(FaultParameters):
        latency_ms: float = Field(default=1_200, gt=0, le=60_000)  # median of a call

    def inject(self, ctx: FaultContext) -> None:
        """Slow the gateway down."""
        ctx.gateway.lay(self, {"latency_ms": self.parameters.latency_ms})

    def heal(self, ctx: FaultContext) -> None:
        """Back to its usual pace."""
        ctx.gateway.lift(self)


class FrontStopped(Fault):
    """One front process dies and comes back at the end of the window.

    Signature: what was scheduled for that front is not served, the other fronts go on; its sessions
    vanish from the server; operations it had begun are settled by reconciliation.
    Source: a process that dies is the plainest failure of a scaled-out front; no incident claimed.
    """

    name = "front_stopped"
    target = "front"

    class Parameters(FaultParameters):
        front: int = Field(default=0, ge=0, le=31)  # which one

    def inject(self, ctx: FaultContext) -> None:
        """Stop the front."""
        ctx.fronts.stop(self.parameters.front % ctx.fronts.count)

    def heal(self, ctx: FaultContext) -> None:
        """Start it again."""
        ctx.fronts.start(self.parameters.front % ctx.fronts.count)
