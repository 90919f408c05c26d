"""A user's own ledger export and acquirer statement: reconciled, or refused row by row."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.reconcile.files import reconcile_files
from analysis.reconcile.mapping import read_mapping
from runlog.errors import BadData

MAPPING = """
[ledger]
idempotency_key = "order"
amount = "total"
card_amount = "card"
balance_amount = "balance"
status = "state"
time = "created"
currency = "ccy"
customer = "user"
[ledger.status_values]
paid = ["PAID"]
failed = ["FAILED"]
unknown = ["PENDING"]
[statement]
idempotency_key = "ref"
charge_id = "txn"
amount = "amount"
status = "status"
time = "processed"
currency_is = "JPY"
timezone = "Asia/Tokyo"
[statement.status_values]
captured = ["SETTLED"]
voided = ["VOID"]
"""
LEDGER = """order,total,card,balance,state,created,ccy,user
a,200,150,50,FAILED,2018-10-09T15:00:00+09:00,JPY,u1
b,500,500,0,PAID,2018-10-09T15:01:00+09:00,JPY,u2
c,700,700,0,PENDING,2018-10-09T06:02:00Z,JPY,u3
d,300,0,300,PAID,2018-10-09T15:03:00+09:00,JPY,u1
e,900,900,0,PAID,2018-10-09T15:03:00+09:00,JPY,u4
"""
STATEMENT = """txn,ref,amount,status,processed
1,a,150,SETTLED,2018-10-09 15:00:01
2,b,500,SETTLED,2018-10-09 15:01:01
3,b,500,SETTLED,2018-10-09 15:01:02
4,c,700,VOID,2018-10-09 15:20:00
"""


@pytest.fixture
def files(tmp_path):
    return write(tmp_path)


def write(folder: Path, ledger=LEDGER, statement=STATEMENT, mapping=MAPPING):
    paths = [folder / n for n in ("ledger.csv", "statement.csv", "mapping.toml")]
    for path, text in zip(paths, (ledger, statement, mapping), strict=True):
        path.write_text(text, "utf-8")
    return paths


def run(paths):
    return reconcile_files(paths[0], paths[1], read_mapping(paths[2]))


def test_two_files_give_the_refunds_and_the_loss(files):
    result = run(files)
    rows = [
        (r.idempotency_key, r.balance_part_jpy, r.card_part_jpy, r.reason)
        for r in result.refunds_due.itertuples()
    ]
    assert rows == [("a", 50, 150, "partial_effect"), ("b", 0, 500, "double_capture")]
    assert result.totals["shortfall_jpy"] == 900
    assert result.totals["late_reversals"] == 1
    assert not result.books_agree


def test_a_payment_the_ledger_has_not_decided_is_never_refunded_on_a_guess(tmp_path):
    result = run(write(tmp_path, statement=STATEMENT.replace("4,c,700,VOID", "4,c,700,SETTLED")))
    assert "c" not in set(result.refunds_due["idempotency_key"])
    undecided = result.unresolved.set_index("idempotency_key").loc["c"]
    assert (undecided["reason"], undecided["captured_jpy"]) == ("outcome_unknown", 700)
    assert not result.books_agree


def test_books_that_say_the_same_agree(tmp_path):
    keep = {"b", "d"}
    ledger = "".join(
        line + "\n" for n, line in enumerate(LEDGER.splitlines()) if n == 0 or line[0] in keep
    )
    statement = "\n".join(STATEMENT.splitlines()[i] for i in (0, 2)) + "\n"
    result = run(write(tmp_path, ledger, statement))
    assert result.books_agree
    assert len(result.refunds_due) == 0


REFUSED = {
    "other_currency": (LEDGER.replace("JPY,u3", "USD,u3"), STATEMENT, "ledger.csv row 4", "JPY"),
    "duplicate_key": (
        LEDGER + LEDGER.splitlines()[2] + "\n",
        STATEMENT,
        "ledger.csv row 7",
        "duplicate",
    ),
    "duplicate_charge": (
        LEDGER,
        STATEMENT.replace("4,c", "2,c"),
        "statement.csv row 5",
        "duplicate",
    ),
    "amount_with_decimals": (
        LEDGER,
        STATEMENT.replace("2,b,500", "2,b,500.00"),
        "statement.csv row 3",
        "has decimals, '500.00'",
    ),
    "amount_with_separator": (
        LEDGER.replace("e,900", 'e,"1,900"'),
        STATEMENT,
        "ledger.csv row 6",
        "not whole yen",
    ),
    "amount_negative": (
        LEDGER.replace("e,900", "e,-900"),
        STATEMENT,
        "ledger.csv row 6",
        "not whole yen",
    ),
    "amount_empty": (LEDGER.replace("e,900", "e,"), STATEMENT, "row 6", "not whole yen"),
    "time_without_zone": (
        LEDGER.replace("15:01:00+09:00", "15:01:00"),
        STATEMENT,
        "ledger.csv row 3",
        "no time zone",
    ),
    "time_that_does_not_exist": (
        LEDGER.replace("2018-10-09T15:01", "2018-13-09T15:01"),
        STATEMENT,
        "ledger.csv row 3",
        "does not exist",
    ),
    "time_in_words": (
        LEDGER,
        STATEMENT.replace("2018-10-09 15:20:00", "yesterday"),
        "statement.csv row 5",
        "not ISO 8601",
    ),
    "status_unknown": (LEDGER.replace("PENDING", "??"), STATEMENT, "row 4", "not in the mapping"),
    "key_empty": (LEDGER.replace("\nc,", "\n,"), STATEMENT, "row 4", "idempotency_key is empty"),
    "charge_empty": (
        LEDGER,
        STATEMENT.replace("\n4,", "\n,"),
        "statement.csv row 5",
        "charge_id is empty",
    ),
    "part_above_amount": (
        LEDGER.replace("200,150", "200,250"),
        STATEMENT,
        "ledger.csv row 2",
        "above the amount",
    ),
    "column_missing": (LEDGER.replace("total", "totals"), STATEMENT, "ledger.csv", "'total'"),
    "file_empty": (LEDGER, "", "statement.csv", ""),
}


@pytest.mark.parametrize("defect", REFUSED)
def test_input_that_cannot_be_trusted_is_refused(tmp_path, defect):
    ledger, statement, where, why = REFUSED[defect]
    with pytest.raises(BadData) as refusal:
        run(write(tmp_path, ledger, statement))
    assert where in str(refusal.value)
    assert why in str(refusal.value)


def test_without_a_charge_id_a_repeated_key_in_the_statement_is_refused(tmp_path):
    with pytest.raises(BadData, match=r"row 4: duplicate idempotency_key, 'b'"):
        run(write(tmp_path, mapping=MAPPING.replace('charge_id = "txn"\n', "")))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("amount", "ammount", "ledger.ammount is not known; did you mean 'amount'?"),
        ('currency_is = "JPY"', 'currency_is = "USD"', "only JPY"),
        ('currency_is = "JPY"', "", "exactly one of currency"),
        ("Asia/Tokyo", "Asia/Tokio", "unknown time zone 'Asia/Tokio'"),
        ('["VOID"]', '["SETTLED"]', "'SETTLED' has two meanings"),
        ('captured = ["SETTLED"]', "", "statement.status_values.captured is missing"),
        ("[ledger]", "[ledger", "mapping is not TOML"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_key(tmp_path, before, after, message):
    paths = write(tmp_path, mapping=MAPPING.replace(before, after, 1))
    with pytest.raises(BadData) as refusal:
        read_mapping(paths[2])
    assert message in str(refusal.value)
