"""The wallet service inside a front: how an operation is asked for, and the ways its store is used.

Every round trip to the store and to the gateway leaves a span. What the client sees (`Reply`) and
what the ledger holds are two things: a client may have given up on a payment that was posted.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import psycopg_pool
from psycopg import sql
from psycopg_pool import AsyncConnectionPool

from reference_engine.gateway_client import GatewayAnswer, GatewayClient
from reference_engine.ledger.reading import NEWEST_ENTRIES
from reference_engine.ledger.schema import MERCHANT_BASE
from reference_engine.load import Arrival
from reference_engine.scenario_model import Flags
from reference_engine.spool import Trace

_ISOLATION = {
    "read committed": psycopg.IsolationLevel.READ_COMMITTED,
    "repeatable read": psycopg.IsolationLevel.REPEATABLE_READ,
    "serializable": psycopg.IsolationLevel.SERIALIZABLE,
}

BEGIN_SQL = (
    "SELECT operation_id, state, reason, card_part_jpy FROM operation_begin("
    "%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
LOCKED_BEGIN_SQL = BEGIN_SQL.replace("operation_begin", "locked_begin")
FINISH_SQL = (
    "SELECT operation_id, state, reason, card_part_jpy FROM operation_finish(%s, %s, %s, %s)"
)
REFUND_SQL = "SELECT operation_id, state, reason, card_part_jpy FROM refund_begin(%s, %s, %s, %s)"
BALANCE_SQL = (
    "SELECT credits_posted_jpy - debits_posted_jpy - debits_pending_jpy "
    "FROM accounts WHERE account_id = %s"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the client is told: an outcome of the contract, and why."""

    outcome: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A row of the ledger's type `answer`."""

    operation_id: int
    state: str
    reason: str | None
    card_part_jpy: int

    def reply(self) -> Reply:
        """The answer as the client sees it. A pending operation has no known outcome yet."""
        if self.state == "pending":
            return Reply("failed", "outcome_unknown")
        return Reply(self.state, self.reason)


