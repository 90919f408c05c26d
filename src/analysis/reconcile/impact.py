"""Who was hit, how often, and how long their money was in limbo."""

from __future__ import annotations

import duckdb
import pandas as pd

from analysis import sql


def wallets_hit(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Return one row a wallet with a technical failure or a refund due, most hits first.

    Columns: wallet_id, hits (intentions), asked_jpy, due_jpy.
    """
    return con.execute(sql.load("reconcile_wallets")).df()


def money_over_time(con: duckdb.DuckDBPyConnection, bucket_s: int) -> pd.DataFrame:
    """Return one row a bucket (`at`, UTC): yen approved, declined, failed, abandoned, due."""
    frame = con.execute(
        sql.load("duckdb/reconcile_money_over_time"), {"bucket_s": int(bucket_s)}
    ).df()
    frame.insert(0, "at", pd.to_datetime(frame.pop("epoch_s"), unit="s", utc=True))
    return frame


def limbo(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Return one row an intention whose money was in limbo, sorted by key.

    Columns: idempotency_key, finding, wallet_id, amount_jpy, given_back (False: still out at
    the end of the books), since, until (UTC), limbo_us (whole microseconds, never below zero).
    """
    ends = con.execute(sql.load("reconcile_books_end")).df()
    end = ends["books_end"].iloc[0]
    if pd.isna(end):
        end = pd.Timestamp(0, tz="UTC")
    frame = con.execute(sql.load("reconcile_limbo"), {"books_end": end.isoformat()}).df()
    length = (frame["until"] - frame["since"]).dt.total_seconds() * 1_000_000
    frame["limbo_us"] = length.clip(lower=0).round().astype("Int64")
    return frame


def limbo_summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row a state (given back, still out): intentions, yen, median and longest limbo.

    Columns: state, intentions, amount_jpy, limbo_us_median, limbo_us_max (NaN without any).
    """
    rows = []
    for given_back, state in ((True, "given back"), (False, "still out at the end")):
        part = frame[frame["given_back"] == given_back]
        rows.append(
            {
                "state": state,
                "intentions": len(part),
                "amount_jpy": int(part["amount_jpy"].sum()),
                "limbo_us_median": part["limbo_us"].median(),
                "limbo_us_max": part["limbo_us"].max(),
            }
        )
    return pd.DataFrame(rows)
