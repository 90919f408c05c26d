"""The contract between the producers of a run (engine, importers, watch) and its readers.

One run is one folder: a Parquet file for each table below, plus `manifest.json`. Time is UTC with
microseconds, durations are whole microseconds (`_us`), money is whole yen (`_jpy`), an enum is text
from a closed list, and unknown is NULL, never 0 or "".
"""

from __future__ import annotations

from dataclasses import dataclass

CONTRACT_VERSION = 1
MANIFEST = "manifest.json"
TRUTH = "truth.json"
CHECKED = "WALLETLAB_CHECKED"  # environment: SHA-256 of manifests whose rows are checked elsewhere

TIME = "TIMESTAMP WITH TIME ZONE"
TEXT = "VARCHAR"
INT = "BIGINT"
BOOL = "BOOLEAN"
FLOAT = "DOUBLE"
PIDS = "INTEGER[]"

OPERATIONS = ("card_payment", "p2p_transfer", "top_up", "refund", "balance_inquiry")
OUTCOMES = ("approved", "declined", "failed", "timed_out", "shed")
SPANS = ("queue", "pool_wait", "gateway_call", "ledger_tx", "statement", "commit")
EVENT_KINDS = ("load", "mitigation", "deploy", "notice", "recovery")
CHARGE_STATUSES = ("captured", "voided", "refunded")
ACCOUNT_KINDS = ("wallet", "merchant", "settlement", "card_funding", "bank_funding", "external")
TRANSFER_KINDS = ("posted", "pending", "post_pending", "void_pending", "expire_pending")


