"""Group commit: many requests share a statement, and each gets the answer it would get alone."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import psycopg
import pytest
from design_case import Case

from reference_engine.batched import Batcher, Ticket, array_literal
from reference_engine.load import Arrival
from reference_engine.wallet import Reply

pytestmark = pytest.mark.engine


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


def test_keys_with_quotes_and_backslashes_arrive_as_they_are(server):
    keys = [
        "plain",
        'a "quoted" key',
        "back\\slash",
        "comma,brace{}",
        "NULL",
        "",
        "käse 決済",
        "\n",
    ]
    with psycopg.connect(server.dsn) as connection:
        got = connection.execute("SELECT %s::text[]", [array_literal(keys)]).fetchall()[0][0]
    assert got == keys


def test_key_asked_for_twice_waits_for_the_next_batch_in_its_order():
    batcher = Batcher(SimpleNamespace(), lambda: 0)
    keys = ["a", "b", "a", "c", "b", "a", "d"]
    for number, key in enumerate(keys):
        batcher._tickets.append(Ticket(asked(number, key), 0, 0))
    taken = [[t.arrival.request_id for t in batcher._take(6)[0]] for _ in range(4)]
    assert taken == [["r0", "r1", "r3"], ["r2", "r4", "r6"], ["r5"], []]


def asked(number, key):
    return Arrival(f"r{number}", key, 0, "card_payment", 1, 1, 100)