class Tx:
    """One open transaction of an attempt."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], trace: Trace) -> None:
        self._connection = connection
        self._trace = trace

    async def ask(self, name: str, query: str, parameters: tuple[Any, ...]) -> tuple[Any, ...]:
        """Run one statement that returns one row; leaves a `statement` span."""
        started = self._trace.now_us()
        try:
            cursor = await self._connection.execute(query, parameters, prepare=True)
            row = await cursor.fetchone()
        finally:
            self._trace.add("statement", name, started)
        return row if row is not None else ()

    async def commit(self) -> None:
        started = self._trace.now_us()
        try:
            await self._connection.commit()
        finally:
            self._trace.add("commit", "commit", started)


class Store:
    """The fronts' way into PostgreSQL: a pool, with every wait in it on record."""

    def __init__(self, dsn: str, schema: str, name: str, flags: Flags) -> None:
        self.flags = flags
        self._dsn = dsn
        self._schema = schema
        self._name = name
        self._retiring: set[asyncio.Task[None]] = set()
        self.pool = self._make_pool(flags)

    def _make_pool(self, flags: Flags) -> AsyncConnectionPool:
        return AsyncConnectionPool(
            self._dsn,
            min_size=flags.pool_size,
            max_size=flags.pool_size,
            max_waiting=flags.max_waiting,
            timeout=flags.pool_timeout_ms / 1000,
            reconnect_timeout=20.0,
            open=False,
            configure=self._configure,
            kwargs={"application_name": self._name},
        )

    async def _configure(self, connection: psycopg.AsyncConnection[Any]) -> None:
        path = sql.SQL("SET search_path TO {}").format(sql.Identifier(self._schema))
        await connection.execute(path)
        await connection.commit()

    async def apply(self, flags: Flags) -> None:
        """Take over flags changed while the run goes on."""
        self.flags = flags
        self.pool.max_waiting = flags.max_waiting
        self.pool.timeout = flags.pool_timeout_ms / 1000
        if self.pool.max_size != flags.pool_size:
            # resize() lets go of surplus connections only after minutes, so the pool is replaced
            new = self._make_pool(flags)
            await new.open()
            old, self.pool = self.pool, new
            task = asyncio.create_task(self._retire(old))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    @staticmethod
    async def _retire(pool: AsyncConnectionPool) -> None:
        """Close a replaced pool once nobody queues for it; its users keep what they hold."""
        while pool.get_stats().get("requests_waiting", 0):
            await asyncio.sleep(0.05)
        await pool.close(0)

    async def set_isolation(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Bring a connection out of the pool to the isolation level of the flags."""
        level = _ISOLATION[self.flags.isolation]
        if connection.isolation_level != level:
            await connection.set_isolation_level(level)

    @asynccontextmanager
    async def transaction(self, trace: Trace, name: str) -> AsyncIterator[Tx]:
        """One transaction: `pool_wait`, then `ledger_tx` until it is committed or rolled back."""
        started = trace.now_us()
        waiting = True
        try:
            async with self.pool.connection() as connection:
                trace.add("pool_wait", "acquire", started)
                waiting = False
                await self.set_isolation(connection)
                started = trace.now_us()
                try:
                    tx = Tx(connection, trace)
                    yield tx
                    await tx.commit()
                except BaseException:
                    # a lost connection cannot be rolled back, and must not hide why it was lost
                    with suppress(psycopg.Error):
                        await connection.rollback()
                    raise
                finally:
                    trace.add("ledger_tx", name, started)
        finally:
            if waiting:
                trace.add("pool_wait", "gave_up", started)


class Gateway:
    """The card gateway with spans around its calls."""

    def __init__(self, client: GatewayClient) -> None:
        self.client = client

    async def charge(self, key: str, amount_jpy: int, trace: Trace) -> GatewayAnswer:
        started = trace.now_us()
        try:
            return await self.client.charge(key, amount_jpy)
        finally:
            trace.add("gateway_call", "charge", started)

    async def refund(self, key: str, trace: Trace) -> GatewayAnswer:
        started = trace.now_us()
        try:
            return await self.client.refund(key)
        finally:
            trace.add("gateway_call", "refund", started)


class Wallet:
    """What every design shares: the parameters of an operation and the reading of balances."""

    def __init__(self, store: Store, gateway: Gateway, *, limited: bool) -> None:
        self.store = store
        self.gateway = gateway
        self.limited = limited
        self._background: set[asyncio.Task[Any]] = set()

    @property
    def flags(self) -> Flags:
        return self.store.flags

    def parameters(self, arrival: Arrival) -> tuple[Any, ...]:
        """Parameters of `operation_begin` and `locked_begin`."""
        flags = self.flags
        return (
            arrival.idempotency_key,
            arrival.operation,
            arrival.wallet_id,
            counterparty_account(arrival),
            arrival.amount_jpy,
            flags.auto_charge,
            arrival.wallet_id % flags.settlement_shards,
            self.limited,
            flags.hash_chain,
            flags.lock_order == "sorted",
        )

    async def balance(self, arrival: Arrival, trace: Trace) -> Reply:
        """A balance inquiry: the balance and the newest entries, no lock."""
        async with self.store.transaction(trace, "balance") as tx:
            row = await tx.ask("balance", BALANCE_SQL, (arrival.wallet_id,))
            await tx.ask("history", NEWEST_ENTRIES, (arrival.wallet_id,))
        return Reply("approved") if row else Reply("declined", "no_such_wallet")

    async def carry_on(self, work: Any) -> Any:
        """Await `work` so that it goes on to its end even when the client gives up meanwhile."""
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        task.add_done_callback(_look_at_error)
        return await asyncio.shield(task)

    async def settle_background(self) -> None:
        """Wait for what goes on without its client."""
        while self._background:
            await asyncio.wait(set(self._background))


def reply_to_error(error: BaseException) -> Reply:
    """What a client sees of an error in the front: an outcome and a short code."""
    if isinstance(error, psycopg_pool.TooManyRequests):
        return Reply("shed", "max_waiting")
    if isinstance(error, psycopg_pool.PoolTimeout):
        return Reply("failed", "pool_timeout")
    if isinstance(error, TimeoutError):
        return Reply("timed_out", "client_timeout")
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return Reply("failed", f"sqlstate_{error.sqlstate}")
    if isinstance(error, psycopg.Error):
        return Reply("failed", "database_unreachable")
    traceback.print_exception(error)  # a fault of the front itself: the client must not hang on it
    return Reply("failed", "front_error")


def _look_at_error(task: asyncio.Task[Any]) -> None:
    """A failure nobody waits for leaves its operation pending; reconciliation settles it."""
    if not task.cancelled():
        task.exception()


def counterparty_account(arrival: Arrival) -> int | None:
    """Account of the other side: a merchant's, a wallet's, or None."""
    if arrival.operation in ("card_payment", "refund") and arrival.counterparty_id is not None:
        return MERCHANT_BASE + arrival.counterparty_id
    return arrival.counterparty_id
