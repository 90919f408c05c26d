"""Exports the final ledger, in one transaction that sees one moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reference_engine.ledger import schema
from reference_engine.recorder import export_rows
from runlog.writer import RunWriter


def export_ledger(writer: RunWriter, dsn: str, schema_name: str, folder: Path) -> None:
    """Write `ledger_accounts` and `ledger_transfers`; `folder` takes the spools."""
    engine = schema.engine_for(dsn, schema_name)
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as connection:
        rows = _rows(connection, sa.select(schema.accounts))
        export_rows(writer, "ledger_accounts", rows, folder / "ledger_accounts.jsonl")
        rows = _rows(connection, _transfers())
        export_rows(writer, "ledger_transfers", rows, folder / "ledger_transfers.jsonl")
    engine.dispose()


def _transfers() -> sa.Select[Any]:
    """Every transfer with the key of its operation; opening balances have none."""
    moved, asked = schema.transfers, schema.operations
    return sa.select(
        moved.c.transfer_id,
        asked.c.idempotency_key,
        moved.c.code,
        moved.c.kind,
        moved.c.pending_id,
        moved.c.debit_account_id,
        moved.c.credit_account_id,
        moved.c.amount_jpy,
        moved.c.posted_at,
    ).outerjoin_from(
        moved, asked, asked.c.operation_id == moved.c.transfer_id // sa.literal(schema.LEGS)
    )


def _rows(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[dict[str, Any]]:
    for row in connection.execution_options(yield_per=5_000).execute(query).mappings():
        yield {str(name): value for name, value in row.items()}
