"""Rules for one old transaction that holds everybody up: idle, forgotten, or prepared."""

from __future__ import annotations

import math

from analysis.bottleneck.features import Features
from analysis.bottleneck.verdict.finding import Finding, Notes, db_time_pct
from analysis.bottleneck.verdict.rules_locks import (
    LONG_TRANSACTION_S,
    PREPARED,
    lock_notes,
    one_old_root,
    row_impact_pct,
    row_waiters,
    waits_matter,
)

# A forgotten transaction is alone of its age; where many are old, they wait for something.
STANDS_ALONE = 2.0


def long_transaction(f: Features) -> Finding | None:
    """One transaction far older than any request lives: it holds its locks, and vacuum, all that
    time.

    Told from lock_across_call by the root being one and the same all the time.
    """
    if prepared := _prepared(f):
        return prepared
    usual, old = f.reference("xact_age_s"), f.frames["old_transactions"]
    blocking = one_old_root(f) >= 0.5 and waits_matter(f, row_waiters(f))
    if math.isnan(f.peak("xact_age_s")):
        return _long_transaction_from_log(f)
    if old.empty:
        return None
    top = old.iloc[0]
    age, idle = float(top["age_s"]), float(top["idle_share"])
    next_age = float(old["age_s"].iloc[1]) if len(old) > 1 else 0.0
    grown = age >= LONG_TRANSACTION_S and age >= 3 * (0.0 if math.isnan(usual) else usual)
    alone = idle >= 0.9 and age >= STANDS_ALONE * next_age
    if not grown or not (alone or blocking):
        return None
    return Finding(
        "long_transaction", "problem", row_impact_pct(f) if blocking else 0.0, "db_time",
        0.92 if blocking else 0.75,
        f"a transaction stayed open for {age:.0f} s, {idle:.0%} of it idle",
        Notes(f).measure("xact_age_s", "idle_tx", "dead_tuples", "aas_rowlock").say(
            "its process id", str(top["pid"]), "", "samples").done(),
        {"lock_across_call": "the same transaction is at the root all the time",
         "hot_row": "the holder does not change"},
        "End it (pg_terminate_backend), set idle_in_transaction_session_timeout, and give jobs "
        "shorter transactions.",
    )  # fmt: skip


def _prepared(f: Features) -> Finding | None:
    """Most waiting behind prepared transactions: pg_blocking_pids() gives 0 for them."""
    roots = f.frames["roots"]
    total = float(roots["waiter_s"].sum()) if len(roots) else 0.0
    behind = float(roots.loc[roots["root_state"] == PREPARED, "waiter_s"].sum()) if total else 0.0
    if not behind or behind < 0.5 * total or not waits_matter(f, row_waiters(f)):
        return None
    return Finding(
        "long_transaction", "problem", row_impact_pct(f), "db_time", 0.92,
        f"{behind / total:.0%} of the waiting is behind a prepared transaction that nobody ends",
        lock_notes(f).done(),
        {"lock_across_call": "no session holds the rows: its client has gone",
         "hot_row": "no session holds the rows, so no holder is at work"},
        "SELECT * FROM pg_prepared_xacts; ask the transaction manager what was decided, then "
        "COMMIT PREPARED or ROLLBACK PREPARED that gid.",
    )  # fmt: skip


def _long_transaction_from_log(f: Features) -> Finding | None:
    """From the log alone: most waiting behind one session, for longer than requests live."""
    roots = f.frames["log_roots"]
    if roots.empty or not waits_matter(f, row_waiters(f)):
        return None
    top = roots.iloc[0]
    held_s = (top["last_at"] - top["first_at"]).total_seconds()
    if float(top["waiter_share"]) < 0.6 or held_s < LONG_TRANSACTION_S / 2:
        return None
    return Finding(
        "long_transaction", "problem", db_time_pct(f, row_waiters(f)), "db_time", 0.85,
        f"one session is at the root of {float(top['waiter_share']):.0%} of the waiting",
        Notes(f).say("process id of the root", str(top["pid"]), "", "logs").say(
            "sessions that waited behind it", float(top["victims"]), "sessions", "logs").done(),
        {"hot_row": "the holder does not change", "lock_across_call": "the holder does not change"},
        "End that session's transaction; set idle_in_transaction_session_timeout.",
    )  # fmt: skip
