"""Rules for what waits on locks. `Lock/transactionid` alone proves nothing: the root decides."""

from __future__ import annotations

import math

from analysis.bottleneck.features import Features
from analysis.bottleneck.statements import takes_rows
from analysis.bottleneck.verdict.finding import (
    Finding,
    Notes,
    clamp,
    db_time_of,
    db_time_pct,
    request_time_pct,
)

# One session waiting all the time is the least that makes a queue; a tenth of DB time the least
# that an owner of the system would want to hear of.
LEAST_WAITERS = 0.5
LEAST_DB_TIME_PCT = 10.0
# A transaction that only changes rows and commits holds them for its statements and one WAL flush:
# a few milliseconds. Holding them ten or twenty means that it waits for something else meanwhile.
CALL_IDLE_MS = 10.0
# From the log alone: a wait for a tuple lasts until the row has its next version, that is, one
# holder's time. Where a third of the logged row waits are of that kind, holders keep the row for
# deadlock_timeout and longer again and again.
LONG_HOLDS_SHARE, LONG_HOLDS_LEAST = 0.3, 5
# Sessions that hold rows and wait for another kind of lock pass the wait on: this share of all
# waiting makes that lock the cause.
BEHIND_SHARE = 0.2
# Where statements that take rows make up so much of the logged time, the others are quick.
UNLOGGED_SHARE = 0.5
# A transaction older than this did not come from a request that somebody waits for: clients of a
# payment give up after seconds.
LONG_TRANSACTION_S = 5.0
# As pg_blocking_pids() has it, a holder that is no session.
PREPARED = "prepared transaction"
# A holder is called at work where that was seen for this part of the waiting; the rest may be
# deadlocks in the making, or holders that had gone by the time they were looked at.
WORKING_SHARE = 0.3


def row_waiters(f: Features) -> float:
    """Sessions that wait for rows, more than usual: from samples, else from the log's waits."""
    if f.has("samples"):
        return f.rise("aas_rowlock")
    return logged_waiters(f, "transaction", "tuple")


def row_impact_pct(f: Features) -> float:
    """Share of DB time (percent) that waiting for rows takes in the window."""
    return db_time_of(f, "aas_rowlock") if f.has("samples") else db_time_pct(f, row_waiters(f))


def logged_waiters(f: Features, *kinds: str) -> float:
    """Sessions in statements that wait for these kinds of lock, as the log shows it, mean.

    The waits that reached the log, or the statement time of the statements seen waiting, whichever
    is more: pieces of a wait under deadlock_timeout leave no line (see the SQL of the waiting
    time).
    """
    window_s = max((f.window.end - f.window.start).total_seconds(), 1e-9)
    waits = sum(f.fact(f"log_wait_s_{kind}") for kind in kinds)
    total = f.fact("log_wait_s")
    share = waits / total if total else 0.0
    return max(waits, share * f.fact("log_waiting_statement_s")) / window_s


def waits_matter(f: Features, waiters: float) -> bool:
    """True when so many waiting sessions make a queue, and a good part of DB time."""
    return waiters >= LEAST_WAITERS and db_time_pct(f, waiters) >= LEAST_DB_TIME_PCT


def outside_call_share(f: Features) -> float:
    """How sure it is (0..1) that holders wait for something outside the database.

    From spans where there are any: the share of gateway calls made inside an open ledger
    transaction. From samples: the share of waiting whose root was idle in transaction, if it idled
    longer than a client needs between two statements. From the log alone: how many holders kept a
    row for deadlock_timeout and longer.
    """
    if f.has("samples") and not math.isnan(f.fact("idle_root_share", math.nan)):
        idle = f.fact("idle_root_share")
        roots = f.frames["roots"]
        rests = roots.loc[roots["root_state"].str.startswith("idle in"), "idle_us_p50"].dropna()
        if rests.empty or float(rests.iloc[0]) / 1000 < CALL_IDLE_MS:
            return min(idle, 0.4)
        return idle
    if f.has("logs") and f.fact("log_row_waits"):
        share = f.fact("log_long_holds") / f.fact("log_row_waits")
        enough = f.fact("log_long_holds") >= LONG_HOLDS_LEAST
        return clamp(0.5 + (share - LONG_HOLDS_SHARE) / 2, 0.2, 0.75) if enough else 0.2
    return f.fact("held_share")


def one_old_root(f: Features) -> float:
    """Share of waiting (0..1) behind transactions that had been open for LONG_TRANSACTION_S.

    Prepared transactions count: they have no session, so nobody is at work in them.
    """
    roots = f.frames["roots"]
    total = float(roots["waiter_s"].sum()) if len(roots) else 0.0
    if not total:
        return 0.0
    old = roots["held_us_p50"].fillna(0) / 1e6 >= LONG_TRANSACTION_S
    old |= roots["root_state"] == PREPARED
    return float(roots.loc[old, "waiter_s"].sum()) / total


