"""Builds a small run by hand: requests, ledger and gateway books that say what a test needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from runlog.manifest import Clock, Manifest
from runlog.schema import TABLES
from runlog.writer import RunWriter

START = datetime(2018, 10, 9, 5, 14, tzinfo=UTC)
CARD, BANK, SETTLEMENT, MERCHANT, EXTERNAL = 1, 2, 3, 4, 5
FIXED = {
    CARD: "card_funding",
    BANK: "bank_funding",
    SETTLEMENT: "settlement",
    MERCHANT: "merchant",
    EXTERNAL: "external",
}


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


class Case:
    """Collects rows; the accounts are summed from the transfers, so the books always add up."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.transfers: list[dict[str, Any]] = []
        self.charges: list[dict[str, Any]] = []
        self.operations: dict[str, int] = {}

    def wallet(self, wallet: int, balance: int) -> None:
        if balance:
            self.move(None, EXTERNAL, wallet, balance, code="opening", second=-60)

    def request(
        self,
        key: str,
        amount: int,
        outcome: str,
        *,
        wallet: int = 100,
        operation: str = "card_payment",
        second: float = 0.0,
        answered: float | None = 1.0,
        attempt: int = 1,
    ) -> None:
        finished = None if answered is None else at(second + answered)
        self.requests.append(
            {
                "request_id": key,
                "idempotency_key": key,
                "operation": operation,
                "needs_auto_charge": None,
                "wallet_id": wallet,
                "counterparty_id": MERCHANT,
                "amount_jpy": amount,
                "attempt": attempt,
                "front_id": 0,
                "scheduled_at": at(second),
                "started_at": at(second),
                "finished_at": finished,
                "outcome": outcome,
                "reason": None if outcome == "approved" else "test",
            }
        )

    def move(
        self,
        key: str | None,
        debit: int,
        credit: int,
        amount: int,
        *,
        code: str = "payment",
        kind: str = "posted",
        pending: int | None = None,
        second: float = 0.5,
    ) -> int:
        number = self._number(key)
        self.transfers.append(
            {
                "transfer_id": number,
                "idempotency_key": key,
                "code": code,
                "kind": kind,
                "pending_id": pending,
                "debit_account_id": debit,
                "credit_account_id": credit,
                "amount_jpy": amount,
                "posted_at": at(second),
            }
        )
        return number

    def _number(self, key: str | None) -> int:
        """operation * 16 + leg, as the engine numbers transfers; each opening is one operation."""
        if key is None or key not in self.operations:
            self.operations[key or f"opening {len(self.operations)}"] = len(self.operations) + 1
        operation = self.operations[key] if key else len(self.operations)
        leg = sum(1 for t in self.transfers if t["transfer_id"] // 16 == operation)
        return operation * 16 + leg

    def charge(
        self, key: str, amount: int, status: str = "captured", *, second: float = 0.4
    ) -> None:
        self.charges.append(
            {
                "charge_id": f"ch{len(self.charges) + 1:08d}",
                "idempotency_key": key,
                "amount_jpy": amount,
                "status": status,
                "at": at(second),
            }
        )

    def paid(self, key: str, wallet: int, balance_part: int, card_part: int) -> None:
        """A completed purchase in both books."""
        if card_part:
            self.charge(key, card_part)
            self.move(key, CARD, wallet, card_part, code="auto_charge")
        self.move(key, wallet, SETTLEMENT, balance_part + card_part)

    def accounts(self) -> list[dict[str, Any]]:
        ended = {t["pending_id"] for t in self.transfers if t["pending_id"]}
        rows: dict[int, dict[str, Any]] = {}
        for number in {t[s] for t in self.transfers for s in SIDES} | set(FIXED):
            kind = FIXED.get(number, "wallet")
            rows[number] = {"account_id": number, "kind": kind} | dict.fromkeys(SUMS, 0)
            rows[number]["overdraft_allowed"] = kind != "wallet"
        for t in self.transfers:
            if t["kind"] in ("posted", "post_pending"):
                suffix = "posted_jpy"
            elif t["kind"] == "pending" and t["transfer_id"] not in ended:
                suffix = "pending_jpy"
            else:
                continue
            rows[t["debit_account_id"]][f"debits_{suffix}"] += t["amount_jpy"]
            rows[t["credit_account_id"]][f"credits_{suffix}"] += t["amount_jpy"]
        return list(rows.values())

    def write(self, out: Path, **manifest: Any) -> Path:
        """Write the run directory and return it."""
        tables = {
            "requests": self.requests,
            "ledger_transfers": self.transfers,
            "gateway_charges": self.charges,
            "ledger_accounts": self.accounts(),
        }
        with RunWriter(out) as writer:
            for name, rows in tables.items():
                frame = pd.DataFrame(rows, columns=TABLES[name].column_names)
                writer.connection.register("frame", frame)
                writer.add(name, "SELECT * FROM frame")
                writer.connection.unregister("frame")
            clock = Clock(scenario_start=None, wall_start=START)
            return writer.commit(Manifest(run_id=out.name, kind="engine", clock=clock, **manifest))


SIDES = ("debit_account_id", "credit_account_id")
SUMS = ("debits_posted_jpy", "credits_posted_jpy", "debits_pending_jpy", "credits_pending_jpy")
