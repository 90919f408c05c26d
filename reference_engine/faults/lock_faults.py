"""Faults of locking: real sessions beside the wallet that hold what it needs, or lock crosswise."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
from pydantic import Field

from reference_engine.faults.base import Fault, FaultContext, FaultParameters, FlagFault, Jobs

SETTLEMENT = 9_000_001
_BANK = 9_200_001


class HotRow(FlagFault):
    """Everybody updates one row: the settlement row takes every payment, and payouts leave from it.

    Signature: Lock/transactionid and Lock/tuple with one holder that is active (on the processor or
    in IO/WalSync), all on one relation; the rest of the server is calm; throughput is flat.
    Source: cockroachdb/cockroach#14670 (one destination account); docs.formance.com (the `world`
    account). Measured shape: 89 samples of transactionid and 58 of tuple at one holder.
    """

    name = "hot_row"
    target = "accounts"

    class Parameters(FaultParameters):
        sessions: int = Field(default=12, ge=0, le=200)  # payout sessions on the same row
        transfers: int = Field(default=60, ge=2, le=10_000)  # payouts in one statement

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(parameters)
        self._jobs = Jobs()

    def changes(self) -> dict[str, Any]:
        return {"settlement_shards": 1}

    def inject(self, ctx: FaultContext) -> None:
        """Send every payment to one row and start the payout sessions."""
        super().inject(ctx)
        self._jobs = Jobs()
        self._jobs.start(ctx, "payouts", self._pay_out, self.parameters.sessions)

    def heal(self, ctx: FaultContext) -> None:
        """Stop the payouts and spread the payments again."""
        self._jobs.stop()
        super().heal(ctx)

    def _pay_out(
        self, connection: psycopg.Connection[Any], copy: int, stopping: threading.Event
    ) -> None:
        """One statement of real postings out of the settlement row and back, one yen each."""
        connection.execute(
            "INSERT INTO transfers (transfer_id, debit_account_id, credit_account_id, amount_jpy, "
            "code) SELECT nextval('operation_ids') * 16 + 15, "
            "CASE n %% 2 WHEN 0 THEN %(row)s ELSE %(bank)s END, "
            "CASE n %% 2 WHEN 0 THEN %(bank)s ELSE %(row)s END, 1, 'transfer' "
            "FROM generate_series(1, %(count)s) AS n",
            {"row": SETTLEMENT, "bank": _BANK, "count": self.parameters.transfers},
            prepare=True,
        )


class LongTransaction(Fault):
    """A forgotten session keeps an old snapshot, so that vacuum may not remove what died since.

    Signature: one session `idle in transaction` with an old `xact_start` and the oldest
    `backend_xmin`; dead rows of small hot tables grow (n_dead_tup); autovacuum logs rows "dead but
    not yet removable".
    Source: Duffel 2021-11-22 (duffel.com/blog, concurrency control and vacuuming).
    """

    name = "long_transaction"
    target = "accounts"

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(parameters)
        self._session: psycopg.Connection[Any] | None = None

    def inject(self, ctx: FaultContext) -> None:
        """Open a snapshot and leave."""
        self._session = ctx.connect("export", autocommit=False)
        self._session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self._session.execute("SELECT count(*) FROM accounts")

    def heal(self, ctx: FaultContext) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()


class Deadlock(FlagFault):
    """Accounts are locked in no fixed order, by transfers and by a job that walks the other way.

    Signature: SQLSTATE 40P01 with the cycle in the log; pg_stat_database.deadlocks grows; waits
    that last deadlock_timeout.
    Source: formancehq/ledger PR 565, 767, 769; interledger five-bells-ledger#323.
    """

    name = "deadlock"
    target = "accounts"

    class Parameters(FaultParameters):
        sessions: int = Field(default=2, ge=1, le=100)  # of the job
        hold_ms: int = Field(default=20, ge=0, le=10_000)  # between the two locks of the job

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(parameters)
        self._jobs = Jobs()

    def changes(self) -> dict[str, Any]:
        return {"lock_order": "unsorted"}

    def inject(self, ctx: FaultContext) -> None:
        """Let transfers lock payer first, and start the job that locks settlement rows first."""
        super().inject(ctx)
        self._wallets = ctx.scenario.population.wallets
        self._jobs = Jobs()
        self._jobs.start(ctx, "netting", self._net, self.parameters.sessions)

    def heal(self, ctx: FaultContext) -> None:
        """Stop the job and lock in order again."""
        self._jobs.stop()
        super().heal(ctx)

    def _net(
        self, connection: psycopg.Connection[Any], copy: int, stopping: threading.Event
    ) -> None:
        """Lock the settlement rows, then many wallets: payments lock the other way round."""
        lock = "SELECT 1 FROM accounts WHERE account_id BETWEEN %s AND %s FOR NO KEY UPDATE"
        with connection.transaction():
            connection.execute(lock, (SETTLEMENT, SETTLEMENT + 63))
            stopping.wait(self.parameters.hold_ms / 1000)
            first = 1 + (copy * 997) % self._wallets
            connection.execute(lock, (first, first + self._wallets // 2))
        stopping.wait(0.1)


class DdlLockQueue(Fault):
    """A migration waits for its exclusive lock behind one reader, and everybody waits behind it.

    Signature: Lock/relation for every session on one table, all behind one AccessExclusiveLock
    request; the log names the relation.
    Source: Flagsmith (status.flagsmith.com/incidents/h64tzjy7btly: DDL lock, then connections).
    """

    name = "ddl_lock_queue"
    target = "accounts"

    class Parameters(FaultParameters):
        reader_ms: int = Field(default=1_500, ge=1, le=600_000)  # how long the reader stays
        pause_ms: int = Field(default=500, ge=0, le=600_000)  # before the migration tries again

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(parameters)
        self._jobs = Jobs()

    def inject(self, ctx: FaultContext) -> None:
        """Start the reader and the migration."""
        self._jobs = Jobs()
        self._reading = threading.Event()
        self._jobs.start(ctx, "report", self._read)
        self._jobs.start(ctx, "migration", self._migrate)

    def heal(self, ctx: FaultContext) -> None:
        """Stop both; the migration never commits, so the table stays as it was."""
        self._jobs.stop()

    def _read(
        self, connection: psycopg.Connection[Any], copy: int, stopping: threading.Event
    ) -> None:
        with connection.transaction():
            connection.execute("SELECT count(*) FROM accounts")
            self._reading.set()
            stopping.wait(self.parameters.reader_ms / 1000)
            self._reading.clear()
        stopping.wait(self.parameters.pause_ms / 1000)

    def _migrate(
        self, connection: psycopg.Connection[Any], copy: int, stopping: threading.Event
    ) -> None:
        if self._reading.wait(0.1):
            with connection.transaction(force_rollback=True):
                connection.execute("ALTER TABLE accounts ADD COLUMN migration_note text")
