"""Reconciliation of a run's two books: every refund that is due, and none that is not."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from money_case import CARD, SETTLEMENT, Case

from analysis.reconcile import impact
from analysis.reconcile.books import load_run
from analysis.reconcile.result import REASONS, Reconciliation, reconcile_run
from runlog.errors import BadData
from runlog.manifest import Clock, Manifest
from runlog.reader import open_run
from runlog.writer import RunWriter

W = 100


def reconciled(case: Case, folder) -> Reconciliation:
    run = open_run(case.write(folder))
    try:
        return reconcile_run(run)
    finally:
        run.close()


def due(result: Reconciliation) -> dict[str, tuple[int, int, str]]:
    """key -> (balance part, card part, reason)."""
    return {
        r.idempotency_key: (r.balance_part_jpy, r.card_part_jpy, r.reason)
        for r in result.refunds_due.itertuples()
    }


@pytest.mark.parametrize(
    ("balance_part", "card_part", "total"),
    [(50, 150, 200), (320, 9_680, 10_000)],
    ids=["R1_notice_of_2018_10_16", "R2_top_up_of_10000"],
)
def test_a_mixed_purchase_that_failed_returns_each_part_to_its_own_source(
    tmp_path, balance_part, card_part, total
):
    # https://page.kyash.co/maintenance/20181016 and ishiki-takai.blogspot.com (user report)
    case = Case()
    case.wallet(W, balance_part)
    case.request("k", total, "failed")
    case.move("k", W, SETTLEMENT, balance_part, kind="pending")
    case.charge("k", card_part)
    result = reconciled(case, tmp_path / "run")
    assert due(result) == {"k": (balance_part, card_part, "partial_effect")}
    assert balance_part + card_part == total
    assert not result.books_agree


def test_r3_card_money_of_a_failed_purchase_in_the_balance_is_found(tmp_path):
    # https://nawakimino.net/kyash-shougai (user report): 1,755 yen stayed in the balance
    case = Case()
    case.request("failed", 1_755, "failed")
    case.charge("failed", 1_755)
    case.move("failed", CARD, W, 1_755, code="auto_charge")
    result = reconciled(case, tmp_path / "run")
    assert due(result) == {"failed": (0, 1_755, "card_part_in_balance")}


def test_r3_once_the_next_purchase_has_spent_it_nothing_is_given_back_twice(tmp_path):
    case = Case()
    case.request("failed", 1_755, "failed")
    case.charge("failed", 1_755)
    case.move("failed", CARD, W, 1_755, code="auto_charge")
    case.request("next", 4_748, "approved", second=10)
    case.paid("next", W, 1_755, 2_993)
    result = reconciled(case, tmp_path / "run")
    assert due(result) == {}
    assert list(result.unresolved["reason"]) == ["card_part_spent"]


def test_parked_card_money_is_given_back_only_as_far_as_the_balance_reaches(tmp_path):
    case = Case()
    for number, key in enumerate(("first", "second")):
        case.request(key, 1_000, "failed", second=number)
        case.charge(key, 1_000)
        case.move(key, CARD, W, 1_000, code="auto_charge", second=number)
    case.request("next", 700, "approved", second=10)
    case.paid("next", W, 700, 0)
    assert due(reconciled(case, tmp_path / "run")) == {
        "first": (0, 1_000, "card_part_in_balance"),
        "second": (0, 300, "card_part_in_balance"),
    }


def test_a_balance_only_purchase_that_failed_returns_to_the_balance(tmp_path):
    case = Case()
    case.wallet(W, 900)
    case.request("k", 800, "failed")
    case.move("k", W, SETTLEMENT, 800, kind="pending")
    result = reconciled(case, tmp_path / "run")
    assert due(result) == {"k": (800, 0, "balance_taken_unpaid")}


def test_a_capture_without_a_payment_is_cancelled(tmp_path):
    case = Case()
    case.request("k", 800, "timed_out")
    case.charge("k", 800)
    assert due(reconciled(case, tmp_path / "run")) == {"k": (0, 800, "captured_but_unpaid")}


def test_a_released_hold_and_a_void_owe_nothing_and_count_as_late_reversal(tmp_path):
    case = Case()
    case.wallet(W, 50)
    case.request("k", 200, "failed", answered=1)
    hold = case.move("k", W, SETTLEMENT, 50, kind="pending")
    case.move("k", W, SETTLEMENT, 0, kind="void_pending", pending=hold, second=9)
    case.charge("k", 150, "voided", second=9)
    run = open_run(case.write(tmp_path / "run"))
    result = reconcile_run(run)
    limbo = impact.limbo(run.connection)
    run.close()
    assert due(result) == {}
    assert result.books_agree
    assert result.totals["late_reversals"] == 1
    assert list(limbo["limbo_us"]) == [8_000_000]


def test_the_second_charge_of_one_purchase_is_cancelled_and_the_first_stands(tmp_path):
    case = Case()
    case.request("k", 500, "approved")
    case.paid("k", W, 0, 500)
    case.charge("k", 500)
    assert due(reconciled(case, tmp_path / "run")) == {"k": (0, 500, "double_capture")}


def test_a_purchase_the_card_never_paid_is_a_loss_and_no_refund(tmp_path):
    case = Case()
    case.request("k", 500, "approved")
    case.move("k", CARD, W, 500, code="auto_charge")
    case.move("k", W, SETTLEMENT, 500)
    result = reconciled(case, tmp_path / "run")
    assert due(result) == {}
    assert result.totals["shortfall_jpy"] == 500
    assert not result.books_agree


def test_a_payment_in_both_books_is_not_refunded_whatever_the_client_was_told(tmp_path):
    case = Case()
    case.wallet(W, 100)
    case.request("k", 500, "timed_out")
    case.paid("k", W, 100, 400)
    result = reconciled(case, tmp_path / "run")
    assert due(result) == {}
    assert result.books_agree
    assert result.totals["paid_but_told_otherwise"] == 1
    assert result.totals["unknown_outcomes_paid"] == 1


def test_an_approved_payment_missing_in_the_ledger_is_never_guessed(tmp_path):
    case = Case()
    case.request("k", 500, "approved")
    case.charge("k", 500)
    result = reconciled(case, tmp_path / "run")
    assert due(result) == {}
    assert list(result.unresolved["reason"]) == ["approved_but_unpaid"]
    assert not result.books_agree


def test_a_retry_that_was_approved_makes_the_whole_intention_approved(tmp_path):
    case = Case()
    case.request("k", 500, "timed_out", attempt=1)
    case.request("k", 500, "approved", attempt=2, second=2)
    case.paid("k", W, 0, 500)
    result = reconciled(case, tmp_path / "run")
    assert due(result) == {}
    assert result.totals["attempted_jpy"] == 500
    assert result.totals["abandoned_jpy"] == 0


@pytest.mark.parametrize("operation", ["top_up", "p2p_transfer"])
def test_a_charged_card_without_effect_is_due_for_every_operation(tmp_path, operation):
    case = Case()
    case.request("bad", 700, "failed", operation=operation)
    case.charge("bad", 700)
    case.request("good", 700, "approved", operation=operation)
    case.charge("good", 700)
    case.move("good", CARD, W, 700, code="top_up")
    if operation == "p2p_transfer":
        case.move("good", W, 101, 700, code="p2p")
    assert due(reconciled(case, tmp_path / "run")) == {"bad": (0, 700, "captured_but_unpaid")}


def test_a_charge_nobody_asked_for_is_due(tmp_path):
    case = Case()
    case.charge("orphan", 321)
    assert due(reconciled(case, tmp_path / "run")) == {"orphan": (0, 321, "captured_but_unpaid")}


def test_a_posted_repair_counts_for_the_request_it_repairs(tmp_path):
    case = Case()
    case.wallet(W, 50)
    case.request("k", 200, "failed")
    case.move("k", W, SETTLEMENT, 50)
    case.move("repair:k", SETTLEMENT, W, 50, code="refund_balance")
    result = reconciled(case, tmp_path / "run")
    assert due(result) == {}


def refunded_case(*, at_gateway: bool = True, in_ledger: bool = True) -> Case:
    case = Case()
    told = "approved" if in_ledger else "timed_out"
    case.wallet(W, 50)
    case.request("k", 200, "approved")
    case.move("k", CARD, W, 150, code="auto_charge")
    case.move("k", W, SETTLEMENT, 200)
    case.charge("k", 150, "refunded" if at_gateway else "captured", second=9)
    case.request("wish", 200, told, operation="refund", second=8)
    if in_ledger:
        case.move("wish", SETTLEMENT, W, 50, code="refund_balance", second=9)
        case.move("wish", SETTLEMENT, CARD, 150, code="refund_card", second=9)
    return case


def test_a_refund_on_the_customers_wish_leaves_nothing_due(tmp_path):
    result = reconciled(refunded_case(at_gateway=True), tmp_path / "run")
    assert due(result) == {}
    assert result.books_agree
    assert result.totals["ledger_card_jpy"] == result.totals["gateway_captured_jpy"] == 0


def test_a_refund_the_gateway_never_made_is_left_to_a_person(tmp_path):
    result = reconciled(refunded_case(at_gateway=False), tmp_path / "run")
    assert not result.books_agree
    assert list(result.unresolved["reason"]) == ["refund_not_at_card"]


def test_a_refund_that_only_the_gateway_made_owes_the_balance_part(tmp_path):
    result = reconciled(refunded_case(in_ledger=False), tmp_path / "run")
    assert due(result) == {"k": (50, 0, "refund_half_done")}
    assert not result.books_agree


def test_totals_split_attempted_money_by_its_end(tmp_path):
    case = Case()
    case.wallet(W, 10_000)
    for amount, outcome in ((1, "declined"), (2, "failed"), (4, "timed_out"), (8, "shed")):
        case.request(f"k{amount}", amount, outcome)
    case.request("k16", 16, "approved")
    case.paid("k16", W, 16, 0)
    totals = reconciled(case, tmp_path / "run").totals
    parts = [totals[f"{name}_jpy"] for name in ("declined", "failed", "abandoned", "approved")]
    assert parts == [1, 2, 12, 16]
    assert totals["attempted_jpy"] == sum(parts)


def test_repeat_victims_are_wallets_hit_more_than_once(tmp_path):
    case = Case()
    case.request("a", 10, "failed", wallet=101)
    case.request("b", 10, "timed_out", wallet=101)
    case.request("c", 10, "failed", wallet=102)
    case.request("d", 10, "declined", wallet=103)
    totals = reconciled(case, tmp_path / "run").totals
    assert (totals["wallets_affected"], totals["wallets_hit_again"]) == (2, 1)


def test_accounts_that_are_not_the_sum_of_their_transfers_are_named(tmp_path):
    case = Case()
    case.wallet(W, 500)
    honest = case.accounts()
    for row in honest:
        if row["account_id"] == W:
            row["credits_posted_jpy"] += 1
    case.accounts = lambda: honest  # type: ignore[method-assign]
    result = reconciled(case, tmp_path / "run")
    assert list(result.ledger_faults["account_id"]) == [W]
    assert not result.books_agree


def test_a_run_without_gateway_books_is_refused(tmp_path):
    with RunWriter(tmp_path / "run") as writer:
        writer.add("events", "SELECT now() AS at, 'load' AS kind, 'x' AS label, true AS important")
        clock = Clock(scenario_start=None, wall_start=pd.Timestamp("2020-01-01", tz="UTC"))
        writer.commit(Manifest(run_id="r", kind="imported", clock=clock))
    run = open_run(tmp_path / "run")
    with pytest.raises(BadData, match="recorded no requests"):
        load_run(run)
    run.close()


# --- any mixture of endings: precision and recall, by row and by yen ----

ENDINGS = ("paid", "declined", "captured", "captured_held", "held", "voided", "double", "parked")


def _play(case: Case, key: str, wallet: int, ending: str, balance: int, card: int) -> tuple | None:
    """Put one ending into the case; return what is due (balance, card), None when nothing is."""
    told = {"paid": "approved", "double": "approved", "declined": "declined"}
    case.wallet(wallet, balance)
    case.request(key, balance + card, told.get(ending, "failed"), wallet=wallet)
    if ending in ("paid", "double"):
        case.paid(key, wallet, balance, card)
    if ending in ("captured", "captured_held", "double"):
        case.charge(key, card)
    if ending in ("captured_held", "held"):
        case.move(key, wallet, SETTLEMENT, balance, kind="pending")
    if ending == "voided":
        case.charge(key, card, "voided")
    if ending == "parked":
        case.charge(key, card)
        case.move(key, CARD, wallet, card, code="auto_charge")
    return {
        "captured": (0, card),
        "captured_held": (balance, card),
        "held": (balance, 0),
        "double": (0, card),
        "parked": (0, card),
    }.get(ending)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.sampled_from(ENDINGS), st.integers(1, 10**6), st.integers(1, 10**6)),
        min_size=1,
        max_size=30,
    )
)
def test_every_refund_is_found_and_none_invented(tmp_path_factory, endings):
    case, truth = Case(), {}
    for number, (ending, balance, card) in enumerate(endings):
        owed = _play(case, f"k{number}", 100 + number, ending, balance, card)
        if owed:
            truth[f"k{number}"] = owed
    result = reconciled(case, tmp_path_factory.mktemp("case") / "run")
    found = {k: (b, c) for k, (b, c, _) in due(result).items()}
    assert found == truth
    assert set(result.by_finding["finding"]) <= set(REASONS)
    assert len(result.ledger_faults) == 0


def test_money_over_time_sums_to_the_totals(tmp_path):
    case = Case()
    for second in (0, 4, 11, 29):
        case.request(f"k{second}", 100 + second, "failed", second=second)
    case.charge("k11", 111)
    run = open_run(case.write(tmp_path / "run"))
    result = reconcile_run(run)
    frame = impact.money_over_time(run.connection, 10)
    run.close()
    assert list(frame["failed_jpy"]) == [204, 111, 129]
    assert int(frame["due_jpy"].sum()) == result.totals["refund_card_jpy"] == 111
