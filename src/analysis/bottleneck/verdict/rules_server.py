"""Rules for the server itself: plans and indexes, crash."""

from __future__ import annotations

import math

from analysis.bottleneck.features import Features
from analysis.bottleneck.statements import looks_rows_up, takes_rows
from analysis.bottleneck.verdict.finding import (
    Finding,
    Notes,
    clamp,
    db_time_pct,
    request_time_pct,
)
from analysis.bottleneck.verdict.rules_errors import reason_count
from analysis.bottleneck.verdict.rules_locks import LEAST_WAITERS
from analysis.bottleneck.verdict.rules_wal import commits_slower

# Nobody answers for a second: sampling ten times a second cannot miss that by chance.
GAP_S = 1.0
# So many clients that found no server are no accident of one connection.
TURNED_AWAY = 5
# A read that took milliseconds and now takes three times as long is another plan, or another size.
STATEMENT_TIMES = 3.0
# A table read in full shows as that many rows more in a second than index reads ever count.
SEQ_ROWS_PER_S = 10_000.0
# A trouble that ended leaves at least so many calm buckets behind it.
SETTLED_BUCKETS = 3
# Reading is the problem where it makes up this part of what the database does more than before.
MAIN_PART = 0.3


def _reads_in_full(f: Features) -> tuple[bool, str]:
    """True when some table is read in full far more than before, and which."""
    tables = f.frames["tables"]
    rows = tables[(tables["view"] == "pg_stat_user_tables") & (tables["metric"] == "seq_tup_read")]
    if rows.empty:
        return False, ""
    window_s = max((f.window.end - f.window.start).total_seconds(), 1e-9)
    before_s = max((f.window.start - f.case.start).total_seconds(), 1.0)
    during, before = rows["during"] / window_s, rows["before"] / before_s
    top = int((during - before).to_numpy().argmax())
    more = during.iloc[top] - before.iloc[top] >= SEQ_ROWS_PER_S
    times = during.iloc[top] >= STATEMENT_TIMES * before.iloc[top]
    return bool(more and times), str(rows["object"].iloc[top])


def lost_indexes(f: Features) -> list[str]:
    """Indexes that the statistics views knew before the window and no longer inside it.

    When all of them are gone it is the views that were not read (no server), not an index.
    """
    tables = f.frames["tables"]
    part = tables[(tables["view"] == "pg_stat_user_indexes") & (tables["metric"] == "idx_scan")]
    lost = sorted(str(name) for name in part.loc[part["lost"].astype(bool), "object"])
    return lost if len(lost) < len(part) else []


def _slow_reads(f: Features) -> tuple[float, float, str]:
    """(sessions more on CPU and reading, share of one statement in it, what was seen)."""
    if f.has("samples"):
        return (
            f.rise("aas_cpu") + f.rise("aas_io"), f.fact("leader_share"),
            "one statement takes the processor and reads",
        )  # fmt: skip
    if f.has("logs") and len(f.frames["log_statements"]):
        found = f.frames["log_statements"]
        window_s = max((f.window.end - f.window.start).total_seconds(), 1e-9)
        lock_s = f.fact("log_wait_s")
        total_s = float(found["during_us"].sum()) / 1e6
        top_s = float(found.iloc[0]["during_us"]) / 1e6
        free = max(0.0, total_s - lock_s) / window_s
        return free, top_s / total_s if total_s else 0.0, "one statement leads the logged time"
    return 0.0, 0.0, ""


def _logged_leader(f: Features) -> str | None:
    """The statement that took the most logged time in the window."""
    logged = f.frames["log_statements"]
    return str(logged.iloc[0]["statement"] or "") if len(logged) else None


def _one_slow_statement(f: Features) -> tuple[float, float]:
    """(how many times slower, share of statement time) of the client statement that grew most."""
    growth = f.frames["client_statements"]
    if growth.empty:
        return 0.0, 0.0
    top = growth.iloc[0]
    return float(top["times"]), float(top["growth_share"])


