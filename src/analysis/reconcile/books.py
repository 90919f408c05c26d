"""Both sides of a reconciliation as tables in DuckDB, one row an intention."""

from __future__ import annotations

import duckdb

from analysis import sql
from runlog.errors import BadData
from runlog.reader import Run

_NEEDED = ("requests", "ledger_accounts", "ledger_transfers", "gateway_charges")


def load_run(run: Run) -> duckdb.DuckDBPyConnection:
    """Return the run's connection with the tables `wallet_book`, `card_book` and `findings` in it.

    Grain of each: one idempotency key (see sql/reconcile_*.sql for the columns). Calling it again
    rebuilds the same tables. Raises BadData when the run did not record one of the books.
    """
    for table in _NEEDED:
        if not run.has(table):
            todo = "a run of the engine has both books; for your own use --ledger and --statement"
            raise BadData(f"this run recorded no {table}", run.folder, todo)
    load_tables(run.connection)
    return run.connection


def load_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Build the same tables on any connection that has the contract's four tables of money."""
    materialise(con, "ledger_by_key", sql.load("reconcile_ledger"))
    materialise(con, "requests_by_key", sql.load("reconcile_requests"))
    materialise(con, "wallet_book", sql.load("reconcile_wallet_book"))
    materialise(con, "card_book", sql.load("reconcile_card_book"))
    judge(con)
    _cap_parked(con)
    materialise(con, "refund_matches", sql.load("reconcile_refund_matches"))
    con.execute(sql.load("duckdb/reconcile_mark_refunds"))


def judge(con: duckdb.DuckDBPyConnection) -> None:
    """Build the table `findings` from the tables `wallet_book` and `card_book`."""
    materialise(con, "findings", sql.load("reconcile_findings"))


def materialise(con: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    """Store the result of a query as the temporary table `name`, replacing an earlier one."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")


def _cap_parked(con: duckdb.DuckDBPyConnection) -> None:
    """Give back only card money that still lies in the balance.

    Card money of a failed purchase that the customer has since spent on another one has been
    received; giving it back again would be a gift, and the wallet could not pay for it.
    """
    materialise(con, "parked", sql.load("reconcile_parked"))
    con.execute(sql.load("duckdb/reconcile_cap_parked"))
