"""Faults of the server: connections, indexes, plans, write-ahead log, crash."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
from pydantic import Field

from reference_engine.faults.base import Fault, FaultContext, FaultParameters, Jobs
from reference_engine.ledger.reading import WALLET_INDEX


class ConnectionLimit(Fault):
    """Other applications take every connection slot while the wallet's connections are cycled.

    Signature: SQLSTATE 53300 in the log ("sorry, too many clients already"); connections stand at
    max_connections; requests fail at the pool, with few sessions active.
    Source: Clerk 2025-09-14 to 18 (clerk.com/blog: connections cycled in step after an upgrade).
    """

    name = "connection_limit"
    target = "server"
    needs_embedded_server = True  # it would lock everybody out of a user's server

    class Parameters(FaultParameters):
        cycle_every_s: float = Field(default=1.0, gt=0, le=600)  # between two rounds
        cycle_share: float = Field(default=0.5, ge=0, le=1)  # of the wallet's connections

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(parameters)
        self._jobs = Jobs()
        self._held: list[psycopg.Connection[Any]] = []

    def inject(self, ctx: FaultContext) -> None:
        """Begin to take slots and to cycle the wallet's connections."""
        self._jobs = Jobs()
        self._jobs.start(ctx, "crowd", partial(self._crowd, ctx))

    def heal(self, ctx: FaultContext) -> None:
        """Give all slots back."""
        self._jobs.stop()
        while self._held:
            self._held.pop().close()

    def _crowd(
        self,
        ctx: FaultContext,
        connection: psycopg.Connection[Any],
        copy: int,
        stopping: threading.Event,
    ) -> None:
        self._fill(ctx, stopping)
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'walletlab front%%' AND random() < %s",
            (self.parameters.cycle_share,),
        )
        self._fill(ctx, stopping)
        stopping.wait(self.parameters.cycle_every_s)

    def _fill(self, ctx: FaultContext, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self._held.append(ctx.connect("crowd"))
            except psycopg.OperationalError:
                return  # full: that is the point


class MissingIndex(Fault):
    """An index that the history of a wallet is read by is gone.

    Signature: sessions active without a wait event (or IO/DataFileRead) on one statement; seq_scan
    and seq_tup_read of one table climb; its slow statements are in the log.
    Source: medici v2 (README: slow at 30 thousand records); formancehq/ledger PR 1229;
    interledger/rafiki#2881.
    """

    name = "missing_index"
    target = "operations"

    class Parameters(FaultParameters):
        history: int = Field(default=200_000, ge=0, le=20_000_000)  # older operations on record

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(parameters)
        self._building: Future[None] | None = None

    def prepare(self, ctx: FaultContext) -> None:
        """Give the wallet a past."""
        _write_history(ctx, self.parameters.history)

    def inject(self, ctx: FaultContext) -> None:
        """Drop the index."""
        with ctx.connect("migration") as connection:
            connection.execute("SET lock_timeout = '20s'")
            connection.execute(f"DROP INDEX IF EXISTS {WALLET_INDEX}")

    def heal(self, ctx: FaultContext) -> None:
        """Begin to build the index again, without locking writers out.

        The build waits for every older transaction, that of another fault included: beside the
        script, which would else wait for it, too.
        """
        self._building = ThreadPoolExecutor(1).submit(self._build, ctx)

    def close(self, ctx: FaultContext) -> None:
        """Wait until the index is there."""
        if self._building is not None:
            self._building.result()

    def _build(self, ctx: FaultContext) -> None:
        with ctx.connect("migration") as connection:
            connection.execute(
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {WALLET_INDEX} ON operations (wallet_id)"
            )


class PlanFlip(Fault):
    """Statistics go wrong, the table is analyzed, and the planner takes another road.

    The newest entries of one wallet are read by an index on the wallet. With statistics that say
    "few wallets", walking a second index backwards through all wallets looks cheaper. Needs many
    wallets (20,000 or so): with few, that road is the right one.

    Signature: as a missing index, but a step at one instant: the same query id, calls flat, mean
    time many times higher, right after an analyze of the table; the index is still there.
    Source: Clerk 2026-02-19 (clerk.com/blog: a plan flip after an automatic analyze; 95 % of
    traffic was answered with 429 for about 90 minutes; a retrying customer was blamed first).
    """

    name = "plan_flip"
    target = "operations"

    class Parameters(FaultParameters):
        history: int = Field(default=300_000, ge=0, le=20_000_000)  # older operations on record
        distinct_wallets: int = Field(default=3, ge=1, le=1_000_000)  # what statistics will say

    def prepare(self, ctx: FaultContext) -> None:
        """Give the wallet a past, and the second index."""
        with ctx.connect("migration") as connection:
            connection.execute("CREATE INDEX operations_newest ON operations (operation_id)")
        _write_history(ctx, self.parameters.history)

    def inject(self, ctx: FaultContext) -> None:
        """Mislead the statistics and analyze."""
        self._analyze(ctx, f"SET (n_distinct = {int(self.parameters.distinct_wallets)})", 1)

    def heal(self, ctx: FaultContext) -> None:
        """Let the statistics be what the data say, and analyze again."""
        self._analyze(ctx, "RESET (n_distinct)", -1)

    def _analyze(self, ctx: FaultContext, change: str, target: int) -> None:
        with ctx.connect("statistics") as connection:
            connection.execute("SET lock_timeout = '20s'")
            connection.execute(f"ALTER TABLE operations ALTER COLUMN wallet_id {change}")
            connection.execute(
                f"ALTER TABLE operations ALTER COLUMN wallet_id SET STATISTICS {target}"
            )
            connection.execute("ANALYZE operations")


class WalStall(Fault):
    """The write-ahead log is flooded and checkpointed all the time, so that every commit waits.

    Signature: LWLock/WALWrite, IO/WalWrite and IO/WalSync (WALSync up to version 16) for everyone
    who writes, reads stay quick; requested checkpoints and WAL bytes climb; "checkpoint complete"
    lines one after the other.
    Source: Clerk 2026-03-10 (clerk.com/blog: slow storage after a hidden migration, then lock
    contention); no first-party post-mortem of a pure checkpoint stall in payments was found.
    """

    name = "wal_stall"
    target = "wal"
    needs_embedded_server = True  # checkpoints and log volume would hit everybody

    class Parameters(FaultParameters):
        sessions: int = Field(default=3, ge=1, le=64)  # that write
        message_kb: int = Field(default=8_000, ge=1, le=200_000)  # log written before each commit
        checkpoint_every_s: float = Field(default=0.5, gt=0, le=600)  # pause between two

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(parameters)
        self._jobs = Jobs()

    def inject(self, ctx: FaultContext) -> None:
        """Start the flood and the checkpoints."""
        self._jobs = Jobs()
        self._jobs.start(ctx, "bulk load", self._flood, self.parameters.sessions)
        self._jobs.start(ctx, "checkpoints", self._checkpoint)

    def heal(self, ctx: FaultContext) -> None:
        """Stop both."""
        self._jobs.stop()

    def _flood(
        self, connection: psycopg.Connection[Any], copy: int, stopping: threading.Event
    ) -> None:
        connection.execute(
            "SELECT pg_logical_emit_message(true, 'bulk', repeat('x', %s))",
            (self.parameters.message_kb * 1000,),
        )

    def _checkpoint(
        self, connection: psycopg.Connection[Any], copy: int, stopping: threading.Event
    ) -> None:
        connection.execute("CHECKPOINT")
        stopping.wait(self.parameters.checkpoint_every_s)


class ServerCrash(Fault):
    """The postmaster is killed with SIGKILL; at the end of the window it starts and recovers.

    Signature: every connection breaks at once, connections are refused until recovery has ended;
    the log says "not properly shut down; automatic recovery in progress"; no answered operation is
    lost.
    Source: PostgreSQL documentation, "Reliability and the Write-Ahead Log".
    """

    name = "server_crash"
    target = "server"
    needs_embedded_server = True

    def inject(self, ctx: FaultContext) -> None:
        """kill -9."""
        assert ctx.server is not None
        ctx.server.kill()

    def heal(self, ctx: FaultContext) -> None:
        """Start again; returns when recovery has ended."""
        assert ctx.server is not None
        ctx.server.restart()


def _write_history(ctx: FaultContext, rows: int) -> None:
    """Put `rows` declined operations of the past on record.

    Declined operations moved no money, so the books stay as they are. One in five is of the last
    wallet, a large customer; the others belong to the upper half of the wallets. The lower half has
    a short history, as new customers do.
    """
    wallets = ctx.scenario.population.wallets
    if rows == 0 or wallets < 4:
        return
    with ctx.connect("history") as connection:
        connection.execute(
            "INSERT INTO operations (idempotency_key, operation_id, operation, state, wallet_id, "
            "amount_jpy, balance_part_jpy, card_part_jpy, shard, reason) "
            "SELECT 'history-' || n, nextval('operation_ids'), 'card_payment', 'declined', "
            "CASE WHEN n %% 5 = 0 THEN %(last)s ELSE 1 + %(half)s + n %% (%(half)s - 1) END, "
            "100 + n %% 900, 100 + n %% 900, 0, 0, "
            "'insufficient_balance' FROM generate_series(1, %(rows)s) AS n",
            {"rows": rows, "half": wallets // 2, "last": wallets},
        )
        connection.execute("VACUUM (ANALYZE) operations")