def _read_problem(f: Features) -> float:
    """How sure it is (0..1) that one read became expensive; 0 when not.

    One statement takes most of the growth on CPU and in reads, while its calls did not grow with
    it.
    """
    sessions, share, _ = _slow_reads(f)
    times, growth_share = _one_slow_statement(f)
    calls_grew = f.ratio("arrivals") >= 1.5
    in_full, _ = _reads_in_full(f)
    if f.has("samples"):
        slow = times >= STATEMENT_TIMES and growth_share >= 0.4
        main = sessions >= MAIN_PART * max(f.rise("aas"), 0.0)
        if sessions < LEAST_WAITERS or not main or (share < 0.4 and not in_full):
            return 0.0
        # sessions then wait for the log as much as for this read. Slow commits alone say nothing:
        # a processor that reads take up makes them slow too
        held_up = f.rise("aas_wal") >= MAIN_PART * f.rise("aas") and commits_slower(f)
        doubt = 0.3 if held_up else 0.0
        if in_full or lost_indexes(f):
            return 0.9 - doubt
        unseen = not f.case.run.rows("spans") and share >= 0.6 and not calls_grew
        return max(0.0, 0.7 - doubt) if slow or unseen else 0.0
    if f.has("logs"):
        waits = f.fact("log_wait_s") / max((f.window.end - f.window.start).total_seconds(), 1e-9)
        queued = f.fact("log_waiting_statement_s") >= 0.5 * max(f.fact("log_statement_s"), 1e-9)
        leader = _logged_leader(f)
        if sessions < 2 * LEAST_WAITERS or share < 0.5 or waits > sessions or queued:
            return 0.0
        if not looks_rows_up(leader):
            return 0.0
        # what changes rows may as well wait for them, in pieces too short to be logged
        return 0.35 if takes_rows(leader) else 0.7
    return 0.5 if times >= 2 * STATEMENT_TIMES and growth_share >= 0.6 else 0.0


def _analyzed(f: Features) -> bool:
    """True when a table was analyzed just before the window or in it."""
    tables = f.frames["tables"]
    counts = tables[tables["metric"].isin(["analyze_count", "autoanalyze_count"])]
    sampled = bool(len(counts) and counts["near_start"].sum() > 0)
    return sampled or f.fact("sign_analyzed") > 0


def _mended_by_index(f: Features) -> bool | None:
    """From the log alone: whether an index was built at the end; None while the trouble lasts.

    An index that is missing comes back by being built only, and building it takes longer than the
    slow reads that are in the log. A plan comes back by itself.
    """
    lasting = f.window.last >= f.case.buckets - SETTLED_BUCKETS
    if f.has("samples") or not f.has("logs") or (lasting and not f.fact("index_builds")):
        return None
    return f.fact("index_builds") > 0


def missing_index(f: Features) -> Finding | None:
    """One statement reads a table in full: processor and reads, rows by sequential scan, an index
    gone.

    Told from plan_flip by an index that is no longer there, or by a slope instead of a step after
    an analyze; from access_surge by the calls not having grown.
    """
    sure = _read_problem(f)
    if not sure:
        return None
    in_full, table = _reads_in_full(f)
    lost = lost_indexes(f)
    flipped = _analyzed(f) and not lost
    slope = f.fact("leader_slope", 1.0)
    confidence = 0.95 if lost else sure - (0.3 if flipped else 0.0) + (0.05 if slope >= 1.5 else 0)
    built = _mended_by_index(f)
    confidence += 0.0 if built is None else 0.15 if built else -0.2
    return _reading_finding(
        f, "missing_index", clamp(confidence, 0.05), lost, table if in_full else "",
        {"plan_flip": "an index is gone" if lost else "it ended when an index was built" if built
         else "no analyze came just before, or it grew",
         "access_surge": "one statement takes the time, and its calls did not grow with it",
         "wal_stall": "the time goes to the processor and to reads, not to the log"},
        "EXPLAIN (ANALYZE, BUFFERS) the statement, then CREATE INDEX CONCURRENTLY.",
    )  # fmt: skip


def plan_flip(f: Features) -> Finding | None:
    """As a missing index, but a step right after an analyze, with every index still there."""
    sure = _read_problem(f)
    if not sure or lost_indexes(f):
        return None
    analyzed, healed = _analyzed(f), _mended_by_index(f) is False
    confidence = sure if analyzed else min(sure, 0.6) - (0.0 if healed else 0.2)
    return _reading_finding(
        f, "plan_flip", clamp(confidence + (0.05 if analyzed else 0.0), 0.05, 0.95), [], "",
        {"missing_index": "no index is gone, and a table was analyzed just before the step"
         if analyzed else "it ended, and no index was built" if healed
        else "not told: no analyze was seen, so a missing index is as likely",
         "access_surge": "one statement takes the time, and its calls did not grow with it"},
        "Compare plans before and after (auto_explain), correct n_distinct or the "
        "statistics target, "
        "analyze again.",
    )  # fmt: skip


