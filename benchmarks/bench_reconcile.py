"""Reconciliation of one million rows with one million rows, beside DuckDB's own full join of them.

Both are timed alternately in one process. "full join" is what DuckDB needs to read both files and
to store their full join on the key; "reconcile" is everything that `walletlab reconcile` does with
them: read, check every row, judge, summarise. Measured for a user's two CSV files, and for a run
directory (Parquet), where "reconcile" also reads a third million rows: what the clients were told.

Run: .venv/bin/python benchmarks/bench_reconcile.py [--rows N] [--rounds N]
Exits 1 when a median ratio is above 10.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from analysis.reconcile.books import load_run
from analysis.reconcile.files import reconcile_files
from analysis.reconcile.mapping import read_mapping
from analysis.reconcile.result import summarise
from runlog.manifest import Clock, Manifest
from runlog.reader import open_run
from runlog.writer import RunWriter, connect

LIMIT = 10.0
MAPPING = """
[ledger]
idempotency_key = "key"
amount = "amount"
card_amount = "card"
status = "status"
time = "at"
currency = "currency"
[ledger.status_values]
paid = ["paid"]
failed = ["failed"]
[statement]
idempotency_key = "key"
charge_id = "charge"
amount = "amount"
status = "status"
time = "at"
currency = "currency"
[statement.status_values]
captured = ["captured"]
voided = ["voided"]
"""
CSV_ROWS = """
    SELECT 'order-' || hash(i)::VARCHAR AS key, 100 + i % 9000 AS amount, 100 + i % 9000 AS card,
      CASE WHEN i % 50 = 0 THEN 'failed' ELSE 'paid' END AS status,
      strftime(TIMESTAMP '2018-11-03 06:00:00' + to_microseconds(i * 1000), '%Y-%m-%dT%H:%M:%S.%fZ')
        AS at, 'JPY' AS currency, i FROM range($rows) t(i)"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        worst = max(
            files_pair(Path(folder), options.rows, options.rounds),
            run_pair(Path(folder), options.rows, options.rounds),
        )
    if worst > LIMIT:
        sys.exit(f"ratio {worst:.1f} is above {LIMIT:.0f}")


def files_pair(folder: Path, rows: int, rounds: int) -> float:
    ledger, statement, mapping = folder / "l.csv", folder / "s.csv", folder / "m.toml"
    mapping.write_text(MAPPING, "utf-8")
    con = connect()
    con.execute(f"CREATE TABLE l AS {CSV_ROWS}", {"rows": rows})
    con.execute(f"COPY (SELECT * EXCLUDE (i) FROM l ORDER BY i) TO '{ledger}' (HEADER)")
    con.execute(
        f"""COPY (SELECT 'c' || i AS charge, key, amount,
            CASE WHEN i % 100 = 0 THEN 'voided' ELSE 'captured' END AS status, l.at, currency
            FROM l WHERE i % 1000 <> 7) TO '{statement}' (HEADER)"""
    )
    con.close()
    found = []

    def join() -> None:
        fresh = connect()
        fresh.execute(
            f"""CREATE TEMP TABLE joined AS SELECT * FROM read_csv('{ledger}') a
                FULL OUTER JOIN read_csv('{statement}') b ON a.key = b.key"""
        )
        fresh.close()

    def reconcile() -> None:
        found.append(len(reconcile_files(ledger, statement, read_mapping(mapping)).refunds_due))

    ratio = alternate(f"files, {rows:,} x {rows:,} rows", join, reconcile, rounds)
    expected = rows // 100  # failed, and not voided: every hundredth
    assert set(found) == {expected}, (set(found), expected)
    return ratio


def run_pair(folder: Path, rows: int, rounds: int) -> float:
    run = open_run(write_run(folder / "run", rows), validate=False)
    con = run.connection

    def join() -> None:
        con.execute(
            """CREATE OR REPLACE TEMP TABLE joined AS SELECT * FROM ledger_transfers t
               FULL OUTER JOIN gateway_charges g ON t.idempotency_key = g.idempotency_key"""
        )

    def reconcile() -> None:
        load_run(run)
        summarise(con)

    ratio = alternate(f"tables of a run, {rows:,} transfers x charges", join, reconcile, rounds)
    run.close()
    return ratio


def write_run(out: Path, rows: int) -> Path:
    """A run of `rows` top-ups: one transfer, one request and one charge each; 1 in 100 unpaid."""
    with RunWriter(out) as writer:
        con: duckdb.DuckDBPyConnection = writer.connection
        con.execute(
            f"""CREATE TABLE r AS SELECT i, 'key-' || hash(i)::VARCHAR AS k, 10 + i % 20000 AS w,
                100 + i % 900 AS yen, TIMESTAMPTZ '2018-11-03 06:00:00Z' + to_microseconds(i * 1000)
                AS t, i % 100 = 0 AS lost FROM range({rows}) q(i)"""
        )
        writer.add(
            "requests",
            """SELECT k AS request_id, k AS idempotency_key, 'top_up' AS operation, NULL AS
               needs_auto_charge, w AS wallet_id, NULL AS counterparty_id, yen AS amount_jpy,
               1 AS attempt, 0 AS front_id, t AS scheduled_at, t AS started_at, t AS finished_at,
               CASE WHEN lost THEN 'failed' ELSE 'approved' END AS outcome,
               NULL AS reason FROM r""",
        )
        writer.add(
            "ledger_transfers",
            """SELECT i AS transfer_id, k AS idempotency_key, 'top_up' AS code, 'posted' AS kind,
               NULL AS pending_id, 1 AS debit_account_id, w AS credit_account_id, yen AS amount_jpy,
               t AS posted_at FROM r WHERE NOT lost""",
        )
        writer.add(
            "gateway_charges",
            """SELECT 'c' || i AS charge_id, k AS idempotency_key, yen AS amount_jpy,
               'captured' AS status, t AS at FROM r""",
        )
        writer.add(
            "ledger_accounts",
            """SELECT 1 AS account_id, 'card_funding' AS kind, 0 AS debits_posted_jpy,
               0 AS credits_posted_jpy, 0 AS debits_pending_jpy, 0 AS credits_pending_jpy,
               true AS overdraft_allowed UNION ALL
               SELECT DISTINCT w, 'wallet', 0, 0, 0, 0, false FROM r""",
        )
        clock = Clock(scenario_start=None, wall_start="2018-11-03T06:00:00Z")  # type: ignore[arg-type]
        return writer.commit(Manifest(run_id="bench", kind="imported", clock=clock))


def alternate(title: str, base: Callable[[], None], ours: Callable[[], None], rounds: int) -> float:
    """Time both alternately; print medians and their ratio."""
    times: dict[str, list[float]] = {"base": [], "ours": []}
    for _ in range(rounds):
        for name, work in (("base", base), ("ours", ours)):
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    ratios = [o / b for o, b in zip(times["ours"], times["base"], strict=True)]
    ratio = statistics.median(ratios)
    print(
        f"{title}: full join {statistics.median(times['base']):.2f} s, "
        f"reconcile {statistics.median(times['ours']):.2f} s, "
        f"ratio {ratio:.1f} (median of {rounds} rounds, {min(ratios):.1f} to {max(ratios):.1f})"
    )
    return ratio


if __name__ == "__main__":
    main()
