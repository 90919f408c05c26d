"""Faults of the wallet itself: switches that make the same operations lock and call differently."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from reference_engine.faults.base import FaultParameters, FlagFault


class LockAcrossCall(FlagFault):
    """The row locks of a payment are held while the card gateway is called.

    Signature: waiters in Lock/transactionid and Lock/tuple whose root blocker is `idle in
    transaction` with Client/ClientRead; the gateway span lies inside the transaction span; hold
    time follows gateway latency; no slow statement for the holder.
    Source: Meedan 2022 (an external call inside a transaction filled the pool); Airbnb forbids it
    ("Avoiding double payments"). That Kyash 2018 was such a case is a hypothesis, never published.
    """

    name = "lock_across_call"
    target = "design"

    class Parameters(FaultParameters):
        settlement_shards: int = Field(default=1, ge=1, le=64)  # rows that take the money meanwhile

    def changes(self) -> dict[str, Any]:
        shards = self.parameters.settlement_shards
        return {"design": "lock_across_call", "settlement_shards": shards}


class AdvisoryLock(FlagFault):
    """Every posting takes one ledger-wide advisory lock (a hash chain over the log).

    Signature: Lock/advisory leads the waits; a flat ceiling of throughput that does not depend on
    how accounts are spread.
    Source: docs.formance.com (architecting for scale): a documented limit of hash-chained ledgers,
    not an outage.
    """

    name = "advisory_lock"
    target = "ledger"

    def changes(self) -> dict[str, Any]:
        return {"hash_chain": True}
