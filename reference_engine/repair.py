"""Posts repairs into a ledger, each at most once, and cancels the charges that go with them.

A run directory is evidence and is never changed. To repair it, its ledger is rebuilt in a
PostgreSQL (the same schema, triggers and constraints as in a live run) and its gateway's books in a
gateway process; the repairs are posted and the charges cancelled there; and what both then hold is
written as a new run directory beside the old one.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from reference_engine.failures import server_failures_told
from reference_engine.gateway import GatewayProcess
from reference_engine.gateway_books import open_books, read_books
from reference_engine.gateway_client import GatewayClient
from reference_engine.guardian import Guardian
from reference_engine.ledger import schema
from reference_engine.ledger.export import export_ledger
from reference_engine.postgres import EmbeddedServer, ExternalServer
from reference_engine.recorder import export_charges
from reference_engine.scenario_model import Gateway
from runlog.errors import BadData, EnvironmentFault
from runlog.literals import sql_text
from runlog.reader import Run, open_run
from runlog.writer import RunWriter

REPAIR_PREFIX = "repair:"
_BOOKS = ("ledger_accounts", "ledger_transfers", "gateway_charges")
_ATTEMPTS_MAX = 5


_TRANSFERS_OF_RUN = """
    SELECT transfer_id, pending_id, debit_account_id, credit_account_id, amount_jpy,
      strftime(posted_at, '%Y-%m-%d %H:%M:%S.%f+00'), kind, coalesce(code, 'transfer'),
      CASE WHEN kind = 'pending' THEN strftime(posted_at, '%Y-%m-%d %H:%M:%S.%f+00') END
    FROM ledger_transfers ORDER BY transfer_id"""
_OPERATIONS_OF_RUN = f"""
    SELECT t.idempotency_key, min(t.transfer_id) // {schema.LEGS},
      coalesce(min(r.operation), CASE WHEN t.idempotency_key LIKE '{REPAIR_PREFIX}%' THEN 'repair'
        ELSE 'transfer' END), 'approved'
    FROM ledger_transfers t
    LEFT JOIN (SELECT DISTINCT idempotency_key, operation FROM requests) r
      ON r.idempotency_key = t.idempotency_key
    WHERE t.idempotency_key IS NOT NULL GROUP BY t.idempotency_key"""
_CHARGES_OF_RUN = """
    SELECT CAST(substr(charge_id, 3) AS BIGINT), idempotency_key, amount_jpy, status, epoch_us("at")
    FROM gateway_charges
    QUALIFY row_number() OVER (PARTITION BY idempotency_key ORDER BY charge_id) = 1"""
_BALANCES = """
    SELECT account_id, debits_posted_jpy, credits_posted_jpy, debits_pending_jpy,
      credits_pending_jpy FROM accounts ORDER BY account_id"""
_STAGE = (
    "CREATE TEMP TABLE staged (transfer_id bigint, pending_id bigint, debit_account_id bigint, "
    "credit_account_id bigint, amount_jpy bigint, posted_at timestamptz, kind transfer_kind, "
    "code transfer_code, expires_at timestamptz) ON COMMIT DROP"
)
_COLUMNS = (
    "transfer_id, pending_id, debit_account_id, credit_account_id, amount_jpy, posted_at, kind, "
    "code, expires_at"
)
_POST_STAGED = f"INSERT INTO transfers ({_COLUMNS}) SELECT {_COLUMNS} FROM staged"
_CLAIM = """
    INSERT INTO operations (idempotency_key, operation_id, operation, state, wallet_id, amount_jpy,
      balance_part_jpy, card_part_jpy, shard, reason, refers_to)
    VALUES (%(key)s, nextval('operation_ids'), 'repair', 'approved', %(wallet)s,
      %(card)s::bigint + %(balance)s::bigint, %(balance)s, %(card)s, 0, %(reason)s, %(refers_to)s)
    ON CONFLICT (idempotency_key) DO NOTHING RETURNING operation_id"""
_POST_LEGS = """
    INSERT INTO transfers (transfer_id, pending_id, debit_account_id, credit_account_id, amount_jpy,
      kind, code)
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
      %s::transfer_kind[], %s::transfer_code[])"""


@dataclass(frozen=True)
class Applied:
    """What was done: repairs posted now, those found posted before, charges cancelled, the run."""

    posted: int
    already_posted: int
    charges_cancelled: int
    run: Path


def apply_repairs(
    folder: Path, repairs: list[dict[str, Any]], out: Path, *, dsn: str | None = None
) -> Applied:
    """Post `repairs` into the rebuilt books of the run in `folder`; write them as the run `out`.

    Each repair: idempotency_key, wallet_id, card_part_jpy, balance_part_jpy, cancel_charge, reason,
    legs (debit_account_id, credit_account_id, amount_jpy, code, ends). Raises BadData when the
    ledger cannot be rebuilt to the yen, EnvironmentFault when a charge could not be cancelled.
    """
    run = open_run(folder)
    guardian = Guardian()
    server = (
        EmbeddedServer(guardian=guardian) if dsn is None else ExternalServer(dsn, guardian=guardian)
    )
    folder_of_its_own = tempfile.TemporaryDirectory(prefix="walletlab-repair-")
    try:
        with server_failures_told(), guardian, server, folder_of_its_own as scratch:
            guardian.watch_folder(Path(scratch))
            rebuild_ledger(run, server.dsn, server.schema)
            with schema.connection_to(server.dsn, server.schema, "walletlab repair") as connection:
                posted, already = post_repairs(connection, repairs)
            keys = [r["idempotency_key"] for r in repairs if r["cancel_charge"]]
            with GatewayProcess(Path(scratch), Gateway(latency_ms=0, decline_share=0)) as gateway:
                _rebuild_gateway(run, Path(scratch))
                cancelled = asyncio.run(_cancel(gateway.port, keys))
            _write(run, out, server, Path(scratch), len(repairs))
    finally:
        run.close()
    return Applied(posted, already, cancelled, out)


def rebuild_ledger(run: Run, dsn: str, schema_name: str) -> None:
    """Build the run's ledger in `schema_name` from its transfers, and prove it equal to the yen.

    All transfers go in with one statement, so the database checks its constraints on the result and
    works the balances out by itself. Raises BadData when they differ from what the run recorded.
    """
    schema.create(dsn, schema_name)
    con = run.connection
    accounts = con.execute("SELECT account_id, kind, overdraft_allowed FROM ledger_accounts")
    account_rows = accounts.fetchall()
    transfer_rows = con.execute(_TRANSFERS_OF_RUN).fetchall()
    operation_rows = con.execute(_OPERATIONS_OF_RUN).fetchall()
    try:
        with schema.connection_to(dsn, schema_name, "walletlab repair") as connection:
            _copy(connection, "accounts (account_id, kind, overdraft_allowed)", account_rows)
            _copy(
                connection,
                "operations (idempotency_key, operation_id, operation, state)",
                operation_rows,
            )
            connection.execute(_STAGE)
            _copy(connection, "staged", transfer_rows)
            connection.execute(_POST_STAGED)
            connection.execute(
                "SELECT setval('operation_ids', (SELECT max(transfer_id) FROM transfers) / %s + 1)",
                (schema.LEGS,),
            )
            rebuilt = connection.execute(_BALANCES).fetchall()
    except psycopg.errors.IntegrityError as error:
        raise BadData("the run's ledger breaks a rule of the ledger", _first(error)) from error
    recorded = con.execute(_BALANCES.replace("accounts", "ledger_accounts")).fetchall()
    if rebuilt != recorded:
        wrong = next(a for a in zip(rebuilt, recorded, strict=False) if a[0] != a[1])
        todo = "the run's accounts are not the sum of its transfers: run it again"
        raise BadData("ledger cannot be rebuilt", f"account {wrong[0][0]}", todo)


def post_repairs(
    connection: psycopg.Connection[Any], repairs: Iterable[dict[str, Any]]
) -> tuple[int, int]:
    """Post each repair in a transaction of its own; return (posted now, found posted before).

    The repair of key K is the operation with key 'repair:K': the database takes it once.
    """
    posted = already = 0
    for repair in repairs:
        with connection.transaction():
            row = connection.execute(
                _CLAIM,
                {
                    "key": REPAIR_PREFIX + repair["idempotency_key"],
                    "wallet": repair["wallet_id"],
                    "card": repair["card_part_jpy"],
                    "balance": repair["balance_part_jpy"],
                    "reason": repair["reason"],
                    "refers_to": repair["idempotency_key"],
                },
            ).fetchone()
            if row is None:
                already += 1
                continue
            try:
                _post_legs(connection, int(row[0]), repair["legs"])
            except psycopg.errors.IntegrityError as error:
                what = f"{repair['idempotency_key']} ({_first(error)})"
                todo = "nothing of this repair was posted; look at the intention by hand"
                raise BadData("the ledger refuses a repair", what, todo) from error
            posted += 1
    return posted, already


def _post_legs(
    connection: psycopg.Connection[Any], operation_id: int, legs: Iterable[dict[str, Any]]
) -> None:
    """One statement: all legs or none, and the overdraft guard looks at their sum."""
    rows = [
        (
            operation_id * schema.LEGS + number,
            leg["ends"],
            leg["debit_account_id"],
            leg["credit_account_id"],
            leg["amount_jpy"],
            "posted" if leg["ends"] is None else "void_pending",
            leg["code"],
        )
        for number, leg in enumerate(legs)
    ]
    if len(rows) > schema.LEGS:
        raise BadData("repair has too many legs", str(len(rows)), f"at most {schema.LEGS}")
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        connection.execute(_POST_LEGS, columns)


async def _cancel(port: int, keys: list[str]) -> int:
    """Void each key at the gateway; a void is idempotent, so an unknown outcome is asked again."""
    cancelled = 0
    async with GatewayClient(port, timeout_s=10.0) as client:
        for key in keys:
            for _ in range(_ATTEMPTS_MAX):
                answer = await client.void(key)
                if answer.outcome in ("voided", "refunded"):
                    cancelled += 1
                    break
            else:
                what = f"{key} ({answer.reason or answer.outcome})"
                todo = "nothing was written; run it again"
                raise EnvironmentFault("charge could not be cancelled", what, todo)
    return cancelled


def _rebuild_gateway(run: Run, folder: Path) -> None:
    """Put the run's charges into the gateway's books (the first of a key: it keeps one each)."""
    rows = run.connection.execute(_CHARGES_OF_RUN).fetchall()
    books = open_books(folder)
    books.execute("BEGIN IMMEDIATE")
    books.executemany(
        "INSERT INTO charges (charge_id, idempotency_key, amount_jpy, status, at_us) "
        "VALUES (?, ?, ?, ?, ?)",
        rows,
    )
    books.execute("COMMIT")
    books.close()


def _write(
    run: Run, out: Path, server: EmbeddedServer | ExternalServer, scratch: Path, count: int
) -> None:
    """Write the new run: the repaired books, everything else as it was."""
    with RunWriter(out) as writer:
        export_ledger(writer, server.dsn, server.schema, scratch)
        export_charges(writer, read_books(scratch), scratch / "gateway_charges.jsonl")
        for table in run.manifest.tables:
            if table not in _BOOKS:
                path = sql_text(run.folder / f"{table}.parquet")
                writer.add(table, f"SELECT * FROM read_parquet({path})")
        note = f"books of run {run.manifest.run_id} after {count} repair(s)"
        changes = {"run_id": out.name, "notes": [*run.manifest.notes, note]}
        writer.commit(run.manifest.model_copy(update=changes))


def _copy(connection: psycopg.Connection[Any], target: str, rows: list[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)


def _first(error: Exception) -> str:
    return str(error).splitlines()[0]
