"""The published refund rule on its known cases: small books, reconciled by the same code as a run.

R1 is the company's own example, R2 and R3 are reports of users. Sources and confidence are carried
along; the booking behind each case is ours, because only the amounts are public.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pandas as pd

from analysis.reconcile.books import load_tables
from runlog.schema import TABLES
from runlog.writer import connect

_CARD, _SETTLEMENT, _WALLET = 1, 2, 10
_AT = "2018-10-09 05:20:00+00"


@dataclass(frozen=True)
class Worked:
    """One case: what was in the balance, what was bought, and what each book was left with."""

    case: str
    about: str
    purchase_jpy: int
    source: str
    confidence: str
    balance_jpy: int = 0
    hold: bool = False
    credited: bool = False
    next_purchase_jpy: int = 0


CASES = (
    Worked(
        case="R1",
        about="balance 50, purchase 200 fails (the notice's own example)",
        balance_jpy=50,
        purchase_jpy=200,
        hold=True,
        source="page.kyash.co/maintenance/20181016 (official)",
        confidence="high",
    ),
    Worked(
        case="R2",
        about="transport card top-up of 10,000 never arrives, the card is charged 9,680",
        balance_jpy=320,
        purchase_jpy=10_000,
        hold=True,
        source="ishiki-takai.blogspot.com, November 2018 (a user)",
        confidence="medium",
    ),
    Worked(
        case="R3a",
        about="purchase of 1,755 fails, its money lies in the balance",
        purchase_jpy=1_755,
        credited=True,
        source="nawakimino.net/kyash-shougai (a user)",
        confidence="medium",
    ),
    Worked(
        case="R3b",
        about="R3a, then the next purchase of 4,748 draws 2,993 from the card",
        purchase_jpy=1_755,
        credited=True,
        next_purchase_jpy=4_748,
        source="nawakimino.net/kyash-shougai (a user)",
        confidence="medium",
    ),
)


def worked_cases() -> pd.DataFrame:
    """Return one row a case: case, about, balance_part_jpy, card_part_jpy, finding, source, ..."""
    rows = []
    for case in CASES:
        con = connect()
        try:
            found = _reconcile(con, case)
        finally:
            con.close()
        rows.append(
            {
                "case": case.case,
                "about": case.about,
                "purchase_jpy": case.purchase_jpy,
                "balance_part_jpy": int(found["balance_due_jpy"]),
                "card_part_jpy": int(found["card_due_jpy"]),
                "finding": str(found["finding"]),
                "source": case.source,
                "confidence": case.confidence,
            }
        )
    return pd.DataFrame(rows)


def _reconcile(con: duckdb.DuckDBPyConnection, case: Worked) -> pd.Series:
    for name in ("requests", "ledger_accounts", "ledger_transfers", "gateway_charges"):
        con.execute(f"CREATE TABLE {name} ({TABLES[name].ddl})")
    card = case.purchase_jpy - case.balance_jpy
    _request(con, "failed", case.purchase_jpy, "failed")
    _charge(con, "failed", card)
    if case.hold:
        _transfer(con, "failed", "pending", _WALLET, _SETTLEMENT, case.balance_jpy)
    if case.credited:
        _transfer(con, "failed", "posted", _CARD, _WALLET, card)
    if case.next_purchase_jpy:
        second = case.next_purchase_jpy - card
        _request(con, "next", case.next_purchase_jpy, "approved")
        _charge(con, "next", second)
        _transfer(con, "next", "posted", _CARD, _WALLET, second)
        _transfer(con, "next", "posted", _WALLET, _SETTLEMENT, case.next_purchase_jpy)
    left = (card if case.credited else 0) if not case.next_purchase_jpy else 0
    for account, kind in ((_CARD, "card_funding"), (_SETTLEMENT, "settlement")):
        con.execute("INSERT INTO ledger_accounts VALUES (?, ?, 0, 0, 0, 0, true)", [account, kind])
    con.execute(
        "INSERT INTO ledger_accounts VALUES (?, 'wallet', 0, ?, 0, 0, false)", [_WALLET, left]
    )
    load_tables(con)
    return con.execute("FROM findings WHERE idempotency_key = 'failed'").df().iloc[0]


def _request(con: duckdb.DuckDBPyConnection, key: str, amount: int, outcome: str) -> None:
    con.execute(
        "INSERT INTO requests (request_id, idempotency_key, operation, wallet_id, amount_jpy, "
        "attempt, scheduled_at, finished_at, outcome) "
        f"VALUES ($1, $1, 'card_payment', {_WALLET}, $2, 1, '{_AT}', '{_AT}', $3)",
        [key, amount, outcome],
    )


def _charge(con: duckdb.DuckDBPyConnection, key: str, amount: int) -> None:
    con.execute(
        f"INSERT INTO gateway_charges VALUES ($1, $1, $2, 'captured', '{_AT}')", [key, amount]
    )


def _transfer(
    con: duckdb.DuckDBPyConnection, key: str, kind: str, giver: int, taker: int, amount: int
) -> None:
    con.execute(
        "INSERT INTO ledger_transfers SELECT count(*) + 1, $1, 'payment', $2, NULL, $3, $4, $5, "
        f"TIMESTAMPTZ '{_AT}' FROM ledger_transfers",
        [key, kind, giver, taker, amount],
    )
