"""Short names for the ledger's functions, shared by the tests of the ledger."""

from __future__ import annotations

SETTLEMENT = 9_000_001
CARD = 9_100_001


def begin(ledger, key, operation="card_payment", wallet=1, other=None, yen=100, auto=True, **more):
    """One `operation_begin`; returns (state, reason, card part)."""
    row = ledger.one(
        "SELECT state, reason, card_part_jpy FROM operation_begin"
        "(%s, %s, %s, %s, %s, %s, 0, %s, %s, true)",
        key,
        operation,
        wallet,
        other,
        yen,
        auto,
        more.get("limited", False),
        more.get("chain", False),
    )
    return tuple(row)


def finish(ledger, key, outcome="captured", reason=None, chain=False):
    row = ledger.one(
        "SELECT state, reason, card_part_jpy FROM operation_finish(%s, %s, %s, %s)",
        key,
        outcome,
        reason,
        chain,
    )
    return tuple(row)


def refund(ledger, key, payment, wallet=1):
    query = "SELECT state, reason, card_part_jpy FROM refund_begin(%s, %s, %s, false)"
    return tuple(ledger.one(query, key, payment, wallet))