def _reading_finding(
    f: Features, cause: str, confidence: float, lost: list[str], table: str,
    told_from: dict[str, str], advice: str,
) -> Finding:  # fmt: skip
    sessions, _, seen = _slow_reads(f)
    notes = Notes(f).measure("aas_cpu", "aas_io", "seq_tup_read", "statement_us_p95")
    notes.fact("share of that growth in one statement", "leader_share", "share")
    notes.fact("level at the end of the window over its begin", "leader_slope", "times")
    if lost:
        notes.say("indexes that are gone", ", ".join(lost), "", "samples")
    if table:
        notes.say("table read in full", table, "", "samples")
    for side in ("sampled_statements", "log_statements"):
        if len(f.frames[side]) and f.frames[side].iloc[0]["statement"]:
            notes.say("leading statement", str(f.frames[side].iloc[0]["statement"])[:160], "", side)
            break
    spans_only = not f.has("samples") and not f.has("logs")
    impact = (
        request_time_pct(f, "other database", "lock") if spans_only else db_time_pct(f, sessions)
    )
    return Finding(
        cause, "problem", impact, "request_time" if spans_only else "db_time", confidence,
        seen or "one statement became far slower than it was", notes.done(), told_from, advice,
    )  # fmt: skip


def server_crash(f: Features) -> Finding | None:
    """The server was away: crash and recovery lines in the log; a stop that it was told to make;
    without a log, a silence in the samples with all requests failing as unreachable."""
    unreachable = reason_count(f, "database_unreachable|57P0[123]|08006|08001|08003")
    stopped = f.fact("sign_shutdown_requests") > 0 and not f.fact("sign_crash")
    confidence, headline = _away(f, unreachable, stopped)
    if not confidence:
        return None
    failing = 100 * clamp(f.rise("bad") / max(f.during("arrivals"), 1e-9))
    taken = request_time_pct(f, "pool", "queue", "other database", "commit")
    return Finding(
        "server_crash", "problem", taken if math.isnan(taken) else max(taken, failing),
        "request_time", confidence, headline,
        Notes(f).fact("crash and recovery records", "sign_crash", "records", "logs").fact(
            "requests to shut down", "sign_shutdown_requests", "records", "logs").fact(
            "longest silence of the samples", "gap_s", "s").say(
            "requests that found no database", unreachable, "attempts", "requests").done(),
        {"connection_limit": "the server was gone, it did not refuse with 53300",
         "front_stopped": "all fronts lost the database at once"},
        "Find who stopped it; restart in a quiet hour, behind a pooler that makes clients wait."
        if stopped
        else "Read the log before the restart (signal 9: the kernel's out-of-memory killer), check "
        "that recovery time fits the promise made to customers.",
    )  # fmt: skip


def _away(f: Features, unreachable: float, stopped: bool) -> tuple[float, str]:
    """How sure it is (0..1) that the server was away, and in words; 0 when it was not."""
    if f.fact("sign_crash"):
        return 0.98, "the server went away and came back by recovery"
    if f.fact("errors_too_many"):
        return 0.0, ""
    if stopped:
        # clients that were turned away are as good as clients that found nobody
        enough = max(unreachable, f.fact("sign_starting_up")) >= TURNED_AWAY
        return 0.75 if enough else 0.0, "the server did not crash: it was told to shut down"
    silent = f.fact("gap_s") >= max(GAP_S, 10 * f.fact("pause_s"))
    unserved = not f.has("samples") and f.fact("unserved_buckets") * f.case.bucket_s >= GAP_S
    if unreachable < TURNED_AWAY or not (silent or unserved):
        return 0.0, ""
    if f.has("logs") and not f.log_elsewhere:
        return 0.6, "the server could not be reached; its log shows neither a crash nor a stop"
    return 0.85 if silent else 0.7, "the server could not be reached"
