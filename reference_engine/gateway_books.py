"""The card gateway's own durable books: SQLite, fully synchronous, many calls in one commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS charges (
    charge_id INTEGER PRIMARY KEY,
    idempotency_key TEXT NOT NULL UNIQUE,
    amount_jpy INTEGER NOT NULL CHECK (amount_jpy >= 0),
    status TEXT NOT NULL
        CHECK (status IN ('captured', 'declined', 'voided', 'refunded', 'cancelled')),
    reason TEXT,
    at_us INTEGER NOT NULL
)
"""
BOOKS_FILE = "gateway.sqlite"


@dataclass(frozen=True)
class Call:
    """One call as the gateway understood it. `declined_for` is its own decision on a new charge."""

    verb: str
    key: str
    amount_jpy: int
    declined_for: str | None
    at_us: int


@dataclass(frozen=True)
class Charge:
    """One line of the books; `status` 'cancelled' marks a key voided before any charge arrived."""

    charge_id: int
    idempotency_key: str
    amount_jpy: int
    status: str
    reason: str | None
    at_us: int


def open_books(folder: Path) -> sqlite3.Connection:
    """Return the books in `folder`, made when missing. A crash loses nothing that was answered."""
    folder.mkdir(parents=True, exist_ok=True)
    books = sqlite3.connect(folder / BOOKS_FILE, isolation_level=None, check_same_thread=False)
    books.execute("PRAGMA journal_mode = WAL")
    books.execute("PRAGMA synchronous = FULL")
    books.execute(_SCHEMA)
    return books


def read_books(folder: Path) -> list[Charge]:
    """Return every line of the books in `folder`, by charge_id; also while the gateway runs."""
    books = sqlite3.connect(folder / BOOKS_FILE, isolation_level=None)
    try:
        rows = books.execute(
            "SELECT charge_id, idempotency_key, amount_jpy, status, reason, at_us "
            "FROM charges ORDER BY charge_id"
        ).fetchall()
    finally:
        books.close()
    return [Charge(*row) for row in rows]


def apply(books: sqlite3.Connection, calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Apply calls in their order in one durable transaction; return one answer for each.

    Idempotent by key: a repeated charge gets the first answer, also when its amount differs
    (reason `amount_differs`). A void of a key never seen leaves a mark, so that a charge which
    arrives after it is refused and cannot become an orphan.
    """
    books.execute("BEGIN IMMEDIATE")
    try:
        answers = [_apply_one(books, call) for call in calls]
        books.execute("COMMIT")
    except BaseException:
        if books.in_transaction:
            books.execute("ROLLBACK")
        raise
    return answers


def _apply_one(books: sqlite3.Connection, call: Call) -> dict[str, Any]:
    row = books.execute(
        "SELECT charge_id, idempotency_key, amount_jpy, status, reason, at_us "
        "FROM charges WHERE idempotency_key = ?",
        (call.key,),
    ).fetchone()
    known = Charge(*row) if row else None
    if call.verb == "charge":
        return _charge(books, call, known)
    if call.verb == "status":
        return _answer(known) if known else {"outcome": "absent"}
    return _take_back(books, call, known)


def _charge(books: sqlite3.Connection, call: Call, known: Charge | None) -> dict[str, Any]:
    if known is not None:
        answer = _answer(known)
        if known.status == "cancelled":
            return answer | {"outcome": "declined", "reason": "cancelled"}
        if known.amount_jpy != call.amount_jpy:
            return answer | {"outcome": "declined", "reason": "amount_differs"}
        return answer
    status = "declined" if call.declined_for else "captured"
    return _answer(_insert(books, call, call.amount_jpy, status, call.declined_for))


def _take_back(books: sqlite3.Connection, call: Call, known: Charge | None) -> dict[str, Any]:
    """Void (before settlement) or refund: the whole charge, at most once."""
    if known is None:
        if call.verb == "refund":
            return {"outcome": "absent"}
        return _answer(_insert(books, call, 0, "cancelled", None))
    if known.status != "captured":
        return _answer(known)
    status = "voided" if call.verb == "void" else "refunded"
    books.execute(
        "UPDATE charges SET status = ?, at_us = ? WHERE charge_id = ?",
        (status, call.at_us, known.charge_id),
    )
    return _answer(known) | {"outcome": status}


def _insert(
    books: sqlite3.Connection, call: Call, amount_jpy: int, status: str, reason: str | None
) -> Charge:
    done = books.execute(
        "INSERT INTO charges (idempotency_key, amount_jpy, status, reason, at_us) "
        "VALUES (?, ?, ?, ?, ?)",
        (call.key, amount_jpy, status, reason, call.at_us),
    )
    assert done.lastrowid is not None
    return Charge(done.lastrowid, call.key, amount_jpy, status, reason, call.at_us)


def _answer(charge: Charge) -> dict[str, Any]:
    return {
        "outcome": charge.status,
        "charge_id": f"ch{charge.charge_id:08d}",
        "amount_jpy": charge.amount_jpy,
        "reason": charge.reason,
    }
