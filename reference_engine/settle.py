"""Settles operations whose gateway outcome is unknown, by asking the gateway; nothing is guessed.

Runs after the drain of a run, and after a crash. A key that the gateway never saw is cancelled
there first, so that no late charge can follow, and only then given up in the ledger.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import psycopg

from reference_engine.gateway_client import GatewayAnswer, GatewayClient
from reference_engine.ledger.schema import connection_to

PENDING_SQL = (
    "SELECT idempotency_key, operation::text, refers_to, card_part_jpy FROM operations "
    "WHERE state = 'pending' ORDER BY operation_id"
)
FINISH_SQL = "SELECT state FROM operation_finish(%s, %s, %s, %s)"
_IN_FLIGHT = 32
# captured, and in no payment: given back before the operation is given up
_CHARGE_MUST_NOT_STAND = ("balance_spent_meanwhile", "refused_by_ledger", "amount_differs")


@dataclass
class Settled:
    """What the settlement found: operations by how they ended, and those still unknown."""

    posted: int = 0
    declined: int = 0
    given_up: int = 0
    still_unknown: int = 0
    reasons: list[str] = field(default_factory=list)


def settle_unknown(dsn: str, schema: str, gateway_port: int, *, chain: bool = False) -> Settled:
    """Settle every pending operation of the ledger against the gateway; return what was done."""
    with connection_to(dsn, schema, "walletlab settlement") as connection:
        connection.autocommit = True
        return asyncio.run(_settle(connection, gateway_port, chain))


async def _settle(connection: psycopg.Connection[Any], port: int, chain: bool) -> Settled:
    pending = connection.execute(PENDING_SQL).fetchall()
    settled = Settled()
    gate = asyncio.Semaphore(_IN_FLIGHT)
    async with GatewayClient(port, timeout_s=5.0) as gateway:

        async def one(key: str, operation: str, refers_to: str | None, card_jpy: int) -> None:
            async with gate:
                if operation == "refund":
                    outcome, reason = await _refund_outcome(gateway, refers_to or "")
                else:
                    outcome, reason = await _charge_outcome(gateway, key, card_jpy)
                if outcome == "captured":
                    reason = _post(connection, key, chain)
                if reason in _CHARGE_MUST_NOT_STAND:
                    back = await gateway.refund(key)
                    outcome = "failed" if back.outcome in ("refunded", "voided") else None
                if outcome in ("declined", "failed"):
                    connection.execute(FINISH_SQL, (key, outcome, reason, chain))
                _count(settled, outcome, reason)

        await asyncio.gather(*(one(*row) for row in pending))
    return settled


def _post(connection: psycopg.Connection[Any], key: str, chain: bool) -> str | None:
    """Post a captured charge; return why the ledger refuses it, None when it is posted."""
    try:
        connection.execute(FINISH_SQL, (key, "captured", None, chain))
    except psycopg.errors.CheckViolation:
        return "balance_spent_meanwhile"  # the balance part had no hold
    except psycopg.errors.IntegrityError:
        return "refused_by_ledger"
    return None


async def _charge_outcome(
    gateway: GatewayClient, key: str, card_jpy: int
) -> tuple[str | None, str | None]:
    said = await gateway.status(key)
    if said.outcome == "absent":
        said = await gateway.void(key)  # cancels the key for good, or finds a charge just made
    if said.outcome == "captured" and said.amount_jpy != card_jpy:
        return None, "amount_differs"  # made by an attempt that was rolled back since
    return _read(said)


async def _refund_outcome(gateway: GatewayClient, key: str) -> tuple[str | None, str | None]:
    said = await gateway.refund(key)  # idempotent: refunded now, or already
    if said.outcome in ("refunded", "voided"):
        return "captured", None
    if said.outcome in ("absent", "declined", "cancelled"):
        return "failed", said.reason or said.outcome
    return None, said.reason or said.outcome  # not heard: it may have been refunded before


def _read(said: GatewayAnswer) -> tuple[str | None, str | None]:
    if said.outcome == "captured":
        return "captured", None
    if said.outcome == "declined":
        return "declined", said.reason or "card_declined"
    if said.outcome in ("cancelled", "voided", "refunded"):
        return "failed", "gateway_" + said.outcome
    return None, said.reason or said.outcome


def _count(settled: Settled, outcome: str | None, reason: str | None) -> None:
    if outcome == "captured":
        settled.posted += 1
    elif outcome == "declined":
        settled.declined += 1
    elif outcome == "failed":
        settled.given_up += 1
    else:
        settled.still_unknown += 1
        settled.reasons.append(reason or "")
