"""Bulk posting: many transfers in one transaction through COPY.

The caller numbers its transfers, and that number is the idempotency key: used again, it is refused
(TigerBeetle does the same with its 128-bit ids). All or none: one wallet short of money, one
unknown account or one number used before fails the call, because posting is the database's work
and COPY is only the way in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg

from runlog.errors import BadData

# ids of the callers' own transfers begin here, far above those of wallet operations
BULK_BASE = 1 << 60

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
COPY_SQL = (
    "COPY transfers (transfer_id, debit_account_id, credit_account_id, amount_jpy, kind, code, "
    "pending_id) FROM STDIN (FORMAT binary)"
)

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class BulkTransfers:
    """One column a field, one kind a batch: posted, pending, post_pending or void_pending.

    `numbers` are the caller's, below 2^60; `ends` are the numbers of the holds to end.
    """

    numbers: Integers
    debit_account_ids: Integers
    credit_account_ids: Integers
    amounts_jpy: Integers
    kind: str = "posted"
    ends: Integers | None = None

    def __len__(self) -> int:
        return len(self.numbers)


def post_bulk(connection: psycopg.Connection[Any], *batches: BulkTransfers) -> None:
    """Post all batches in one transaction.

    Raises BadData when a number was posted before: nothing of the call is then posted. Overdrafts
    and unknown accounts raise psycopg's IntegrityError, with nothing posted either.
    """
    try:
        with connection.transaction():
            copy_rows(connection, COPY_SQL, copy_bytes(*batches))
    except psycopg.errors.UniqueViolation as error:
        what = error.diag.message_detail or str(error)
        raise BadData("posted before", what, "leave out what was posted already") from error


def copy_rows(connection: psycopg.Connection[Any], statement: str, rows: bytes) -> None:
    """Send rows in binary COPY format."""
    with connection.cursor().copy(statement) as copy:
        copy.write(rows)


def copy_bytes(*batches: BulkTransfers) -> bytes:
    """The batches as one stream of PostgreSQL's binary COPY format."""
    parts = [_HEADER]
    for batch in batches:
        kind = batch.kind.encode()
        shape: list[tuple[str, Any]] = [(n, ">i8") for n in ("ids", "debits", "credits", "amounts")]
        shape += [("kind", f"S{len(kind)}"), ("code", "S8")]
        shape += [("ends", ">i8" if batch.ends is not None else None)]
        rows = _rows(len(batch), shape)
        rows["ids"] = batch.numbers + BULK_BASE
        rows["debits"], rows["credits"] = batch.debit_account_ids, batch.credit_account_ids
        rows["amounts"] = batch.amounts_jpy
        rows["kind"], rows["code"] = kind, b"transfer"
        if batch.ends is not None:
            rows["ends"] = batch.ends + BULK_BASE
        parts.append(rows.tobytes())
    return b"".join([*parts, _TRAILER])


def _rows(count: int, shape: list[tuple[str, Any]]) -> npt.NDArray[Any]:
    """An array that is, byte for byte, `count` rows of PostgreSQL's binary COPY format.

    A row is a count of fields, then for each field its length and its bytes; a type of None is a
    NULL, whose length is -1.
    """
    layout: list[tuple[str, Any]] = [("fields", ">i2")]
    for name, kind in shape:
        layout.append((f"{name}_length", ">i4"))
        if kind is not None:
            layout.append((name, kind))
    rows = np.zeros(count, dtype=layout)
    rows["fields"] = len(shape)
    for name, kind in shape:
        rows[f"{name}_length"] = -1 if kind is None else rows.dtype[name].itemsize
    return rows
