"""The ledger's store: postings, holds and history, kept by the database itself."""

from __future__ import annotations

import datetime as dt

import psycopg
import pytest
from fixtures_postgres import OPENING_JPY
from ledger_case import begin

pytestmark = pytest.mark.engine


# --- what the store refuses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts SET credits_posted_jpy = credits_posted_jpy + 1 WHERE account_id = 1",
        "DELETE FROM accounts WHERE account_id = 1",
        "TRUNCATE accounts",
        "INSERT INTO accounts (account_id, kind, credits_posted_jpy) VALUES (777, 'wallet', 1)",
        "UPDATE transfers SET amount_jpy = 1",
        "DELETE FROM transfers",
        "TRUNCATE transfers",
        "DELETE FROM operations",
        "TRUNCATE operations",
    ],
)
def test_writes_past_the_transfers_are_refused(ledger, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"refused|opens empty"):
        ledger.connection.execute(statement)
    assert ledger.faults() == []


def test_answered_operation_keeps_its_answer(ledger):
    begin(ledger, "k")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ledger.connection.execute("UPDATE operations SET state = 'declined'")


def test_wallet_cannot_go_below_zero(ledger):
    with pytest.raises(psycopg.errors.CheckViolation, match="accounts_no_overdraft"):
        ledger.post({"debit": 1, "credit": 2, "yen": OPENING_JPY + 1})
    assert ledger.balance(1) == OPENING_JPY


def test_transfer_to_an_account_that_does_not_exist_is_refused(ledger):
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        ledger.post({"debit": 1, "credit": 123_456, "yen": 1})
    assert ledger.balance(1) == OPENING_JPY


@pytest.mark.parametrize("yen", [0, -5])
def test_amount_of_nothing_or_less_is_refused(ledger, yen):
    with pytest.raises(psycopg.errors.CheckViolation):
        ledger.post({"debit": 1, "credit": 2, "yen": yen})


def test_transfer_within_one_account_is_refused(ledger):
    with pytest.raises(psycopg.errors.CheckViolation, match="transfers_two_accounts"):
        ledger.post({"debit": 1, "credit": 1, "yen": 1})


def test_linked_transfers_are_all_or_none(ledger):
    with pytest.raises(psycopg.errors.CheckViolation):
        ledger.post(
            {"debit": 1, "credit": 2, "yen": 10},
            {"debit": 3, "credit": 4, "yen": OPENING_JPY + 1},
        )
    assert [ledger.balance(w) for w in (1, 2, 3, 4)] == [OPENING_JPY] * 4


def test_linked_transfers_may_pass_money_on_within_one_statement(ledger):
    ledger.post(
        {"debit": 1, "credit": 2, "yen": OPENING_JPY},
        {"debit": 2, "credit": 3, "yen": 2 * OPENING_JPY},
    )
    assert [ledger.balance(w) for w in (1, 2, 3)] == [0, 0, 3 * OPENING_JPY]


def test_many_rows_in_one_statement_post_like_single_ones(ledger):
    ledger.post(*[{"debit": 1 + n % 10, "credit": 11 + n % 7, "yen": 3} for n in range(200)])
    assert ledger.balance(1) == OPENING_JPY - 60
    assert sum(ledger.balance(w) for w in range(11, 18)) == 7 * OPENING_JPY + 600
    assert ledger.faults() == []


def test_tampered_balance_is_found_by_the_proof_of_the_books(ledger):
    ledger.connection.execute("SET session_replication_role = replica")  # switches triggers off
    ledger.connection.execute(
        "UPDATE accounts SET credits_posted_jpy = credits_posted_jpy + 1 WHERE account_id = 1"
    )
    ledger.connection.execute("SET session_replication_role = origin")
    assert {what for what, _ in ledger.faults()} == {
        "the balances do not sum to zero",
        "an account differs from its transfers",
    }


def test_approved_operation_without_transfers_is_found_by_the_proof(ledger):
    ledger.connection.execute(
        "INSERT INTO operations (idempotency_key, operation_id, operation, state, wallet_id, "
        "amount_jpy, balance_part_jpy, card_part_jpy) "
        "VALUES ('forged', 999999, 'card_payment', 'approved', 1, 50, 50, 0)"
    )
    assert ledger.faults() == [
        ("an approved operation lacks its transfers, or another has some", "forged")
    ]


