"""The index that only reading needs: the newest entries of a wallet, shown with its balance.

It is made apart from the ledger's tables, because posting in bulk does without them.
"""

from __future__ import annotations

from reference_engine.ledger.schema import connection_to

# the balance inquiry's statement: the newest entries of one wallet, newest first
NEWEST_ENTRIES = (
    "SELECT operation, state, amount_jpy, answered_at FROM operations "
    "WHERE wallet_id = %s ORDER BY operation_id DESC LIMIT 10"
)
WALLET_INDEX = "operations_wallet_id"


def create_reading_indexes(dsn: str, schema: str) -> None:
    """Create the index that the balance inquiry reads by."""
    with connection_to(dsn, schema) as connection:
        connection.execute(f"CREATE INDEX IF NOT EXISTS {WALLET_INDEX} ON operations (wallet_id)")
