"""The ledger's promises, kept by the database itself."""

from __future__ import annotations

import datetime as dt

import psycopg
import pytest
from fixtures_postgres import OPENING_JPY, new_ledger

pytestmark = pytest.mark.engine

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


# --- operations -----------------------------------------------------------------------------------


def test_same_key_gives_the_first_answer_and_posts_once(ledger):
    first = begin(ledger, "k", yen=300)
    assert begin(ledger, "k", yen=300) == first == ("approved", None, 0)
    assert ledger.balance(1) == 700


def test_first_answer_stays_even_when_it_was_no(ledger):
    assert begin(ledger, "k", yen=5_000, auto=False)[:2] == ("declined", "insufficient_balance")
    ledger.post({"debit": 2, "credit": 1, "yen": 1_000}, {"debit": 3, "credit": 1, "yen": 900})
    begin(ledger, "top", "top_up", yen=9_000)
    assert begin(ledger, "k", yen=5_000)[:2] == ("declined", "insufficient_balance")


def test_key_of_another_operation_is_refused(ledger):
    begin(ledger, "k", yen=300)
    assert begin(ledger, "k", yen=301)[:2] == ("declined", "key_used_for_another_operation")
    assert ledger.balance(1) == 700


def test_payment_short_of_balance_waits_for_the_card_with_its_balance_held(ledger):
    assert begin(ledger, "k", yen=1_200) == ("pending", None, 200)
    assert ledger.available(1) == 0
    assert finish(ledger, "k") == ("approved", None, 200)
    assert (ledger.balance(1), ledger.balance(SETTLEMENT), ledger.balance(CARD)) == (0, 1_200, -200)
    assert ledger.faults() == []


def test_declined_card_leaves_everything_as_before(ledger):
    begin(ledger, "k", yen=1_200)
    assert finish(ledger, "k", "declined", "card_declined")[:2] == ("declined", "card_declined")
    assert (ledger.balance(1), ledger.available(1), ledger.balance(SETTLEMENT)) == (1_000, 1_000, 0)
    assert finish(ledger, "k", "captured")[0] == "declined"


def test_finishing_twice_posts_once(ledger):
    begin(ledger, "k", yen=1_200)
    assert finish(ledger, "k") == finish(ledger, "k")
    assert ledger.balance(SETTLEMENT) == 1_200


def test_without_auto_charge_a_short_payment_is_declined(ledger):
    assert begin(ledger, "k", yen=1_200, auto=False)[:2] == ("declined", "insufficient_balance")
    assert ledger.available(1) == 1_000


def test_transfer_with_auto_charge_reaches_the_receiver(ledger):
    assert begin(ledger, "k", "p2p_transfer", other=2, yen=1_300) == ("pending", None, 300)
    finish(ledger, "k")
    assert (ledger.balance(1), ledger.balance(2)) == (0, 2_300)
    assert ledger.faults() == []


def test_operation_of_an_unknown_wallet_is_declined(ledger):
    assert begin(ledger, "k", wallet=4_711)[:2] == ("declined", "no_such_wallet")


@pytest.mark.parametrize(
    ("case", "balance", "price", "balance_part", "card_part"),
    [("R1", 50, 200, 50, 150), ("R2", 320, 10_000, 320, 9_680), ("R3", 1_755, 4_748, 1_755, 2_993)],
)
def test_worked_refund_returns_each_part_to_its_source(
    server, case, balance, price, balance_part, card_part
):
    """R1 is the official notice's own example (page.kyash.co/maintenance/20181016), R2 and R3 are
    users' reports (ishiki-takai.blogspot.com, nawakimino.net/kyash-shougai)."""
    with new_ledger(server, opening_jpy=balance) as ledger:
        assert begin(ledger, "pay", yen=price) == ("pending", None, card_part)
        finish(ledger, "pay")
        assert refund(ledger, "back", "pay") == ("pending", None, card_part)
        assert ledger.balance(1) == 0  # between failure and settlement nothing has moved yet
        finish(ledger, "back")
        assert (ledger.balance(1), ledger.balance(CARD)) == (balance_part, 0)
        parts = ledger.all(
            "SELECT code::text, amount_jpy FROM transfers WHERE code IN "
            "('refund_balance', 'refund_card') ORDER BY code"
        )
        assert [tuple(p) for p in parts] == [
            ("refund_balance", balance_part),
            ("refund_card", card_part),
        ]
        assert ledger.faults() == []


def test_refund_of_a_balance_payment_needs_no_card(ledger):
    begin(ledger, "pay", yen=300)
    assert refund(ledger, "back", "pay") == ("approved", None, 0)
    assert ledger.balance(1) == 1_000


def test_payment_is_refunded_at_most_once(ledger):
    begin(ledger, "pay", yen=300)
    refund(ledger, "back", "pay")
    assert refund(ledger, "again", "pay")[:2] == ("declined", "already_refunded")
    assert refund(ledger, "back", "pay")[0] == "approved"
    assert ledger.balance(1) == 1_000


