"""Indexes that only reading needs: the newest entries of a wallet, shown with its balance.

They are made apart from the ledger's tables, because posting in bulk does without them.
"""

from __future__ import annotations

from reference_engine.ledger.schema import connection_to

# the balance inquiry's statement: the newest entries of one wallet, newest first
NEWEST_ENTRIES = (
    "SELECT operation, state, amount_jpy, answered_at FROM operations "
    "WHERE wallet_id = %s ORDER BY operation_id DESC LIMIT 10"
)
WALLET_INDEX = "operations_wallet_id"
_INDEXES = (
    f"CREATE INDEX IF NOT EXISTS {WALLET_INDEX} ON operations (wallet_id)",
    "CREATE INDEX IF NOT EXISTS operations_operation_id ON operations (operation_id)",
)


def create_reading_indexes(dsn: str, schema: str) -> None:
    """Create the indexes that the balance inquiry reads by."""
    with connection_to(dsn, schema) as connection:
        for statement in _INDEXES:
            connection.execute(statement)
