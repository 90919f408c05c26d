"""Fills a new ledger: accounts, opening balances and limits, in bulk."""

from __future__ import annotations

import sqlalchemy as sa

from reference_engine.ledger import schema
from reference_engine.ledger.schema import (
    BANK_FUNDING_BASE,
    CARD_FUNDING_BASE,
    EXTERNAL_ID,
    LEGS,
    MERCHANT_BASE,
    SETTLEMENT_BASE,
)
from runlog.errors import BadData, did_you_mean

SHARDS_MAX = 64  # rows made of each sharded account; how many are used is a flag
LIMIT_NAMES = ("per_transfer", "per_day", "balance_cap")

# what is on its way to a wallet counts toward its cap
_ON_THEIR_WAY = (
    "CREATE INDEX operations_on_their_way ON operations (counterparty_id) "
    "WHERE state = 'pending' AND operation = 'p2p_transfer'"
)

Limits = dict[str, dict[str, int]]  # operation -> limit name -> yen


def fill(
    dsn: str,
    schema_name: str,
    *,
    wallets: int,
    merchants: int,
    opening_balances_jpy: list[int],
    limits: Limits | None = None,
) -> None:
    """Open all accounts, post the opening balances, write the limits.

    `opening_balances_jpy` holds one amount a wallet, in order of wallet id; 0 posts nothing.
    """
    engine = schema.engine_for(dsn, schema_name)
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.accounts), _account_rows(wallets, merchants))
        _post_openings(connection, opening_balances_jpy)
        rows = _limit_rows(limits or {})
        if rows:
            connection.execute(sa.insert(schema.limits), rows)
        if any(row["name"] == "balance_cap" for row in rows):
            connection.execute(sa.text(_ON_THEIR_WAY))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # not the empty tables: with "no rows" on record, plans would scan them, and be kept
        for table in ("accounts", "transfers"):
            connection.execute(sa.text(f"VACUUM (ANALYZE) {table}"))
    engine.dispose()


def _account_rows(wallets: int, merchants: int) -> list[dict[str, object]]:
    kinds: list[tuple[str, bool, list[int]]] = [
        ("wallet", False, list(range(1, wallets + 1))),
        ("merchant", False, [MERCHANT_BASE + n for n in range(1, merchants + 1)]),
        ("settlement", True, [SETTLEMENT_BASE + n for n in range(1, SHARDS_MAX + 1)]),
        ("card_funding", True, [CARD_FUNDING_BASE + n for n in range(1, SHARDS_MAX + 1)]),
        ("bank_funding", True, [BANK_FUNDING_BASE + n for n in range(1, SHARDS_MAX + 1)]),
        ("external", True, [EXTERNAL_ID]),
    ]
    return [
        {"account_id": number, "kind": kind, "overdraft_allowed": overdraft}
        for kind, overdraft, numbers in kinds
        for number in numbers
    ]


def _post_openings(connection: sa.Connection, amounts_jpy: list[int]) -> None:
    """One statement posts every opening balance: debit 'external', credit the wallet."""
    funded = [(w, a) for w, a in enumerate(amounts_jpy, start=1) if a > 0]
    if not funded:
        return
    connection.execute(
        sa.text(
            "INSERT INTO transfers "
            "(transfer_id, debit_account_id, credit_account_id, amount_jpy, code) "
            f"SELECT nextval('operation_ids') * {LEGS}, {EXTERNAL_ID}, w, a, 'opening' "
            "FROM unnest(CAST(:wallets AS bigint[]), CAST(:amounts AS bigint[])) AS u (w, a)"
        ),
        {"wallets": [w for w, _ in funded], "amounts": [a for _, a in funded]},
    )


def _limit_rows(limits: Limits) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for operation, by_name in limits.items():
        if operation not in schema.OPERATION_KINDS:
            known = did_you_mean(operation, list(schema.OPERATION_KINDS))
            raise BadData("limit for an unknown operation", operation, known)
        for name, amount in by_name.items():
            if name not in LIMIT_NAMES:
                raise BadData("unknown limit", name, did_you_mean(name, list(LIMIT_NAMES)))
            if amount < 0:
                raise BadData("negative limit", f"{operation}.{name} = {amount}", "give whole yen")
            rows.append({"operation": operation, "name": name, "amount_jpy": amount})
    return rows