@dataclass(frozen=True)
class Column:
    """One column: its DuckDB type, whether NULL is allowed, its closed list, and what it means."""

    name: str
    type: str
    doc: str
    nullable: bool = True
    enum: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table of the contract: its grain in words, the key that proves it, and its columns."""

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> list[str]:
        return [c.name for c in self.columns]

    @property
    def ddl(self) -> str:
        """Column definitions for CREATE TABLE, in contract order."""
        return ", ".join(f'"{c.name}" {c.type}' for c in self.columns)


def _must(name: str, kind: str, doc: str, enum: tuple[str, ...] = ()) -> Column:
    return Column(name, kind, doc, nullable=False, enum=enum)


_REQUESTS = Table(
    "requests",
    "one attempt of one operation",
    ("request_id", "attempt"),
    (
        _must("request_id", TEXT, "the arrival this attempt belongs to"),
        _must("idempotency_key", TEXT, "the same for every attempt of one intention"),
        _must("operation", TEXT, "what the client asked for", OPERATIONS),
        Column("needs_auto_charge", BOOL, "the balance fell short; NULL when never looked at"),
        Column("wallet_id", INT, "the paying (or topped up) wallet"),
        Column("counterparty_id", INT, "merchant or receiving wallet"),
        Column("amount_jpy", INT, "amount asked for; NULL for an inquiry"),
        _must("attempt", INT, "1 is the first try"),
        Column("front_id", INT, "the front process that served it; NULL when none did"),
        _must("scheduled_at", TIME, "intended arrival of this attempt"),
        Column("started_at", TIME, "when a front began work on it; NULL when none did"),
        Column("finished_at", TIME, "when the client had its answer or gave up"),
        _must("outcome", TEXT, "how the client saw it end", OUTCOMES),
        Column("reason", TEXT, "why it was not approved, as a short code; NULL when approved"),
    ),
)

_SPANS = Table(
    "spans",
    "one stage of one attempt",
    ("request_id", "attempt", "span", "name", "started_at"),
    (
        _must("request_id", TEXT, "the attempt's request"),
        _must("attempt", INT, "the attempt"),
        _must("span", TEXT, "kind of stage", SPANS),
        _must("name", TEXT, "which one: a statement's name, 'authorize', 'capture', ..."),
        _must("started_at", TIME, "start of the stage"),
        _must("duration_us", INT, "length of the stage, microseconds"),
    ),
)

_POOL_STATS = Table(
    "pool_stats",
    "one second of one front's connection pool",
    ("sampled_at", "front_id"),
    (
        _must("sampled_at", TIME, "end of the second"),
        _must("front_id", INT, "the front process"),
        _must("pool_max", INT, "upper size of the pool"),
        _must("pool_size", INT, "connections now in the pool"),
        _must("pool_available", INT, "connections idle in the pool"),
        _must("requests_waiting", INT, "requests queued for a connection now"),
        _must("requests_num", INT, "connections asked for in this second"),
        _must("requests_queued", INT, "of these, how many had to wait"),
        _must("requests_wait_ms", INT, "time spent waiting in this second, milliseconds"),
        _must("requests_errors", INT, "requests that got no connection in this second"),
        _must(
            "usage_ms", INT, "time connections were out of the pool in this second, milliseconds"
        ),
        _must("in_flight", INT, "attempts started and not finished in this front now"),
    ),
)

_PG_ACTIVITY = Table(
    "pg_activity",
    "one backend in one sample of pg_stat_activity",
    ("sampled_at", "pid"),
    (
        _must("sampled_at", TIME, "when the sample was taken"),
        _must("pid", INT, "server process id"),
        Column("backend_type", TEXT, "as in pg_stat_activity"),
        Column("state", TEXT, "as in pg_stat_activity"),
        Column("wait_event_type", TEXT, "NULL with state 'active' means on CPU"),
        Column("wait_event", TEXT, "as in pg_stat_activity"),
        Column("query_id", INT, "fingerprint, with compute_query_id on"),
        Column("query", TEXT, "statement text with its literals masked"),
        Column("xact_start", TIME, "start of the transaction"),
        Column("query_start", TIME, "start of the statement"),
        Column("state_change", TIME, "when the state was last changed"),
        Column("blocked_by", PIDS, "pg_blocking_pids(); empty when free, NULL when not asked"),
        Column("application_name", TEXT, "as set by the client"),
    ),
)

_PG_COUNTERS = Table(
    "pg_counters",
    "one metric of one object in one sample of the statistics views",
    ("sampled_at", "view", "object", "metric"),
    (
        _must("sampled_at", TIME, "when the sample was taken"),
        _must("view", TEXT, "the statistics view, e.g. pg_stat_database"),
        _must("object", TEXT, "database, relation, backend type, ..."),
        _must("metric", TEXT, "column of the view"),
        Column("value", FLOAT, "the value, as the server counts it"),
    ),
)

_PG_LOG = Table(
    "pg_log",
    "one record of the server log",
    ("session_id", "session_line_num"),
    (
        _must("log_time", TIME, "time of the record"),
        Column("user_name", TEXT, "csvlog column"),
        Column("database_name", TEXT, "csvlog column"),
        Column("process_id", INT, "server process id"),
        Column("connection_from", TEXT, "csvlog column"),
        _must(
            "session_id",
            TEXT,
            "csvlog column; made up from file and process where a format has none",
        ),
        _must("session_line_num", INT, "csvlog column; counted where a format has none"),
        Column("command_tag", TEXT, "csvlog column"),
        Column("session_start_time", TIME, "csvlog column"),
        Column("virtual_transaction_id", TEXT, "csvlog column"),
        Column("transaction_id", INT, "csvlog column; 0 is stored as NULL"),
        Column("error_severity", TEXT, "LOG, ERROR, FATAL, ..."),
        Column("sql_state_code", TEXT, "SQLSTATE"),
        Column("message", TEXT, "primary message, literals masked"),
        Column("detail", TEXT, "csvlog column, literals masked"),
        Column("hint", TEXT, "csvlog column"),
        Column("internal_query", TEXT, "csvlog column, literals masked"),
        Column("internal_query_pos", INT, "csvlog column"),
        Column("context", TEXT, "csvlog column, literals masked"),
        Column("query", TEXT, "csvlog column, literals masked"),
        Column("query_pos", INT, "csvlog column"),
        Column("location", TEXT, "csvlog column"),
        Column("application_name", TEXT, "csvlog column"),
        Column("backend_type", TEXT, "csvlog column, from version 13"),
        Column("leader_pid", INT, "csvlog column, from version 14"),
        Column("query_id", INT, "csvlog column, from version 14; 0 is stored as NULL"),
    ),
)

_LEDGER_ACCOUNTS = Table(
    "ledger_accounts",
    "one account of the ledger at the end of the run",
    ("account_id",),
    (
        _must("account_id", INT, "account"),
        _must("kind", TEXT, "what the account is for", ACCOUNT_KINDS),
        _must("debits_posted_jpy", INT, "sum of posted debits"),
        _must("credits_posted_jpy", INT, "sum of posted credits"),
        _must("debits_pending_jpy", INT, "sum of open holds on the debit side"),
        _must("credits_pending_jpy", INT, "sum of open holds on the credit side"),
        _must("overdraft_allowed", BOOL, "may its balance go below zero (never for a wallet)"),
    ),
)

_LEDGER_TRANSFERS = Table(
    "ledger_transfers",
    "one transfer: one debit and one credit of the same amount",
    ("transfer_id",),
    (
        _must("transfer_id", INT, "transfer"),
        Column("idempotency_key", TEXT, "the request's key; NULL for opening balances"),
        Column("code", TEXT, "which leg: payment, top_up, auto_charge, p2p, refund_balance, ..."),
        _must("kind", TEXT, "posted at once, or a phase of a two-phase transfer", TRANSFER_KINDS),
        Column("pending_id", INT, "the pending transfer that this one ends"),
        _must("debit_account_id", INT, "account that gives"),
        _must("credit_account_id", INT, "account that receives"),
        _must("amount_jpy", INT, "amount, above zero (0 only when a hold ends unused)"),
        _must("posted_at", TIME, "database time of the transfer"),
    ),
)

_GATEWAY_CHARGES = Table(
    "gateway_charges",
    "one charge in the gateway's own books",
    ("charge_id",),
    (
        _must("charge_id", TEXT, "the gateway's id"),
        _must("idempotency_key", TEXT, "the wallet request it belongs to"),
        _must("amount_jpy", INT, "amount charged to the card"),
        _must("status", TEXT, "final status", CHARGE_STATUSES),
        _must("at", TIME, "time of that status in the gateway's books"),
    ),
)

_EVENTS = Table(
    "events",
    "one event an operator would have known of",
    ("at", "kind", "label"),
    (
        _must("at", TIME, "when"),
        _must("kind", TEXT, "what sort of event", EVENT_KINDS),
        _must("label", TEXT, "in words"),
        _must("important", BOOL, "belongs on every chart"),
    ),
)

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        _REQUESTS,
        _SPANS,
        _POOL_STATS,
        _PG_ACTIVITY,
        _PG_COUNTERS,
        _PG_LOG,
        _LEDGER_ACCOUNTS,
        _LEDGER_TRANSFERS,
        _GATEWAY_CHARGES,
        _EVENTS,
    )
}
