"""What the card gateway did and what the client learned may differ; no design loses money by it."""

from __future__ import annotations

import asyncio

import pytest
from design_case import DESIGNS, Case

from reference_engine.gateway import GatewayProcess
from reference_engine.scenario_model import Gateway
from reference_engine.wallet import Reply

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def stern_gateway(tmp_path_factory, guardian):
    """A gateway that declines every card."""
    settings = Gateway(latency_ms=1, latency_sigma=0, decline_share=1)
    with GatewayProcess(tmp_path_factory.mktemp("stern"), settings) as gateway:
        guardian.watch_process(gateway.pid)
        yield gateway


@pytest.mark.parametrize("design", DESIGNS)
def test_declined_card_leaves_the_wallet_as_before(design, ledger, stern_gateway, tmp_path):
    case = Case(design, {}, ledger, stern_gateway, tmp_path)
    reply = case.run(lambda clients: clients.pay("pay", 1, 1_250))
    assert reply == Reply("declined", "card_declined")
    assert (ledger.available(1), ledger.held(1)) == (1_000, 0)
    assert case.promises_broken() == []


@pytest.mark.parametrize("design", DESIGNS)
def test_unknown_gateway_outcome_stays_unknown_until_it_is_settled(
    design, ledger, guardian, tmp_path
):
    """The gateway captures, its answer comes too late: nobody guesses, settlement asks."""
    slow = Gateway(latency_ms=600, latency_sigma=0, decline_share=0)
    with GatewayProcess(tmp_path / "slow", slow) as gateway:
        guardian.watch_process(gateway.pid)
        case = Case(design, {"gateway_timeout_ms": 400}, ledger, gateway, tmp_path)
        reply = case.run(lambda clients: clients.pay("pay", 1, 1_250))
        assert reply == Reply("failed", "outcome_unknown")
        assert ledger.one("SELECT state FROM operations").state == "pending"
        gateway.configure(latency_ms=1)
        settled = case.settle()
        assert (settled.posted, settled.still_unknown) == (1, 0)
    assert ledger.one("SELECT state FROM operations").state == "approved"
    assert case.charges() == {"pay": ("captured", 250)}
    assert case.promises_broken() == []


def test_unknown_charge_is_given_back_when_its_balance_part_is_spent(ledger, guardian, tmp_path):
    """Without a hold the balance part may be gone by the time the outcome is known."""
    slow = Gateway(latency_ms=600, latency_sigma=0, decline_share=0)
    with GatewayProcess(tmp_path / "slow", slow) as gateway:
        guardian.watch_process(gateway.pid)
        flags = {"gateway_timeout_ms": 400}
        case = Case("lock_across_call", flags, ledger, gateway, tmp_path)

        async def story(clients):
            first = await clients.pay("pay", 1, 1_250)
            return first, await clients.pay("other", 1, 900)

        first, other = case.run(story)
        assert (first, other) == (Reply("failed", "outcome_unknown"), Reply("approved"))
        gateway.configure(latency_ms=1)
        settled = case.settle()
        assert (settled.posted, settled.given_up) == (0, 1)
        assert case.charges() == {"pay": ("refunded", 250)}
    assert ledger.balance(1) == 100
    assert case.promises_broken() == []


@pytest.mark.parametrize("design", DESIGNS)
def test_gateway_out_of_reach_is_settled_as_never_charged(design, ledger, guardian, tmp_path):
    with GatewayProcess(tmp_path / "gone", Gateway(latency_ms=1)) as gateway:
        case = Case(design, {}, ledger, gateway, tmp_path)
        gateway.kill()
        reply = case.run(lambda clients: clients.pay("pay", 1, 1_250))
        assert reply == Reply("failed", "outcome_unknown")
        gateway.restart()
        assert case.settle().given_up == 1
        late = case.run(lambda clients: clients.pay("pay", 1, 1_250))
        assert late.outcome == "failed"  # the first answer, now that there is one
        assert case.charges() == {"pay": ("cancelled", 0)}
    assert ledger.available(1) == 1_000
    assert case.promises_broken() == []


def test_client_who_gives_up_loses_a_captured_charge_when_locks_span_the_call(
    ledger, guardian, tmp_path
):
    """The failure of that design: rolled back with its client, charged all the same."""
    slow = Gateway(latency_ms=600, latency_sigma=0, decline_share=0)
    with GatewayProcess(tmp_path / "slow", slow) as gateway:
        guardian.watch_process(gateway.pid)

        async def story(clients):
            reply = await clients.pay("pay", 1, 1_250, patience_s=0.45)
            await asyncio.sleep(0.5)
            return reply

        case = Case("lock_across_call", {}, ledger, gateway, tmp_path)
        assert case.run(story) == Reply("timed_out", "client_timeout")
        assert case.refunds_due() == ["pay"]
        assert ledger.one("SELECT count(*) AS n FROM operations").n == 0
        assert case.promises_broken() == []


@pytest.mark.parametrize("design", DESIGNS)
def test_client_who_gives_up_leaves_a_refund_that_is_completed(design, ledger, guardian, tmp_path):
    """The card has its money back; the balance must get its part, too."""
    with GatewayProcess(tmp_path / "slow", Gateway(latency_ms=1)) as gateway:
        guardian.watch_process(gateway.pid)
        case = Case(design, {}, ledger, gateway, tmp_path)
        assert case.run(lambda clients: clients.pay("pay", 1, 1_250)) == Reply("approved")
        gateway.configure(latency_ms=600, latency_sigma=0)

        async def story(clients):
            request = ("back", "refund", 1, 1_250)
            reply = await clients.ask(*request, refers_to="pay", patience_s=0.45)
            await asyncio.sleep(0.5)
            return reply

        assert case.run(story) == Reply("timed_out", "client_timeout")
        case.settle()
        assert case.charges() == {"pay": ("refunded", 250)}
    assert ledger.balance(1) == 1_000
    assert case.promises_broken() == []


@pytest.mark.parametrize("design", ["phased", "batched"])
def test_client_who_gives_up_leaves_a_payment_that_is_completed(design, ledger, guardian, tmp_path):
    slow = Gateway(latency_ms=600, latency_sigma=0, decline_share=0)
    with GatewayProcess(tmp_path / "slow", slow) as gateway:
        guardian.watch_process(gateway.pid)
        case = Case(design, {}, ledger, gateway, tmp_path)
        reply = case.run(lambda clients: clients.pay("pay", 1, 1_250, patience_s=0.3))
        assert reply == Reply("timed_out", "client_timeout")
        assert case.refunds_due() == []
        assert ledger.one("SELECT state FROM operations").state == "approved"
        assert case.promises_broken() == []
