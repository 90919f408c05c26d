"""Whatever is asked of the ledger, in whatever order: the books stay true to a plain model."""

from __future__ import annotations

import numpy as np
import psycopg
import pytest
from fixtures_postgres import emptied
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_case import begin, finish, refund

from reference_engine.ledger.bulk import BULK_BASE, BulkTransfers, post_bulk
from runlog.errors import BadData

pytestmark = pytest.mark.engine

PEOPLE = (1, 2, 3)
FEW = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)

_account = st.sampled_from(PEOPLE)
_yen = st.integers(1, 900)
_move = st.tuples(st.just("move"), _account, _account, _yen)
_hold = st.tuples(st.just("hold"), _account, _account, _yen)
_end = st.tuples(
    st.sampled_from(["post_pending", "void_pending"]), st.integers(0, 5), st.just(0), _yen
)


class Model:
    """What the ledger should hold, in a few lines of Python."""

    def __init__(self, opening: int) -> None:
        self.balance = dict.fromkeys(PEOPLE, opening)
        self.held = dict.fromkeys(PEOPLE, 0)
        self.holds: list[tuple[int, int, int, int]] = []  # id, payer, taker, yen
        self.ended: set[int] = set()

    def accepts(self, what: str, first: int, second: int, yen: int) -> bool:
        if what in ("move", "hold"):
            return first != second and self.balance[first] - self.held[first] >= yen
        if first >= len(self.holds) or first in self.ended:
            return False
        return what == "void_pending" or yen <= self.holds[first][3]

    def apply(self, what: str, first: int, second: int, yen: int, number: int) -> None:
        if what == "move":
            self.balance[first] -= yen
            self.balance[second] += yen
        elif what == "hold":
            self.held[first] += yen
            self.holds.append((number, first, second, yen))
        else:
            _, payer, taker, held = self.holds[first]
            self.held[payer] -= held
            self.ended.add(first)
            if what == "post_pending":
                self.balance[payer] -= yen
                self.balance[taker] += yen


def _row(model: Model, what: str, first: int, second: int, yen: int) -> dict[str, object]:
    if what in ("move", "hold"):
        kind = "posted" if what == "move" else "pending"
        return {"debit": first, "credit": second, "yen": yen, "kind": kind}
    known = model.holds[first] if first < len(model.holds) else (1, 1, 2, 1)
    number, payer, taker, _ = known
    amount = yen if what == "post_pending" else 0
    return {"debit": payer, "credit": taker, "yen": amount, "kind": what, "ends": number}


@FEW
@given(steps=st.lists(st.one_of(_move, _hold, _end), max_size=14))
def test_any_sequence_of_transfers_and_holds_matches_the_model(one_ledger, steps):
    ledger = emptied(one_ledger)
    model = Model(1_000)
    for what, first, second, yen in steps:
        expected = model.accepts(what, first, second, yen)
        try:
            number = ledger.post(_row(model, what, first, second, yen))[0]
            happened = True
        except psycopg.errors.IntegrityError:
            happened, number = False, 0
        assert happened == expected, (what, first, second, yen)
        if happened:
            model.apply(what, first, second, yen, number)
    assert {p: ledger.balance(p) for p in PEOPLE} == model.balance
    assert {p: ledger.held(p) for p in PEOPLE} == model.held
    assert ledger.faults() == []


_operation = st.tuples(
    st.sampled_from(["card_payment", "p2p_transfer", "top_up", "refund"]),
    st.sampled_from(PEOPLE),
    st.integers(1, 2_500),
    st.sampled_from(["captured", "declined", "failed", None]),
    st.integers(0, 9),
)


@FEW
@given(asked=st.lists(_operation, max_size=12))
def test_any_sequence_of_operations_keeps_the_books_and_its_first_answers(one_ledger, asked):
    ledger = emptied(one_ledger)
    answers = {}
    for number, (operation, wallet, yen, outcome, earlier) in enumerate(asked):
        key = f"k{number}"
        if operation == "refund":
            state = refund(ledger, key, f"k{earlier}", wallet)[0]
        else:
            other = wallet % 3 + 1 if operation == "p2p_transfer" else None
            state = begin(ledger, key, operation, wallet, other, yen)[0]
        if state == "pending" and outcome is not None:
            state = finish(ledger, key, outcome, "x")[0]
        answers[key] = state
        assert ledger.faults() == []
    for key, state in answers.items():
        row = ledger.one("SELECT state FROM operations WHERE idempotency_key = %s", key)
        assert row.state == state
    for wallet in PEOPLE:
        assert ledger.available(wallet) >= 0


# --- bulk -----------------------------------------------------------------------------------------


def _bulk(numbers, debits, credits_, yen, kind="posted", ends=None):
    columns = [np.array(c, dtype=np.int64) for c in (numbers, debits, credits_, yen)]
    return BulkTransfers(*columns, kind, None if ends is None else np.array(ends, dtype=np.int64))


def test_bulk_posts_as_single_rows_would(ledger):
    count = 300
    plain = _bulk(range(count), [1 + n % 5 for n in range(count)], [6] * count, [2] * count)
    holds = _bulk([1_000, 1_001], [7, 8], [9, 9], [100, 200], "pending")
    post_bulk(ledger.connection, plain, holds)
    post_bulk(ledger.connection, _bulk([2_000], [7], [9], [60], "post_pending", [1_000]))
    post_bulk(ledger.connection, _bulk([2_001], [8], [9], [0], "void_pending", [1_001]))
    assert [ledger.balance(w) for w in (1, 6, 7, 8, 9)] == [880, 1_600, 940, 1_000, 1_060]
    assert [ledger.held(w) for w in (7, 8)] == [0, 0]
    assert ledger.faults() == []
    assert ledger.one("SELECT min(transfer_id) AS m FROM transfers WHERE code = 'transfer'").m == (
        BULK_BASE
    )


def test_bulk_number_used_before_posts_nothing(ledger):
    post_bulk(ledger.connection, _bulk([1, 2], [1, 2], [3, 3], [10, 10]))
    with pytest.raises(BadData, match="posted before"):
        post_bulk(ledger.connection, _bulk([5, 2], [1, 2], [3, 3], [10, 10]))
    assert ledger.balance(3) == 1_020


def test_bulk_overdraft_fails_every_row_linked_to_it(ledger):
    rows = _bulk(range(100), [1] * 99 + [2], [3] * 100, [1] * 99 + [1_001])
    with pytest.raises(psycopg.errors.CheckViolation, match="accounts_no_overdraft"):
        post_bulk(ledger.connection, rows)
    assert [ledger.balance(w) for w in (1, 2, 3)] == [1_000] * 3


def test_bulk_ending_that_fits_no_hold_fails_every_row(ledger):
    rows = _bulk(range(90), [1] * 90, [3] * 90, [1] * 90)
    with pytest.raises(psycopg.errors.CheckViolation, match="ends a hold"):
        post_bulk(ledger.connection, rows, _bulk([500], [1], [3], [1], "post_pending", [7]))
    assert ledger.balance(1) == 1_000
