"""Tables of the ledger, in SQLAlchemy Core, and the functions that go with them.

Narrow rows, few indexes: a transfer has its primary key and, when it ends a hold, one entry in a
partial unique index. `transfer_id` is `operation_id * 16 + leg`, so the transfers of an operation
are found through the primary key and no column or index is spent on the link.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects.postgresql import ENUM

LEGS = 16  # transfers one operation may have, numbered 0 to 15

ACCOUNT_KINDS = ("wallet", "merchant", "settlement", "card_funding", "bank_funding", "external")
TRANSFER_KINDS = ("posted", "pending", "post_pending", "void_pending", "expire_pending")
TRANSFER_CODES = (
    "opening",
    "payment",
    "p2p",
    "auto_charge",
    "top_up",
    "refund_balance",
    "refund_card",
    "release",
    "repair",
    "transfer",
)
OPERATION_KINDS = ("card_payment", "p2p_transfer", "top_up", "refund", "transfer", "repair")
OPERATION_STATES = ("pending", "approved", "declined", "failed")

# account ids by kind; a wallet's account id is its wallet id
MERCHANT_BASE = 2_000_000
SETTLEMENT_BASE = 9_000_000
CARD_FUNDING_BASE = 9_100_000
BANK_FUNDING_BASE = 9_200_000
EXTERNAL_ID = 9_300_001

metadata = sa.MetaData()


def _enum(name: str, values: tuple[str, ...]) -> ENUM:
    return ENUM(*values, name=name, metadata=metadata)


def _yen(name: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, **options)


_account_kind = _enum("account_kind", ACCOUNT_KINDS)
_transfer_kind = _enum("transfer_kind", TRANSFER_KINDS)
_transfer_code = _enum("transfer_code", TRANSFER_CODES)
_operation_kind = _enum("operation_kind", OPERATION_KINDS)
_operation_state = _enum("operation_state", OPERATION_STATES)
_key_text = sa.Text(collation="C")
_now = sa.text("clock_timestamp()")
_zero = sa.text("0")

# a balance is credits minus debits; holds on the debit side count as spent
accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account_id", sa.BigInteger, primary_key=True, autoincrement=False),
    _yen("debits_posted_jpy", server_default=_zero),
    _yen("credits_posted_jpy", server_default=_zero),
    _yen("debits_pending_jpy", server_default=_zero),
    _yen("credits_pending_jpy", server_default=_zero),
    sa.Column("kind", _account_kind, nullable=False),
    sa.Column("overdraft_allowed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.CheckConstraint(
        "overdraft_allowed OR credits_posted_jpy - debits_posted_jpy - debits_pending_jpy >= 0",
        name="accounts_no_overdraft",
    ),
    sa.CheckConstraint(
        "debits_pending_jpy >= 0 AND credits_pending_jpy >= 0", name="accounts_holds_not_negative"
    ),
    postgresql_with={"fillfactor": "50", "autovacuum_vacuum_scale_factor": "0.05"},
)

transfers = sa.Table(
    "transfers",
    metadata,
    sa.Column("transfer_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("pending_id", sa.BigInteger, nullable=True),
    sa.Column("debit_account_id", sa.BigInteger, nullable=False),
    sa.Column("credit_account_id", sa.BigInteger, nullable=False),
    _yen("amount_jpy"),
    sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False, server_default=_now),
    sa.Column("kind", _transfer_kind, nullable=False, server_default="posted"),
    sa.Column("code", _transfer_code, nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("debit_account_id <> credit_account_id", name="transfers_two_accounts"),
    sa.CheckConstraint(
        "CASE WHEN kind IN ('void_pending', 'expire_pending') "
        "THEN amount_jpy = 0 ELSE amount_jpy > 0 END",
        name="transfers_amount",
    ),
    sa.CheckConstraint(
        "(kind IN ('posted', 'pending')) = (pending_id IS NULL)", name="transfers_end_a_hold"
    ),
)
sa.Index(
    "transfers_hold_ends_once",
    transfers.c.pending_id,
    unique=True,
    postgresql_where=transfers.c.pending_id.isnot(None),
)
sa.Index("transfers_by_time", transfers.c.posted_at, postgresql_using="brin")

# one intention of a client: its key, and the first answer it was given
operations = sa.Table(
    "operations",
    metadata,
    sa.Column("idempotency_key", _key_text, primary_key=True),
    sa.Column("operation_id", sa.BigInteger, nullable=False),
    sa.Column("operation", _operation_kind, nullable=False),
    sa.Column("state", _operation_state, nullable=False),
    sa.Column("wallet_id", sa.BigInteger),
    sa.Column("counterparty_id", sa.BigInteger),
    sa.Column("amount_jpy", sa.BigInteger),
    sa.Column("balance_part_jpy", sa.BigInteger),
    sa.Column("card_part_jpy", sa.BigInteger),
    sa.Column("shard", sa.SmallInteger),
    sa.Column("reason", sa.Text),
    sa.Column("refers_to", _key_text),
    sa.Column("answered_at", sa.DateTime(timezone=True), server_default=_now),
    sa.CheckConstraint(
        "balance_part_jpy + card_part_jpy = amount_jpy AND balance_part_jpy >= 0 "
        "AND card_part_jpy >= 0",
        name="operations_parts_make_the_amount",
    ),
    # a repair may do no more than end a hold
    sa.CheckConstraint("amount_jpy > 0 OR operation = 'repair'", name="operations_amount"),
)
operation_ids = sa.Sequence("operation_ids", metadata=metadata, start=1, cache=1)

# a payment is given back at most once
refunds = sa.Table(
    "refunds",
    metadata,
    sa.Column("payment_key", _key_text, primary_key=True),
    sa.Column("refund_key", _key_text, nullable=False),
)

# limits of the licence, as data: which operation, which limit, how much
limits = sa.Table(
    "limits",
    metadata,
    sa.Column("operation", _operation_kind, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    _yen("amount_jpy"),
    sa.CheckConstraint(
        "name IN ('per_transfer', 'per_day', 'balance_cap')", name="limits_known_names"
    ),
)
daily_usage = sa.Table(
    "daily_usage",
    metadata,
    sa.Column("account_id", sa.BigInteger, primary_key=True),
    sa.Column("operation", _operation_kind, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    _yen("used_jpy"),
)

hash_chain = sa.Table(
    "hash_chain",
    metadata,
    sa.Column("chain_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("operation_id", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)

FUNCTION_FILES = ("posting", "chain", "limits", "operations", "locked", "holds", "batch", "history")


def engine_for(dsn: str, schema: str) -> sa.Engine:
    """Return a SQLAlchemy engine whose connections see the run's schema first."""

    def connect() -> psycopg.Connection:
        return connection_to(dsn, schema)

    return sa.create_engine("postgresql+psycopg://", creator=connect, poolclass=sa.NullPool)


def connection_to(dsn: str, schema: str, name: str = "walletlab set-up") -> psycopg.Connection:
    """Return a psycopg connection with the run's schema as its search path."""
    connection = psycopg.connect(dsn, application_name=name)
    connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
    connection.commit()
    return connection


def create(dsn: str, schema: str) -> None:
    """Create tables and functions in `schema` (made when missing)."""
    engine = engine_for(dsn, schema)
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        metadata.create_all(connection, checkfirst=False)
        for name in FUNCTION_FILES:
            # straight to the driver: function bodies hold '%' and are no templates
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute(function_text(name).encode())
    engine.dispose()


def function_text(name: str) -> str:
    """Text of one SQL file of the ledger."""
    return (files("reference_engine.ledger") / "sql" / f"{name}.sql").read_text("utf-8")
