"""Rules for what the server refuses: deadlocks, transactions not serializable, connections."""

from __future__ import annotations

from analysis.bottleneck.features import Features
from analysis.bottleneck.verdict.finding import Finding, Notes, clamp, request_time_pct
from analysis.bottleneck.verdict.rules_locks import row_impact_pct


def deadlock(f: Features) -> Finding | None:
    """40P01 in numbers: rows locked in different order. Each costs its victims deadlock_timeout.

    One or two in a whole incident are by-catch of a long queue; several a minute are a cause.
    """
    count = f.fact("errors_deadlocks") or reason_count(f, "deadlock|40P01")
    if count < 3:
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
    count = f.fact("errors_serialization") or reason_count(f, "serializ|40001")
    if count < 5:
        return None
    share = (
        100 * clamp(f.rise("bad") / max(f.during("arrivals"), 1e-9)) if f.has("requests") else 0.0
    )
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


def reason_count(f: Features, pattern: str) -> float:
    reasons = f.frames["reasons"]
    if reasons.empty:
        return 0.0
    hit = reasons["reason"].str.contains(pattern, case=False, regex=True)
    return float(reasons.loc[hit, "during"].sum())


def connection_limit(f: Features) -> Finding | None:
    """SQLSTATE 53300: the server refuses connections. A fact of the log, not an inference."""
    refused = f.fact("errors_too_many") + reason_count(f, "53300")
    if refused < 1:
        return None
    return Finding(
        "connection_limit", "problem", request_time_pct(f, "pool", "queue"), "request_time",
        clamp(0.85 + refused / 200, 0, 0.97),
        f"{refused:.0f} connections were refused",
        Notes(f).say("connections refused (53300)", refused, "errors", "logs").measure(
            "connections", "log_too_many", "pool_waiting", "aas").done(),
        {"pool_exhaustion": "the server itself refuses, so a larger pool would make it worse"},
        "Find who holds the connections (by application_name), put a pooler in front, "
        "reserve slots "
        "for the wallet (ALTER ROLE ... CONNECTION LIMIT for the others).",
    )  # fmt: skip