def test_payment_without_an_operation_is_found_by_the_proof(ledger):
    ledger.connection.execute(
        "INSERT INTO transfers (transfer_id, debit_account_id, credit_account_id, amount_jpy, "
        "code) VALUES (15999984, 1, 9000001, 50, 'payment')"
    )
    assert ledger.faults() == [("a transfer of an operation that is not there", "15999984")]


# --- two-phase ------------------------------------------------------------------------------------


def hold(ledger, yen=400, expires_at=None):
    row = {"debit": 1, "credit": 2, "yen": yen, "kind": "pending", "expires_at": expires_at}
    return ledger.post(row)[0]


def end(ledger, number, kind, yen=0, debit=1):
    ledger.post({"debit": debit, "credit": 2, "yen": yen, "kind": kind, "ends": number})


def test_hold_counts_as_spent_before_it_is_posted(ledger):
    hold(ledger, 400)
    assert (ledger.balance(1), ledger.available(1)) == (1_000, 600)
    with pytest.raises(psycopg.errors.CheckViolation):
        ledger.post({"debit": 1, "credit": 3, "yen": 601})


def test_partial_post_releases_the_rest(ledger):
    number = hold(ledger, 400)
    end(ledger, number, "post_pending", 150)
    assert (ledger.balance(1), ledger.held(1), ledger.balance(2)) == (850, 0, 1_150)


def test_void_releases_everything(ledger):
    end(ledger, hold(ledger, 400), "void_pending")
    assert (ledger.balance(1), ledger.held(1), ledger.balance(2)) == (1_000, 0, 1_000)


@pytest.mark.parametrize("second", ["post_pending", "void_pending"])
def test_hold_ends_once(ledger, second):
    number = hold(ledger)
    end(ledger, number, "post_pending", 400)
    with pytest.raises(psycopg.errors.UniqueViolation):
        end(ledger, number, second, 400 if second == "post_pending" else 0)
    assert ledger.balance(1) == 600


def test_posting_more_than_was_held_is_refused(ledger):
    with pytest.raises(psycopg.errors.CheckViolation, match="ends a hold"):
        end(ledger, hold(ledger, 400), "post_pending", 401)


def test_ending_between_other_accounts_is_refused(ledger):
    with pytest.raises(psycopg.errors.CheckViolation, match="ends a hold"):
        end(ledger, hold(ledger), "post_pending", 400, debit=3)


def test_ending_what_is_no_hold_is_refused(ledger):
    posted = ledger.post({"debit": 1, "credit": 2, "yen": 5})[0]
    with pytest.raises(psycopg.errors.CheckViolation, match="ends a hold"):
        end(ledger, posted, "void_pending")


def test_hold_expires_only_when_its_time_is_over(ledger):
    now = dt.datetime.now(dt.UTC)
    fresh = hold(ledger, 100, now + dt.timedelta(hours=1))
    due = hold(ledger, 200, now - dt.timedelta(seconds=1))
    with pytest.raises(psycopg.errors.CheckViolation):
        end(ledger, fresh, "expire_pending")
    assert ledger.one("SELECT expire_holds() AS n").n == 1
    assert ledger.held(1) == 100
    assert ledger.one("SELECT kind FROM transfers WHERE pending_id = %s", due).kind == (
        "expire_pending"
    )
    assert ledger.one("SELECT expire_holds() AS n").n == 0


def test_hold_of_an_unknown_outcome_does_not_expire(ledger):
    ledger.connection.execute(
        "SELECT operation_begin('k', 'card_payment', 1, 1, 1500, true, 0, false, false, true, 0)"
    )
    assert ledger.one("SELECT expire_holds() AS n").n == 0
    assert ledger.held(1) == OPENING_JPY


# --- history --------------------------------------------------------------------------------------


def test_balance_at_a_past_time(ledger):
    before = ledger.one("SELECT clock_timestamp() AS t").t
    ledger.post({"debit": 1, "credit": 2, "yen": 300})
    between = ledger.one("SELECT clock_timestamp() AS t").t
    end(ledger, hold(ledger, 200), "post_pending", 50)
    after = ledger.one("SELECT clock_timestamp() AS t").t
    at = [ledger.one("SELECT balance_at(1, %s) AS b", t).b for t in (before, between, after)]
    assert at == [1_000, 700, 650]
    assert at[-1] == ledger.balance(1)
