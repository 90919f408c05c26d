"""One suite of promises for every design and flag: they may fail differently, never wrongly."""

from __future__ import annotations

import asyncio

import pytest
from design_case import DESIGNS, FLAGS, Case
from fixtures_postgres import new_ledger

from reference_engine.wallet import Reply

pytestmark = pytest.mark.engine

EVERY = [(d, f) for d in DESIGNS for f in FLAGS]
CHARGING = [(d, f) for d, f in EVERY if f != "no-auto-charge"]


@pytest.fixture
def case(request, ledger, gateway, tmp_path):
    design, flags = request.param
    return Case(design, FLAGS[flags], ledger, gateway, tmp_path)


def over(combinations):
    return pytest.mark.parametrize("case", combinations, indirect=True, ids=lambda c: "-".join(c))


def test_every_flag_of_the_wallet_is_in_the_suite():
    """Flags of clients (retries and their back-off) and of time limits are tested in the front."""
    from reference_engine.scenario_model import Flags

    elsewhere = {"retries", "backoff", "backoff_ms", "retry_budget", "client_timeout_ms"}
    elsewhere |= {"pool_timeout_ms", "gateway_timeout_ms", "batch_max", "batch_wait_ms"}
    assert set(Flags.model_fields) - elsewhere == {f for flags in FLAGS.values() for f in flags}


@over(EVERY)
def test_crowd_of_mixed_requests_keeps_every_promise(case):
    """60 clients at once on 6 wallets: payments, transfers, top-ups, and every key twice."""

    async def story(clients):
        work = []
        for n in range(60):
            wallet = n % 6 + 1
            kind = ("card_payment", "p2p_transfer", "card_payment", "top_up")[n % 4]
            request = (f"k{n}", kind, wallet, 70 + n * 7)
            work += [clients.insist(*request, other=(n * 5) % 6 + 7) for _ in range(2)]
        return await asyncio.gather(*work)

    replies = case.run(story)
    first, second = replies[0::2], replies[1::2]
    assert [r.outcome for r in first] == [r.outcome for r in second]
    assert {r.outcome for r in first} <= {"approved", "declined"}
    assert case.promises_broken() == []
    if case.design != "lock_across_call":  # a conflict after the call rolls back what was charged
        assert case.refunds_due() == []
    assert case.ledger.one("SELECT count(*) AS n FROM operations").n == 60


@over(EVERY)
def test_crowd_on_one_wallet_never_overdraws_it(case):
    async def story(clients):
        return await asyncio.gather(
            *(clients.insist(f"k{n}", "card_payment", 1, 90) for n in range(25))
        )

    replies = case.run(story)
    approved = sum(r.outcome == "approved" for r in replies)
    from_card = sum(yen for status, yen in case.charges().values() if status == "captured")
    assert approved == (25 if case.flags.auto_charge else 11)  # 11 x 90 yen fit into 1,000
    assert case.ledger.balance(1) == 1_000 + from_card - approved * 90 >= 0
    assert case.promises_broken() == []


@over([(d, f) for d, f in EVERY if f != "unsorted"])
def test_opposite_transfers_end_without_deadlock(case):
    async def story(clients):
        pairs = [(1, 2), (2, 1), (3, 1), (2, 3)]
        work = [
            clients.insist(f"k{n}", "p2p_transfer", pairs[n % 4][0], 5, other=pairs[n % 4][1])
            for n in range(40)
        ]
        return await asyncio.gather(*work)

    before = case.ledger.one("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'")
    assert {r.outcome for r in case.run(story)} == {"approved"}
    case.ledger.connection.execute("SELECT pg_stat_force_next_flush()")
    after = case.ledger.one("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'")
    assert after == before
    assert case.promises_broken() == []


@over(CHARGING)
def test_payment_short_of_balance_charges_the_missing_part(case):
    async def story(clients):
        paid = await clients.pay("pay", 1, 1_250)
        back = await clients.ask("back", "refund", 1, 1_250, refers_to="pay")
        again = await clients.ask("again", "refund", 1, 1_250, refers_to="pay")
        return [paid, back, again]

    paid, back, again = case.run(story)
    assert (paid.outcome, back.outcome) == ("approved", "approved")
    assert again == Reply("declined", "already_refunded")
    assert case.charges() == {"pay": ("refunded", 250)}
    assert case.ledger.balance(1) == 1_000
    assert case.promises_broken() == []


@over([(d, "no-auto-charge") for d in DESIGNS])
def test_with_auto_charge_off_only_what_needs_the_card_fails(case):
    async def story(clients):
        return [
            await clients.pay("short", 1, 1_250),
            await clients.pay("enough", 1, 1_000),
            await clients.ask("top", "top_up", 2, 500),
            await clients.ask("look", "balance_inquiry", 2, None),
        ]

    short, *rest = case.run(story)
    assert short == Reply("declined", "insufficient_balance")
    assert [r.outcome for r in rest] == ["approved"] * 3
    assert case.charges() == {}


@pytest.mark.parametrize("design", DESIGNS)
def test_limits_of_the_licence_hold_in_every_design(design, server, gateway, tmp_path):
    limits = {"p2p_transfer": {"per_transfer": 500, "per_day": 600}}
    with new_ledger(server, limits=limits) as ledger:
        case = Case(design, {}, ledger, gateway, tmp_path)
        case.limited = True

        async def story(clients):
            asked = [("a", 501), ("b", 400), ("c", 201), ("d", 200)]
            return [await clients.ask(k, "p2p_transfer", 1, yen, other=2) for k, yen in asked]

        assert case.run(story) == [
            Reply("declined", "limit_per_transfer"),
            Reply("approved"),
            Reply("declined", "limit_per_day"),
            Reply("approved"),
        ]
        assert case.promises_broken() == []


def test_full_queue_sheds_and_says_so(ledger, gateway, tmp_path):
    flags = {"pool_size": 1, "max_waiting": 1}
    case = Case("phased", flags, ledger, gateway, tmp_path)

    async def story(clients):
        return await asyncio.gather(*(clients.pay(f"k{n}", n + 1, 10) for n in range(12)))

    replies = case.run(story)
    assert Reply("shed", "max_waiting") in replies
    approved = sum(r.outcome == "approved" for r in replies)
    assert case.ledger.one("SELECT count(*) AS n FROM operations").n == approved > 0


@pytest.mark.parametrize("design", DESIGNS)
def test_key_used_for_something_else_gets_no_answer_of_the_first(design, ledger, gateway, tmp_path):
    case = Case(design, {}, ledger, gateway, tmp_path)

    async def story(clients):
        for name in ("one", "two"):
            await clients.pay(name, 1, 100)
        return [
            await clients.ask("send", "p2p_transfer", 1, 100, other=2),
            await clients.ask("send", "p2p_transfer", 1, 100, other=3),
            await clients.ask("back", "refund", 1, 100, refers_to="one"),
            await clients.ask("back", "refund", 1, 100, refers_to="two"),
            await clients.ask("back", "refund", 1, 100, refers_to="one"),
        ]

    other = Reply("declined", "key_used_for_another_operation")
    done = Reply("approved")
    assert case.run(story) == [done, other, done, other, done]
    assert [ledger.balance(w) for w in (1, 2, 3)] == [800, 1_100, 1_000]
    assert case.promises_broken() == []
