"""Many sessions at once on few accounts: no money appears, none is lost, nobody deadlocks."""

from __future__ import annotations

import random
import threading
import time

import numpy as np
import psycopg
import pytest
from fixtures_postgres import Ledger

from reference_engine.ledger.bulk import BulkTransfers, post_bulk
from reference_engine.ledger.schema import connection_to

pytestmark = pytest.mark.engine

SESSIONS = 8
ROUNDS = 25


def together(ledger, work):
    """Run `work(ledger of one's own, seeded random, number)` in sessions of their own."""
    errors: list[BaseException] = []
    start = threading.Barrier(SESSIONS)

    def session(number):
        with connection_to(ledger.dsn, ledger.schema, f"session {number}") as connection:
            connection.autocommit = True
            connection.row_factory = ledger.connection.row_factory
            start.wait(20)
            try:
                own = Ledger(ledger.dsn, ledger.schema, connection)
                work(own, random.Random(number), number)
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=session, args=(n,)) for n in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def test_linked_transfers_in_any_order_never_deadlock(ledger):
    """Each statement moves money between three accounts named in random order."""

    def work(own, drawn, _):
        for _ in range(ROUNDS):
            a, b, c = drawn.sample(range(1, 6), 3)
            try:
                own.post(
                    {"debit": a, "credit": b, "yen": drawn.randint(1, 60)},
                    {"debit": b, "credit": c, "yen": drawn.randint(1, 60)},
                    {"debit": c, "credit": a, "yen": drawn.randint(1, 60)},
                )
            except psycopg.errors.CheckViolation:
                continue  # somebody was out of money: an answer, not an accident

    together(ledger, work)
    assert sum(ledger.balance(w) for w in range(1, 6)) == 5_000
    assert ledger.faults() == []


def test_holds_raced_for_by_two_sides_end_once(ledger):
    """Every hold is posted by one session and voided by another; exactly one of them wins."""
    rows = [{"debit": 1, "credit": 2, "yen": 7, "kind": "pending"} for _ in range(100)]
    holds = ledger.post(*rows)
    wins = {"post_pending": 0, "void_pending": 0}
    lock = threading.Lock()

    def work(own, drawn, number):
        kind = "post_pending" if number % 2 else "void_pending"
        for hold in drawn.sample(holds, len(holds)):
            yen = 7 if number % 2 else 0
            try:
                own.post({"debit": 1, "credit": 2, "yen": yen, "kind": kind, "ends": hold})
            except psycopg.errors.UniqueViolation:
                continue
            with lock:
                wins[kind] += 1

    together(ledger, work)
    assert sum(wins.values()) == 100
    assert ledger.held(1) == 0
    assert ledger.balance(1) == 1_000 - 7 * wins["post_pending"]
    assert ledger.faults() == []


def test_bulk_and_single_posting_share_the_same_guard(ledger):
    """Half the sessions post in bulk, half one by one, all out of one wallet that runs dry."""

    def work(own, drawn, number):
        for turn in range(ROUNDS):
            try:
                if number % 2:
                    numbers = np.arange(80) + (number * ROUNDS + turn) * 80
                    one, two = np.full(80, 1), np.full(80, 2 + number)
                    post_bulk(own.connection, BulkTransfers(numbers, one, two, np.full(80, 1)))
                else:
                    own.post({"debit": 1, "credit": 2 + number, "yen": 3})
            except psycopg.errors.CheckViolation:
                continue

    together(ledger, work)
    assert 0 <= ledger.balance(1) < 3
    assert sum(ledger.balance(w) for w in range(1, 11)) == 10_000
    assert ledger.faults() == []


def test_one_key_asked_for_by_everybody_is_carried_out_once(ledger):
    answers = []

    def work(own, _, number):
        row = own.one(
            "SELECT (operation_begin('same', 'card_payment', 1, 2000001, 100, true, 0, false, "
            "false, true)).operation_id AS id"
        )
        answers.append(row.id)

    together(ledger, work)
    assert len(answers) == SESSIONS
    assert len(set(answers)) == 1
    assert ledger.balance(1) == 900


BEGIN_BATCH = (
    "SELECT * FROM batch_begin(%s::text[], array_fill('{}'::operation_kind, ARRAY[16]), "
    "%s::bigint[], %s::bigint[], array_fill(1::bigint, ARRAY[16]), false, 2, false, %s)"
)


@pytest.mark.parametrize("chained", [False, True], ids=["sharded", "sharded-chained"])
def test_batches_over_many_settlement_rows_never_deadlock(ledger, chained):
    """Each session has wallets of its own; in random order they meet at the settlement rows."""

    def work(own, drawn, number):
        for turn in range(ROUNDS):
            wallets = [number * 2 + 1 + n % 2 for n in range(16)]
            drawn.shuffle(wallets)
            keys = [f"{number}-{turn}-{n}" for n in range(16)]
            kind = ("card_payment", "top_up")[turn % 2]
            own.all(BEGIN_BATCH.format(kind), keys, wallets, [2_000_001] * 16, chained)

    together(ledger, work)
    assert ledger.faults() == []
    assert ledger.all("SELECT * FROM chain_faults()") == []


