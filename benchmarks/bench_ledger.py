"""Bulk posting against pgbench TPC-B and raw COPY, alternately on one durable server.

Prints ratios; absolute rates depend on the machine and are shown for orientation only. Posting
means: each transfer has its own idempotency key (its number), overdrafts are refused, balances are
kept, one row in five is two-phase (a hold, or the end of one).

Run: python benchmarks/bench_ledger.py [ROUNDS]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pgbench
import psycopg

from reference_engine.guardian import Guardian
from reference_engine.ledger import bulk, schema, setup
from reference_engine.ledger.bulk import BulkTransfers, post_bulk
from reference_engine.postgres import EmbeddedServer

WALLETS = 2_000  # as in the scenarios
BATCH = 50_000
BATCHES = 6
# bare: nothing but rows. keyed: with the primary key, which any table of record has
_RAW = """
CREATE TABLE IF NOT EXISTS bare_transfers (LIKE transfers INCLUDING DEFAULTS);
CREATE TABLE IF NOT EXISTS keyed_transfers (LIKE transfers INCLUDING DEFAULTS,
    PRIMARY KEY (transfer_id));
"""


@dataclass
class Bench:
    """The server's session and how many transfers were numbered so far."""

    connection: psycopg.Connection[Any]
    random: np.random.Generator
    numbered: int = 0

    def numbers(self, count: int) -> Any:
        self.numbered += count
        return np.arange(self.numbered - count, self.numbered)

    def batch(self, count: int, kind: str, hot: bool) -> BulkTransfers:
        """`count` transfers between wallets; hot: nine in ten pay into one account."""
        half = WALLETS // 2
        debits = self.random.integers(1, half + 1, count)
        takers = self.random.integers(half + 1, WALLETS + 1, count)
        if hot:
            takers[self.random.random(count) < 0.9] = WALLETS
        amounts = self.random.integers(1, 100, count)
        return BulkTransfers(self.numbers(count), debits, takers, amounts, kind)

    def work(self, hot: bool) -> list[list[BulkTransfers]]:
        """The batches of one measurement: eight in ten rows posted, one a hold, one ends a hold."""
        calls: list[list[BulkTransfers]] = []
        held: BulkTransfers | None = None
        for _ in range(BATCHES):
            holds = self.batch(BATCH // 10, "pending", hot)
            call = [self.batch(BATCH * 8 // 10, "posted", hot), holds]
            if held is not None:
                sides = (held.debit_account_ids, held.credit_account_ids, held.amounts_jpy)
                numbers = self.numbers(len(held))
                call.append(BulkTransfers(numbers, *sides, "post_pending", held.numbers))
            calls.append(call)
            held = holds
        return calls


def posting(bench: Bench, *, hot: bool) -> float:
    """Transfers per second; each call to `post_bulk` is one durable transaction."""
    calls = bench.work(hot)
    started = time.perf_counter()
    for call in calls:
        post_bulk(bench.connection, *call)
    return sum(len(b) for c in calls for b in c) / (time.perf_counter() - started)


def raw_copy(bench: Bench, table: str) -> float:
    """Rows per second by COPY of the same rows into a table without trigger or constraint."""
    calls = bench.work(hot=False)
    statement = bulk.COPY_SQL.replace("COPY transfers", f"COPY {table}")
    started = time.perf_counter()
    for call in calls:
        with bench.connection.transaction():
            bulk.copy_rows(bench.connection, statement, bulk.copy_bytes(*call))
    return sum(len(b) for c in calls for b in c) / (time.perf_counter() - started)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with Guardian() as guardian, EmbeddedServer(guardian=guardian) as server:
        settings = server.settings()
        print(
            f"PostgreSQL {settings['server_version']}, fsync {settings['fsync']}, "
            f"synchronous_commit {settings['synchronous_commit']}"
        )
        pgbench.prepare(server)
        schema.create(server.dsn, "wallet")
        setup.fill(
            server.dsn,
            "wallet",
            wallets=WALLETS,
            merchants=0,
            opening_balances_jpy=[100_000_000] * WALLETS,
        )
        with schema.connection_to(server.dsn, "wallet", "bench") as connection:
            connection.autocommit = True
            connection.execute(_RAW)
            bench = Bench(connection, np.random.default_rng(7))
            measure = {
                "tpcb": lambda: pgbench.tpcb_per_s(server, 4),
                "copy_bare": lambda: raw_copy(bench, "bare_transfers"),
                "copy_keyed": lambda: raw_copy(bench, "keyed_transfers"),
                "uniform": lambda: posting(bench, hot=False),
                "hot": lambda: posting(bench, hot=True),
            }
            report(measure, rounds)
            faults = connection.execute("SELECT what, example FROM book_faults()").fetchall()
            print("books:", "sound" if not faults else f"BROKEN {faults[:3]}")


def report(measure: dict[str, Callable[[], float]], rounds: int) -> None:
    """Measure everything alternately; print the median rates and the ratios of each round."""
    measure["uniform"]()  # warms caches and plans
    found: dict[str, list[float]] = {name: [] for name in measure}
    for _ in range(rounds):
        for name, work in measure.items():
            found[name].append(work())
    for name, rates in found.items():
        print(f"{name:10s} {statistics.median(rates):10.0f} /s")
    for label, above, below, goal in (
        ("bulk posting / TPC-B 16 clients", "uniform", "tpcb", 20.0),
        ("bulk posting / raw COPY, no index at all", "uniform", "copy_bare", 0.30),
        ("bulk posting / raw COPY, primary key only", "uniform", "copy_keyed", 0.30),
        ("one hot account / uniform", "hot", "uniform", 0.80),
    ):
        ratios = [a / b for a, b in zip(found[above], found[below], strict=True)]
        shown = ", ".join(f"{r:.2f}" for r in ratios)
        print(f"{label}: median {statistics.median(ratios):.2f} (goal {goal:g}; rounds {shown})")


if __name__ == "__main__":
    main()
