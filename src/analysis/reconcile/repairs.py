"""Turns findings into repairs: transfers to post in the ledger, charges to cancel at the gateway.

A repair undoes, it never edits: each transfer that a failed purchase left behind is posted again
the other way round, each hold is released, and a charge the ledger never saw is entered and
cancelled, so that the ledger tells the whole story. Nothing crosses over: the balance part goes to
the balance, the card part to the card.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import pandas as pd

from analysis import sql


@dataclass(frozen=True)
class Leg:
    """One transfer to post. `ends` is the hold it releases (then the amount is 0)."""

    debit_account_id: int
    credit_account_id: int
    amount_jpy: int
    code: str
    ends: int | None = None


@dataclass(frozen=True)
class Repair:
    """What puts one intention right. `cancel_charge`: the whole charge, at the gateway."""

    idempotency_key: str
    reason: str
    wallet_id: int | None
    card_part_jpy: int
    balance_part_jpy: int
    cancel_charge: bool
    legs: tuple[Leg, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """The repairs, in order of key, and what a person must do instead (key -> why)."""

    repairs: tuple[Repair, ...]
    by_hand: dict[str, str]


def plan_repairs(con: duckdb.DuckDBPyConnection) -> Plan:
    """Return the repairs for the table `findings` of a run's connection."""
    candidates = con.execute(sql.load("reconcile_repair_candidates")).df()
    left = con.execute(sql.load("reconcile_repair_transfers")).df()
    left_by_key = {str(key): rows for key, rows in left.groupby("idempotency_key")}
    accounts = _accounts(con)
    repairs: list[Repair] = []
    by_hand: dict[str, str] = {}
    for row in candidates.itertuples():
        key = str(row.idempotency_key)
        why = _why_by_hand(row)
        if why:
            by_hand[key] = why
        else:
            repairs.append(_repair(row, left_by_key.get(key), accounts))
    return Plan(tuple(repairs), by_hand)


def _accounts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The first account of each kind that is not a customer's."""
    rows = con.execute(
        "SELECT kind, min(account_id) FROM ledger_accounts WHERE kind <> 'wallet' GROUP BY kind"
    ).fetchall()
    return {str(kind): int(account) for kind, account in rows}


def _why_by_hand(row: Any) -> str:
    if row.finding == "double_capture" or row.captures > 1:
        return "more than one charge under this key: cancel the extra charge by its own id"
    if 0 < row.card_due_jpy < row.captured_jpy:
        return f"only {row.card_due_jpy} of the {row.captured_jpy} yen charged: a partial refund"
    return ""


def _repair(row: Any, left: pd.DataFrame | None, accounts: dict[str, int]) -> Repair:
    legs = [] if left is None else [_undo(t) for t in left.itertuples()]
    wallet = None if pd.isna(row.account_id) else int(row.account_id)
    if row.finding == "paid_but_uncaptured":
        loss = int(row.shortfall_jpy)
        legs.append(Leg(accounts["external"], accounts["card_funding"], loss, "repair"))
    unseen = int(row.captured_jpy - row.card_jpy)
    if unseen > 0 and wallet is not None:
        legs.append(Leg(accounts["card_funding"], wallet, unseen, "repair"))
        legs.append(Leg(wallet, accounts["card_funding"], unseen, "refund_card"))
    return Repair(
        idempotency_key=row.idempotency_key,
        reason=row.finding,
        wallet_id=wallet,
        card_part_jpy=int(row.card_due_jpy),
        balance_part_jpy=int(row.balance_due_jpy),
        cancel_charge=bool(row.card_due_jpy > 0),
        legs=tuple(legs),
    )


def _undo(transfer: Any) -> Leg:
    if transfer.is_open_hold:
        giver, taker = int(transfer.debit_account_id), int(transfer.credit_account_id)
        return Leg(giver, taker, 0, "release", ends=int(transfer.transfer_id))
    return Leg(
        debit_account_id=int(transfer.credit_account_id),
        credit_account_id=int(transfer.debit_account_id),
        amount_jpy=int(transfer.amount_jpy),
        code="repair",
    )
