"""Operations of the ledger: first answers, auto-charge, refunds, limits, hash chain."""

from __future__ import annotations

import psycopg
import pytest
from fixtures_postgres import new_ledger
from ledger_case import CARD, SETTLEMENT, begin, finish, refund

pytestmark = pytest.mark.engine


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


@pytest.mark.parametrize("yen", [0, -5])
@pytest.mark.parametrize("way", ["operation", "locked", "batch"])
@pytest.mark.parametrize("kind", ["card_payment", "p2p_transfer", "top_up"])
def test_operation_over_nothing_or_less_is_refused_in_every_way(ledger, way, kind, yen):
    single = "SELECT {}_begin('k', %s, 1, 2, %s, true, 0, false, false, true)"
    batch = (
        "SELECT batch_begin(ARRAY['k'], ARRAY[%s::operation_kind], ARRAY[1::bigint], "
        "ARRAY[2::bigint], ARRAY[%s::bigint], true, 1, false, false)"
    )
    with pytest.raises(psycopg.errors.CheckViolation):
        ledger.all(batch if way == "batch" else single.format(way), kind, yen)
    assert ledger.all("SELECT * FROM operations") == []
    assert ledger.available(1) == 1_000


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


def test_link_of_an_operation_that_is_not_there_is_found(ledger):
    for number in range(3):
        begin(ledger, f"k{number}", chain=True)
    ledger.connection.execute("UPDATE hash_chain SET operation_id = 0 WHERE chain_id = 2")
    assert [f.chain_id for f in ledger.all("SELECT chain_id FROM chain_faults()")] == [2]