def test_payment_that_never_happened_is_not_refunded(ledger):
    begin(ledger, "pay", yen=2_000, auto=False)
    for payment in ("pay", "never"):
        answer = refund(ledger, f"back-{payment}", payment)
        assert answer[:2] == ("declined", "nothing_to_refund")


def test_failed_cancellation_at_the_gateway_leaves_the_refund_open_for_another_try(ledger):
    begin(ledger, "pay", yen=1_200)
    finish(ledger, "pay")
    refund(ledger, "back", "pay")
    assert finish(ledger, "back", "failed", "gateway_absent")[0] == "failed"
    assert refund(ledger, "again", "pay")[0] == "pending"


# --- limits and hash chain ------------------------------------------------------------------------


@pytest.fixture
def limited(server):
    limits = {
        "p2p_transfer": {"per_transfer": 500, "per_day": 700, "balance_cap": 1_600},
        "top_up": {"balance_cap": 1_600},
    }
    with new_ledger(server, limits=limits) as ledger:
        yield ledger


@pytest.mark.parametrize(("yen", "answer"), [(500, "approved"), (501, "declined")])
def test_limit_per_transfer_includes_its_edge(limited, yen, answer):
    assert begin(limited, "k", "p2p_transfer", other=2, yen=yen, limited=True)[0] == answer


def test_limit_per_day_adds_up_over_the_day(limited):
    assert begin(limited, "a", "p2p_transfer", other=2, yen=400, limited=True)[0] == "approved"
    second = begin(limited, "b", "p2p_transfer", other=3, yen=301, limited=True)
    assert second[:2] == ("declined", "limit_per_day")
    assert begin(limited, "c", "p2p_transfer", other=3, yen=300, limited=True)[0] == "approved"


def test_declined_card_gives_the_day_its_yen_back(limited):
    begin(limited, "drain", yen=1_000)
    assert begin(limited, "a", "p2p_transfer", other=2, yen=500, limited=True)[0] == "pending"
    finish(limited, "a", "declined", "card_declined")
    assert begin(limited, "b", "p2p_transfer", other=2, yen=500, limited=True)[0] == "pending"


def test_balance_cap_of_the_receiver_counts_what_is_on_its_way(limited):
    begin(limited, "drain", yen=1_000)
    begin(limited, "a", "p2p_transfer", other=2, yen=500, limited=True)
    finish(limited, "a")
    over = begin(limited, "b", "p2p_transfer", wallet=3, other=2, yen=101, limited=True)
    assert over[:2] == ("declined", "balance_cap")


@pytest.mark.parametrize("design", ["operation", "locked"])
def test_balance_cap_counts_what_a_card_is_being_charged_for(limited, design):
    """Two payers without balance: both transfers wait for the card, only one fits the cap."""
    query = (
        "SELECT (g).state, (g).reason FROM (SELECT {}_begin(%s, 'p2p_transfer', %s, 2, 500, true, "
        "0, true, false, true) AS g) AS x"
    )
    for payer in (4, 5):
        begin(limited, f"drain {payer}", wallet=payer, yen=1_000)
    answers = [limited.one(query.format(design), f"k{w}", w) for w in (4, 5)]
    assert [tuple(a) for a in answers] == [("pending", None), ("declined", "balance_cap")]


def test_day_that_gave_the_allowance_gets_it_back_after_midnight(limited):
    begin(limited, "drain", yen=1_000)
    assert begin(limited, "a", "p2p_transfer", other=2, yen=500, limited=True)[0] == "pending"
    limited.connection.execute("UPDATE daily_usage SET day = day - 1")
    limited.connection.execute(
        "UPDATE operations SET answered_at = answered_at - interval '1 day' "
        "WHERE idempotency_key = 'a'"
    )
    finish(limited, "a", "failed", "gateway_cancelled")
    days = limited.all("SELECT day - japanese_day() AS day, used_jpy FROM daily_usage")
    assert [tuple(d) for d in days] == [(-1, 0)]


@pytest.mark.parametrize(("yen", "answer"), [(600, "approved"), (601, "declined")])
def test_balance_cap_holds_for_top_ups(limited, yen, answer):
    assert begin(limited, "k", "top_up", yen=yen, limited=True)[0] == answer


def test_payments_know_no_limit_that_is_not_theirs(limited):
    assert begin(limited, "k", yen=900, limited=True)[0] == "approved"


def test_hash_chain_is_sound_and_a_changed_link_is_found(ledger):
    for number in range(3):
        begin(ledger, f"k{number}", chain=True)
    begin(ledger, "card", wallet=2, yen=1_500, chain=True)
    finish(ledger, "card", chain=True)
    assert ledger.one("SELECT count(*) AS n FROM hash_chain").n == 4
    assert ledger.all("SELECT chain_id FROM chain_faults()") == []
    ledger.connection.execute("UPDATE hash_chain SET hash = sha256('x') WHERE chain_id = 2")
    assert [f.chain_id for f in ledger.all("SELECT chain_id FROM chain_faults()")] == [2, 3]
