"""Rules for what the server refuses: deadlocks, transactions not serializable, connections."""

from __future__ import annotations

import math

from analysis.bottleneck.features import Features
from analysis.bottleneck.verdict.finding import Finding, Notes, clamp, request_time_pct
from analysis.bottleneck.verdict.rules_locks import row_impact_pct

# One or two deadlocks are by-catch of a long queue, a few serialization failures the price of that
# level, and a refused connection happens when a deployment overlaps.
LEAST_DEADLOCKS, LEAST_FAILURES, LEAST_REFUSED = 3, 5, 3
# What is there all the time began nothing: it must come this many times as often as outside.
MORE_TIMES = 2.0


def deadlock(f: Features) -> Finding | None:
    """40P01 in numbers: rows locked in different order. Each costs its victims deadlock_timeout.

    One or two in a whole incident are by-catch of a long queue; several a minute are a cause.
    """
    count = _many(f, "deadlocks", "deadlock|40P01", LEAST_DEADLOCKS)
    if not count:
        return None
    outcomes = f.frames["outcomes"]
    hit = outcomes.loc[outcomes["outcome"] == "deadlock", "wait_us"]
    return Finding(
        "deadlock", "problem", row_impact_pct(f), "db_time", clamp(0.75 + count / 50, 0, 0.96),
        f"{count:.0f} deadlocks were broken by the server",
        Notes(f).say("deadlocks", count, "errors", "logs").say(
            "time their victims waited", float(hit.sum()) / 1e6, "s", "logs").measure(
            "log_deadlocks", "aas_rowlock").done(),
        {"hot_row": "waits end in 40P01: the rows form a cycle, a single hot row cannot",
         "serialization_failure": "the SQLSTATE is 40P01, not 40001"},
        "Lock accounts in one order (by id) in every transaction; retry 40P01 with a backoff.",
    )  # fmt: skip


def serialization_failure(f: Features) -> Finding | None:
    """40001 in numbers and few waits: the isolation level refuses what the workload does."""
    count = _many(f, "serialization", "serializ|40001", LEAST_FAILURES)
    if not count:
        return None
    arrivals = max(f.during("arrivals"), 1e-9)
    share = 100 * clamp(f.rise("bad") / arrivals) if f.has("requests") else math.nan
    return Finding(
        "serialization_failure", "problem", share, "request_time", clamp(0.75 + count / 100, 0,
        0.96),
        f"{count:.0f} transactions were rolled back as not serializable",
        Notes(f).say("serialization failures", count, "errors", "logs").measure(
            "log_serialization", "retries", "bad").done(),
        {"deadlock": "the SQLSTATE is 40001, not 40P01",
         "hot_row": "transactions fail instead of waiting"},
        "Retry 40001 (it is a technical error, never show it as a declined payment), keep such "
        "transactions short, or use READ COMMITTED with explicit locks.",
    )  # fmt: skip


def _many(f: Features, name: str, pattern: str, least: int) -> float:
    """Errors of a kind in the window, from the log or as clients were told; 0 where that is usual.

    In numbers: `least` of them, one a minute, and several times the rate outside the window. With
    no outside, `least` a minute.
    """
    count, usual_per_min = max(
        (f.fact(f"errors_{name}"), f.fact(f"errors_{name}_outside_per_min", math.nan)),
        (reason_count(f, pattern), _reasons_outside(f, pattern)), key=lambda pair: pair[0],
    )  # fmt: skip
    per_min = count * 60 / max((f.window.end - f.window.start).total_seconds(), 1e-9)
    alone = math.isnan(usual_per_min)
    enough = per_min >= (least if alone else max(1.0, MORE_TIMES * usual_per_min))
    return count if count >= least and enough else 0.0


def _reasons_outside(f: Features, pattern: str) -> float:
    """Attempts a minute outside the window that were told such a reason; NaN with no outside."""
    outside_min = (f.case.buckets - len(f.window.buckets)) * f.case.bucket_s / 60
    return reason_count(f, pattern, "outside") / outside_min if outside_min > 0 else math.nan


def reason_count(f: Features, pattern: str, side: str = "during") -> float:
    """Attempts whose reason matches, inside the window ('during') or 'outside'."""
    reasons = f.frames["reasons"]
    if reasons.empty:
        return 0.0
    hit = reasons["reason"].str.contains(pattern, case=False, regex=True)
    return float(reasons.loc[hit, side].sum())


def connection_limit(f: Features) -> Finding | None:
    """SQLSTATE 53300: the server refuses connections. A fact of the log, not an inference."""
    refused = _many(f, "too_many", "53300", LEAST_REFUSED)
    if not refused:
        return None
    return Finding(
        "connection_limit", "problem", request_time_pct(f, "pool", "queue"), "request_time",
        clamp(0.85 + refused / 200, 0, 0.97),
        f"{refused:.0f} connections were refused",
        _refusals(f, refused).measure("connections", "log_too_many", "pool_waiting", "aas").done(),
        {"pool_exhaustion": "the server itself refuses, so a larger pool would make it worse"},
        "Find who holds the connections (by application_name), put a pooler in front, "
        "reserve slots "
        "for the wallet (ALTER ROLE ... CONNECTION LIMIT for the others).",
    )  # fmt: skip


def _refusals(f: Features, refused: float) -> Notes:
    """Evidence: how many were refused, and of how many that tried, where the log has those."""
    notes = Notes(f).say("connections refused (53300)", refused, "errors", "logs")
    window_s = (f.window.end - f.window.start).total_seconds()
    made = f.during("log_connections") * window_s
    if made > 0:
        share = f.fact("errors_too_many") / (made + f.fact("errors_too_many"))
        notes.say("share of connection attempts that were refused", share, "share", "logs")
    return notes