def lock_notes(f: Features) -> Notes:
    """What is known of the waiting and of its roots, as evidence."""
    notes = Notes(f).measure("aas_lock", "aas_rowlock", "idle_tx", "blocked")
    notes.fact("share of waiting whose root is idle in transaction", "idle_root_share", "share")
    notes.fact("sessions blocked at a time", "waiters", "sessions")
    notes.fact("roots behind them at a time", "roots", "sessions")
    notes.fact("row waits in the log", "log_row_waits", "waits", "logs")
    notes.fact("of these, holders that kept the row beyond deadlock_timeout", "log_long_holds",
               "waits", "logs")  # fmt: skip
    notes.fact(
        "share of logged waiting on the hottest table", "hot_relation_share", "share", "logs"
    )
    if f.fact("gateway_calls"):
        notes.fact(
            "gateway calls inside an open ledger transaction", "held_calls", "calls", "requests"
        )
    return notes


def lock_across_call(f: Features) -> Finding | None:
    """Row waiters whose root is idle in transaction: its client is busy with something else.

    Told from hot_row by following the waiters to the root (active: hot_row). Without samples the
    log shows how slowly the row is handed on, and spans show calls inside transactions.
    """
    waiters, outside = row_waiters(f), outside_call_share(f)
    spans_only = not f.has("samples") and not f.has("logs")
    if spans_only:
        slow = f.ratio("statement_us_p95") >= 3 and f.rise("statement_us_p95") >= 50_000
        matters = slow and request_time_pct(f, "other database", "lock", "pool") >= 20
    else:
        matters = waits_matter(f, waiters)
    if not matters or outside < 0.5 or one_old_root(f) >= 0.5:
        return None
    confidence = 0.55 if spans_only else clamp(0.6 + 0.4 * outside, 0, 0.97)
    impact = (
        request_time_pct(f, "other database", "lock", "pool") if spans_only
        else row_impact_pct(f)
    )  # fmt: skip
    said = f"{f.fact('idle_root_share'):.0%} of the waiting is behind a session idle in transaction"
    return Finding(
        "lock_across_call", "problem", impact, "request_time" if spans_only else "db_time",
        confidence,
        said if f.has("samples") else "rows are held far longer than a transaction needs",
        lock_notes(f).done(),
        {"hot_row": "the root of the waits is idle in transaction, waiting for its client, "
                    "not active on the server",
         "long_transaction": "many short transactions take turns as the root, not one old one",
         "wal_stall": "the holders do not wait for the log to be written"},
        "Do not call outside services between the first locking statement and COMMIT: "
        "place a hold, "
        "commit, call, then post. Until then: idle_in_transaction_session_timeout, and switch off "
        "the function that makes the call.",
    )  # fmt: skip


def hot_row(f: Features) -> Finding | None:
    """Row waiters whose roots are active and few: a row that everybody updates in turn.

    Told from lock_across_call by the root's state, from wal_stall by what the holders wait for,
    from long_transaction by the holders changing all the time.
    """
    waiters = row_waiters(f)
    spans_only = not f.has("samples") and not f.has("logs")
    if spans_only:
        slow = f.ratio("statement_us_p95") >= 3 and f.rise("statement_us_p95") >= 50_000
        if not slow or outside_call_share(f) >= 0.5:
            return None
    elif outside_call_share(f) >= 0.5 or one_old_root(f) >= 0.5:
        return None
    elif not waits_matter(f, waiters):
        return _hot_row_unlogged(f)
    crowd = f.fact("waiters", math.nan) / max(f.fact("roots", 1.0), 1e-9)
    confidence = _spans_only_sure(f) if spans_only else 0.7 + (0.2 if crowd >= 2 else 0.0)
    at_work = f.fact("working_root_share") >= WORKING_SHARE
    blind = not f.has("samples") or f.fact("unblamed_share") > 0.5
    logged = blind and f.fact("log_row_waits") > 0
    if f.has("samples") and not at_work:
        confidence = 0.6 if logged else 0.4
    if f.fact("wal_root_share") >= 0.5 and f.ratio("commit_us_p50") >= 3:
        confidence = 0.45
    impact = request_time_pct(f, "other database", "lock") if spans_only else row_impact_pct(f)
    return Finding(
        "hot_row", "problem", impact, "request_time" if spans_only else "db_time", confidence,
        "statements became slow while commits did not; what they wait for is not recorded"
        if spans_only else "sessions queue for rows whose holders are at work" if at_work
        else "sessions queue for rows that are handed on quickly, as far as the log shows"
        if logged else "sessions queue for rows; that their holders are at work was not seen",
        lock_notes(f).measure("aas_wal", "commit_us_p50").done(),
        {"lock_across_call": "the root of the waits is at work, not idle in transaction" if at_work
         else "few holders keep a row for deadlock_timeout and longer" if logged
         else "not told: who holds the rows was not seen",
         "wal_stall": "one queue waits while commits elsewhere stay quick",
         "advisory_lock": "the waits are for rows, not for an advisory lock"},
        "Spread the row: several settlement rows chosen by hash, or post in batches with one "
        "statement; lock the hot row last in each transaction.",
    )  # fmt: skip


