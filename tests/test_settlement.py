"""Settlement of unknown outcomes: the gateway's word to the yen, no guess, none in the way."""

from __future__ import annotations

import asyncio

import pytest
from design_case import Case

from reference_engine.gateway_client import GatewayClient
from reference_engine.settle import settle_unknown
from reference_engine.wallet import Reply

pytestmark = pytest.mark.engine


@pytest.fixture
def case(ledger, gateway, tmp_path):
    return Case("phased", {}, ledger, gateway, tmp_path)


def charge(case, name, yen):
    """The gateway captures, and nobody in the wallet hears of it."""

    async def call():
        async with GatewayClient(case.gateway.port) as client:
            return await client.charge(case.key(name), yen)

    assert asyncio.run(call()).outcome == "captured"


def begin(case, name, operation, wallet, counterparty, yen):
    """The first step of a payment whose front then stops."""
    row = case.ledger.one(
        "SELECT (operation_begin(%s, %s, %s, %s, %s, true, 0, false, false, true)).state AS state",
        case.key(name),
        operation,
        wallet,
        counterparty,
        yen,
    )
    assert row.state == "pending"


def state(case, name):
    query = "SELECT state FROM operations WHERE idempotency_key = %s"
    return case.ledger.one(query, case.key(name)).state


def test_charge_of_another_amount_is_given_back_not_posted(case):
    """An attempt rolled back after its charge leaves 200 captured; the next one needs 250."""
    charge(case, "pay", 200)
    begin(case, "pay", "card_payment", 1, 2_000_001, 1_250)
    assert case.settle().posted == 0
    assert state(case, "pay") == "failed"
    assert case.charges() == {"pay": ("refunded", 200)}
    assert case.ledger.available(1) == 1_000
    assert case.promises_broken() == []


def test_refund_is_not_given_up_while_the_gateway_is_out_of_reach(case):
    """The card may have its money back already: only the gateway can say."""
    case.run(lambda clients: clients.pay("pay", 1, 1_250))
    case.ledger.all("SELECT refund_begin(%s, %s, 1, false)", case.key("back"), case.key("pay"))

    async def refund():
        async with GatewayClient(case.gateway.port) as client:
            return await client.refund(case.key("pay"))

    assert asyncio.run(refund()).outcome == "refunded"
    settled = settle_unknown(case.ledger.dsn, case.ledger.schema, 9)  # nobody listens there
    assert (settled.given_up, settled.still_unknown) == (0, 1)
    assert state(case, "back") == "pending"
    assert case.settle().posted == 1
    assert (state(case, "back"), case.ledger.balance(1)) == ("approved", 1_000)
    assert case.promises_broken() == []


def test_operation_the_ledger_refuses_does_not_stop_the_others(case):
    """The receiver does not exist: the charge goes back, and the next operation is settled."""
    case.ledger.post({"debit": 1, "credit": 2, "yen": 1_000})
    case.ledger.all(
        "INSERT INTO operations (idempotency_key, operation_id, operation, state, wallet_id, "
        "counterparty_id, amount_jpy, balance_part_jpy, card_part_jpy, shard) VALUES "
        "(%s, nextval('operation_ids'), 'p2p_transfer', 'pending', 1, 424242, 300, 0, 300, 0) "
        "RETURNING 1",
        case.key("stray"),
    )
    begin(case, "pay", "card_payment", 3, 2_000_001, 1_250)
    for name, yen in (("stray", 300), ("pay", 250)):
        charge(case, name, yen)
    settled = case.settle()
    assert (settled.posted, settled.given_up, settled.still_unknown) == (1, 1, 0)
    assert (state(case, "stray"), state(case, "pay")) == ("failed", "approved")
    assert case.charges() == {"stray": ("refunded", 300), "pay": ("captured", 250)}
    assert case.promises_broken() == []


@pytest.mark.parametrize("design", ["lock_across_call", "phased", "batched"])
@pytest.mark.parametrize("receiver", [424_242, 1], ids=["unknown", "oneself"])
def test_transfer_to_nobody_never_reaches_the_card(design, receiver, ledger, gateway, tmp_path):
    ledger.post({"debit": 1, "credit": 2, "yen": 1_000})
    case = Case(design, {}, ledger, gateway, tmp_path)
    reply = case.run(lambda c: c.ask("stray", "p2p_transfer", 1, 300, other=receiver))
    assert reply.outcome == "failed"
    assert reply != Reply("failed", "outcome_unknown")
    assert case.charges() == {}
    assert ledger.one("SELECT count(*) AS n FROM operations").n == 0
