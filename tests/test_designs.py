"""One suite of promises for every design and flag: they may fail differently, never wrongly."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from design_case import DESIGNS, FLAGS, Case
from fixtures_postgres import new_ledger

from reference_engine.gateway import GatewayProcess
from reference_engine.scenario_model import Gateway
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


def test_bad_request_fails_alone_in_its_batch(ledger, gateway, tmp_path):
    case = Case("batched", {"batch_wait_ms": 50}, ledger, gateway, tmp_path)

    async def story(clients):
        work = [clients.pay(f"k{n}", n + 1, 10) for n in range(5)]
        work.insert(2, clients.ask("bad", "p2p_transfer", 9, 10, other=424_242))
        return await asyncio.gather(*work)

    replies = case.run(story)
    assert replies[2] == Reply("failed", "sqlstate_23503")
    assert [r.outcome for n, r in enumerate(replies) if n != 2] == ["approved"] * 5
    assert case.promises_broken() == []


def test_money_received_can_be_spent_by_who_knows_of_it(ledger, gateway, tmp_path):
    """Within a batch requests are concurrent; who has the answer to a top-up can spend it."""
    case = Case("batched", {"batch_wait_ms": 50}, ledger, gateway, tmp_path)

    async def story(clients):
        first = await clients.ask("top", "top_up", 1, 500)
        return [first, await clients.pay("pay", 1, 1_400)]

    assert [r.outcome for r in case.run(story)] == ["approved", "approved"]
    assert case.charges() == {}
    assert case.ledger.balance(1) == 100


def test_key_asked_for_twice_within_a_batch_is_carried_out_once(ledger, gateway, tmp_path):
    case = Case("batched", {"batch_wait_ms": 50}, ledger, gateway, tmp_path)

    async def story(clients):
        return await asyncio.gather(*(clients.pay("same", 1, 100) for _ in range(5)))

    assert {r.outcome for r in case.run(story)} == {"approved"}
    assert case.ledger.balance(1) == 900


def test_key_another_front_is_just_using_gets_that_answer(ledger, gateway, tmp_path):
    """The batch finds no such key, waits for the other transaction, and must look again."""
    case = Case("batched", {}, ledger, gateway, tmp_path)
    begin = (
        "SELECT operation_begin(%s, 'card_payment', 2, 2000001, 10, true, 0, false, false, true)"
    )

    async def story(clients):
        path = f"-c search_path={ledger.schema}"
        async with await psycopg.AsyncConnection.connect(ledger.dsn, options=path) as other:
            await other.execute(begin, [case.key("same")])
            asked = asyncio.create_task(clients.pay("same", 1, 10))
            await asyncio.sleep(0.3)
            await other.commit()
        return await asked

    assert case.run(story) == Reply("declined", "key_used_for_another_operation")
    assert [ledger.balance(w) for w in (1, 2)] == [1_000, 990]


def test_fault_of_the_front_itself_is_an_answer_too(ledger, gateway, tmp_path, monkeypatch):
    case = Case("batched", {}, ledger, gateway, tmp_path)

    def broken(arrival):
        raise ZeroDivisionError

    async def story(clients):
        with monkeypatch.context() as patch:
            patch.setattr("reference_engine.batched.counterparty_account", broken)
            first = await clients.pay("one", 1, 10)
        return [first, await clients.pay("two", 1, 10)]

    assert case.run(story) == [Reply("failed", "front_error"), Reply("approved")]


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


def test_ending_the_ledger_refuses_does_not_stop_the_others_of_its_batch(ledger, gateway, tmp_path):
    """'spent' was begun by the design without holds, and its balance part is gone since."""
    case = Case("batched", {"batch_wait_ms": 50}, ledger, gateway, tmp_path)
    begin = "SELECT {}_begin(%s, 'card_payment', %s, 2000001, 1250, true, 0, false, false, true)"
    ledger.all(begin.format("locked"), case.key("spent"), 1)
    ledger.post({"debit": 1, "credit": 3, "yen": 1_000})
    ledger.all(begin.format("operation"), case.key("sound"), 2)

    async def story(clients):
        finish = clients.design.batcher.finish
        endings = [finish(case.key(name), "captured", None) for name in ("spent", "sound")]
        return await asyncio.gather(*endings, return_exceptions=True)

    spent, sound = case.run(story)
    assert spent.sqlstate == "23514"
    assert sound.state == "approved"
