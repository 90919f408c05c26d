"""The result of a reconciliation: refunds due, what is unresolved, totals, and the proofs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import pandas as pd

from analysis import sql
from analysis.reconcile.books import load_run
from runlog.reader import Run

# why each finding exists, in the words shown to the reader
REASONS = {
    "agrees": "paid, and both books say the same",
    "no_effect": "not paid, and nothing was taken",
    "captured_but_unpaid": "the card was charged, the purchase never reached the ledger",
    "partial_effect": "balance was used and the card charged, the purchase failed",
    "balance_taken_unpaid": "balance was used or is still held, the purchase failed",
    "card_part_in_balance": "the purchase failed, the card's money lies in the balance",
    "card_part_spent": "as before, but the money has since paid for another purchase",
    "double_capture": "the card was charged more than once for one purchase",
    "captured_too_much": "the card was charged more than the ledger says",
    "paid_but_uncaptured": "the purchase is paid, the card was never charged for its part",
    "credited_but_uncaptured": "the wallet was credited, the card was never charged",
    "late_reversal": "the purchase failed; the card was charged and given back later",
    "paid_but_told_otherwise": "paid in both books, but the client was told otherwise",
    "refunded": "paid, and given back later on the customer's wish",
    "refund_half_done": "the gateway gave the card part back, the ledger posted no refund",
    "refund_not_at_card": "the ledger posted a refund that the gateway does not know",
    "outcome_unknown": "money was taken, and the ledger does not know yet whether it is paid",
    "approved_but_unpaid": "the client was told it is paid, the ledger has no payment",
}


@dataclass(frozen=True)
class Reconciliation:
    """One reconciliation.

    `refunds_due`: one row an intention (idempotency_key, card_part_jpy, balance_part_jpy, reason,
    wallet_id, operation, asked_jpy, told, captures, since), sorted by key. `unresolved`: one row an
    intention that a person must look at. `by_finding`: one row a finding. `totals`: whole yen
    and counts. `books_agree`: on every key the ledger's card position equals the gateway's
    captures, and the accounts are the sum of their transfers.
    """

    refunds_due: pd.DataFrame
    unresolved: pd.DataFrame
    by_finding: pd.DataFrame
    ledger_faults: pd.DataFrame
    totals: dict[str, int]
    books_agree: bool

    def document(self) -> dict[str, Any]:
        """Return what `walletlab reconcile --json` prints."""
        return {
            "refunds_due": _records(self.refunds_due),
            "totals": self.totals,
            "books_agree": self.books_agree,
            "unresolved": _records(self.unresolved),
            "by_finding": _records(self.by_finding),
            "ledger_faults": _records(self.ledger_faults),
        }


def reconcile_run(run: Run) -> Reconciliation:
    """Return the reconciliation of a run's ledger with its gateway's books.

    Raises BadData when the run did not record both.
    """
    con = load_run(run)
    faults = con.execute(sql.load("reconcile_ledger_proof")).df()
    return summarise(con, faults)


def summarise(
    con: duckdb.DuckDBPyConnection, ledger_faults: pd.DataFrame | None = None
) -> Reconciliation:
    """Return the reconciliation held in the table `findings` of a connection."""
    faults = pd.DataFrame() if ledger_faults is None else ledger_faults
    totals = _totals(con)
    return Reconciliation(
        refunds_due=con.execute(sql.load("reconcile_refunds_due")).df(),
        unresolved=con.execute(sql.load("reconcile_unresolved")).df(),
        by_finding=con.execute(sql.load("reconcile_by_finding")).df(),
        ledger_faults=faults,
        totals=totals,
        books_agree=totals["keys_that_differ"] == 0 and len(faults) == 0,
    )


def _totals(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    row = con.execute(sql.load("reconcile_totals")).df().iloc[0]
    totals = {str(k): int(v) if pd.notna(v) else 0 for k, v in row.items()}
    wallets = con.execute(sql.load("reconcile_wallets")).df()
    totals["wallets_affected"] = len(wallets)
    totals["wallets_hit_again"] = int((wallets["hits"] > 1).sum())
    return totals


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain objects: unknown is null, times carry their zone."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(k): _plain(v) for k, v in row.items()} for row in plain.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