def test_batch_and_single_finish_of_one_operation_never_deadlock(ledger):
    """The wallet is busy; a batch queues for it, then somebody else finishes the operation."""
    ledger.all(
        "SELECT operation_begin('pay', 'card_payment', 1, 2000001, 1200, true, 0, false, "
        "false, true)"
    )
    finishes = {
        "batch": "SELECT * FROM batch_finish('{pay}', '{captured}', '{null}', false)",
        "single": "SELECT * FROM operation_finish('pay', 'captured', NULL, false)",
    }
    answers: dict[str, str] = {}

    def finish(name):
        with connection_to(ledger.dsn, ledger.schema, f"finish {name}") as connection:
            connection.autocommit = True
            connection.row_factory = ledger.connection.row_factory
            try:
                answers[name] = connection.execute(finishes[name]).fetchone().state
            except psycopg.Error as error:
                answers[name] = str(error.sqlstate)

    threads = [threading.Thread(target=finish, args=(name,)) for name in finishes]
    with connection_to(ledger.dsn, ledger.schema, "busy") as busy:
        busy.execute("SELECT 1 FROM accounts WHERE account_id = 1 FOR NO KEY UPDATE")
        for number, thread in enumerate(threads, start=1):
            thread.start()
            _until_waiting(ledger, number)
        busy.rollback()
        for thread in threads:
            thread.join(30)
    assert answers == {"batch": "approved", "single": "approved"}
    assert ledger.balance(1) == 0
    assert ledger.faults() == []


def _until_waiting(ledger, sessions):
    query = (
        "SELECT count(*) AS n FROM pg_stat_activity "
        "WHERE application_name LIKE 'finish %%' AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 20
    while ledger.one(query).n < sessions:
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- first attempts that race ---------------------------------------------------------------------


def second_waits_for_first(ledger, first, second):
    """Run `first` in a transaction, `second` beside it until it waits; commit; its answer."""
    answers = []
    with connection_to(ledger.dsn, ledger.schema, "first") as holder:
        holder.execute(first)

        def ask():
            with connection_to(ledger.dsn, ledger.schema, "second") as connection:
                try:
                    answers.append(connection.execute(second).fetchone())
                except psycopg.Error as error:
                    answers.append(error.sqlstate)

        thread = threading.Thread(target=ask)
        thread.start()
        waiting = (
            "SELECT count(*) AS n FROM pg_stat_activity "
            "WHERE application_name = 'second' AND wait_event_type = 'Lock'"
        )
        deadline = time.monotonic() + 20
        while not ledger.one(waiting).n and time.monotonic() < deadline:
            time.sleep(0.02)
        holder.commit()
    thread.join(20)
    return answers[0]


REFUND = "SELECT state::text, reason FROM refund_begin('{}', '{}', 1, false)"


def test_racing_first_attempts_of_a_refund_get_the_same_answer(ledger):
    ask = REFUND.format("back", "never paid")
    assert second_waits_for_first(ledger, ask, ask) == ("declined", "nothing_to_refund")


def test_racing_refunds_of_two_payments_under_one_key_refund_the_first(ledger):
    for key in ("one", "two"):
        ledger.all(
            f"SELECT operation_begin('{key}', 'card_payment', 1, 2000001, 100, true, 0, false, "
            "false, true)"
        )
    first, second = (REFUND.format("back", payment) for payment in ("one", "two"))
    answer = second_waits_for_first(ledger, first, second)
    assert answer == ("declined", "key_used_for_another_operation")
    assert ledger.balance(1) == 900
    again = tuple(ledger.one(REFUND.format("back two", "two")))
    assert again == ("approved", None)  # the refused attempt left nothing in its way
    assert ledger.faults() == []


PAY = "SELECT operation_begin('{}', 'card_payment', {}, 2000001, 100, true, {}, false, {}, true)"


@pytest.mark.parametrize(
    ("meanwhile", "late"),
    [
        (PAY.format("a", 1, 0, "true"), PAY.format("b", 2, 1, "true")),
        (REFUND.format("back", "never"), REFUND.format("back", "never")),
        (REFUND.format("back", "paid"), REFUND.format("another", "paid")),
        (PAY.format("same", 1, 0, "false"), PAY.format("same", 1, 0, "false")),
    ],
    ids=["hash chain", "refund of nothing", "second refund", "same key"],
)
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_snapshot_that_is_too_old_is_a_serialization_failure(ledger, level, meanwhile, late):
    ledger.all(PAY.format("paid", 1, 0, "false"))
    with connection_to(ledger.dsn, ledger.schema, "late") as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        connection.execute("SELECT count(*) FROM operations")
        ledger.all(meanwhile)
        with pytest.raises(psycopg.errors.SerializationFailure):
            connection.execute(late)
            connection.commit()
        connection.rollback()
    assert ledger.faults() == []
    assert ledger.all("SELECT * FROM chain_faults()") == []