def _hot_row_unlogged(f: Features) -> Finding | None:
    """From the log alone, a guess: statements that take rows are slow, and no wait was logged.

    A waiter for an updated row is woken by each new version of it and waits anew; pieces under
    deadlock_timeout leave no line, but the statement's own duration has all of them.
    """
    logged = f.frames["log_statements"]
    if f.has("samples") or logged.empty or not takes_rows(str(logged.iloc[0]["statement"] or "")):
        return None
    taking = logged["statement"].fillna("").map(takes_rows)
    taking_s, total_s = (float(part["during_us"].sum()) / 1e6 for part in (logged[taking], logged))
    sessions = taking_s / max((f.window.end - f.window.start).total_seconds(), 1e-9)
    if sessions < 2 * LEAST_WAITERS or taking_s < UNLOGGED_SHARE * total_s:
        return None
    return Finding(
        "hot_row", "problem", db_time_pct(f, sessions), "db_time", 0.4,
        "statements that change rows became slow and other ones did not; a guess: waits for a row "
        "shorter than deadlock_timeout leave no line",
        lock_notes(f).say("leading statement", str(logged.iloc[0]["statement"])[:160], "",
                          "logs").done(),
        {"missing_index": "the statement changes rows and may wait for them",
         "wal_stall": "commits are not among the slow statements",
         "lock_across_call": "not told: who holds the rows was not seen"},
        "Sample the activity (`walletlab watch`) or set deadlock_timeout to 100ms for a while, to "
        "see whether sessions wait for a row; if so, spread it.",
    )  # fmt: skip


def _spans_only_sure(f: Features) -> float:
    """Slow statements alone do not tell a lock from a bad plan; a queue at the pool speaks for
    locks.
    """
    return 0.5 if f.rise("pool_waiting") >= 2 else 0.3


def advisory_lock(f: Features) -> Finding | None:
    """Waits for an advisory lock lead: a ceiling that does not depend on how accounts
    are spread.
    """
    waiters = f.rise("aas_advisory") if f.has("samples") else logged_waiters(f, "advisory")
    behind = f.fact("behind_advisory")
    if not waits_matter(f, waiters) and not (waiters >= LEAST_WAITERS and behind >= BEHIND_SHARE):
        return None
    return Finding(
        "advisory_lock", "problem",
        db_time_of(f, "aas_advisory") if f.has("samples") else db_time_pct(f, waiters), "db_time",
        0.95,
        "sessions queue for one advisory lock",
        Notes(f).measure("aas_advisory", "aas_lock", "approved").fact(
            "time waited for advisory locks", "log_wait_s_advisory", "s", "logs").done(),
        {"hot_row": "the waits are for an advisory lock, so spreading the rows would not help"},
        "Shorten what is done under the lock, chain per shard instead of one chain for the ledger, "
        "or build the chain afterwards in batches.",
    )  # fmt: skip


def ddl_lock_queue(f: Features) -> Finding | None:
    """Waits for whole tables: ordinary statements never wait for each other there, so a strong lock
    (AccessExclusive) is held or, more often, itself waiting at the head of the queue."""
    waiters = f.rise("aas_relation") if f.has("samples") else logged_waiters(f, "relation")
    passed_on = waiters >= LEAST_WAITERS and f.fact("behind_relation") >= BEHIND_SHARE
    if not waits_matter(f, waiters) and not passed_on:
        return None
    sure = 0.95 if f.fact("log_strongest") or not f.has("logs") else 0.85
    return Finding(
        "ddl_lock_queue", "problem",
        db_time_of(f, "aas_relation") if f.has("samples") else db_time_pct(f, waiters), "db_time",
        sure,
        "sessions queue for a whole table",
        Notes(f).measure("aas_relation", "aas_lock").fact(
            "time waited for tables", "log_wait_s_relation", "s", "logs").fact(
            "waits for AccessExclusiveLock", "log_strongest", "waits", "logs").done(),
        {"hot_row": "the waits are for a table, not for rows",
         "long_transaction": "an old transaction alone blocks nobody who only reads and writes"},
        "Run schema changes with lock_timeout of a second and retry; look for the old transaction "
        "that the change itself waits for.",
    )  # fmt: skip
