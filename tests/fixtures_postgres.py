"""PostgreSQL for tests: one embedded server a session, a fresh schema a test, a real gateway."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import namedtuple_row

from reference_engine.gateway import GatewayProcess
from reference_engine.guardian import Guardian
from reference_engine.ledger import schema, setup
from reference_engine.ledger.reading import create_reading_indexes
from reference_engine.postgres import EmbeddedServer
from reference_engine.scenario_model import Gateway

_numbers = itertools.count(1)
WALLETS = 20
OPENING_JPY = 1_000


@dataclass
class Ledger:
    """A fresh ledger of 20 wallets with 1,000 yen each, and a session to look at it."""

    dsn: str
    schema: str
    connection: psycopg.Connection[Any] = field(repr=False)

    def all(self, query: str, *parameters: Any) -> list[Any]:
        return self.connection.execute(query, parameters).fetchall()

    def one(self, query: str, *parameters: Any) -> Any:
        return self.all(query, *parameters)[0]

    def balance(self, account: int) -> int:
        """Posted balance in yen."""
        query = "SELECT credits_posted_jpy - debits_posted_jpy AS b FROM accounts"
        return self.one(query + " WHERE account_id = %s", account).b

    def available(self, account: int) -> int:
        """Balance in yen with holds counted as spent."""
        return self.balance(account) - self.held(account)

    def held(self, account: int) -> int:
        return self.one(
            "SELECT debits_pending_jpy AS h FROM accounts WHERE account_id = %s", account
        ).h

    def post(self, *rows: dict[str, Any]) -> list[int]:
        """Insert transfers in one statement; return their ids. Defaults: posted, code transfer."""
        ids = [r.get("id") or self.new_id() for r in rows]
        values = [
            (
                number,
                r.get("ends"),
                r["debit"],
                r["credit"],
                r["yen"],
                r.get("kind", "posted"),
                r.get("expires_at"),
            )
            for number, r in zip(ids, rows, strict=True)
        ]
        row = "(%s, %s, %s, %s, %s, %s, 'transfer', %s)"
        self.connection.execute(
            "INSERT INTO transfers (transfer_id, pending_id, debit_account_id, credit_account_id, "
            "amount_jpy, kind, code, expires_at) VALUES " + ", ".join([row] * len(rows)),
            [v for value in values for v in value],
        )
        return ids

    def new_id(self) -> int:
        return self.one("SELECT nextval('operation_ids') * 16 AS id").id

    def faults(self) -> list[tuple[str, str]]:
        """Broken promises of the books; empty when they are sound."""
        return [(f.what, f.example) for f in self.all("SELECT what, example FROM book_faults()")]


@pytest.fixture(scope="session")
def guardian() -> Iterator[Guardian]:
    with Guardian() as guardian:
        yield guardian


@pytest.fixture(scope="session")
def server(guardian: Guardian) -> Iterator[EmbeddedServer]:
    """The session's PostgreSQL. Nothing here crashes, so it need not wait for the disk; tests of
    runs and of crashes start durable servers of their own."""
    settings = {"max_connections": 200, "fsync": "off"}
    with EmbeddedServer(settings=settings, guardian=guardian) as server:
        yield server


@pytest.fixture(scope="session")
def one_ledger(server: EmbeddedServer) -> Iterator[Ledger]:
    with new_ledger(server) as ledger:
        yield ledger


@pytest.fixture
def ledger(one_ledger: Ledger) -> Ledger:
    """A ledger as new: every wallet with its opening balance, nothing else."""
    return emptied(one_ledger)


def emptied(ledger: Ledger) -> Ledger:
    """Return the ledger as it was when it was made, in far less time than it takes to make one."""
    ledger.connection.execute(
        "SET session_replication_role = replica; "  # switches the ledger's triggers off
        "TRUNCATE transfers, operations, refunds, daily_usage, hash_chain; "
        "UPDATE accounts SET debits_posted_jpy = 0, credits_posted_jpy = 0, "
        "debits_pending_jpy = 0, credits_pending_jpy = 0; "
        "SET session_replication_role = origin; "
        "INSERT INTO transfers "
        "(transfer_id, debit_account_id, credit_account_id, amount_jpy, code) "
        f"SELECT nextval('operation_ids') * 16, {schema.EXTERNAL_ID}, w, {OPENING_JPY}, 'opening' "
        f"FROM generate_series(1, {WALLETS}) AS w"
    )
    return ledger


@contextmanager
def new_ledger(
    server: EmbeddedServer,
    *,
    wallets: int = WALLETS,
    opening_jpy: int = OPENING_JPY,
    limits: setup.Limits | None = None,
) -> Iterator[Ledger]:
    """A fresh ledger in a schema of its own on the session's server, dropped at the end."""
    name = f"test_{next(_numbers)}"
    schema.create(server.dsn, name)
    openings = [opening_jpy] * wallets
    setup.fill(
        server.dsn, name, wallets=wallets, merchants=3, opening_balances_jpy=openings, limits=limits
    )
    create_reading_indexes(server.dsn, name)
    try:
        with schema.connection_to(server.dsn, name, "test") as connection:
            connection.autocommit = True
            connection.row_factory = namedtuple_row
            yield Ledger(server.dsn, name, connection)
    finally:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("SET client_min_messages = warning")
            connection.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(scope="session")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, guardian: Guardian
) -> Iterator[GatewayProcess]:
    """A real gateway process that answers at once; keys that end in 'declined' it declines."""
    folder: Path = tmp_path_factory.mktemp("gateway")
    settings = Gateway(latency_ms=1, latency_sigma=0, decline_share=0)
    with GatewayProcess(folder, settings) as gateway:
        guardian.watch_process(gateway.pid)
        yield gateway
