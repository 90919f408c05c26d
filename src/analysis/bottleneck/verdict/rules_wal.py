"""Rules for writing: the log and its disk, the standby that must confirm a commit."""

from __future__ import annotations

import math
from dataclasses import replace

from analysis.bottleneck.features import Features
from analysis.bottleneck.verdict.finding import (
    Finding,
    Notes,
    db_time_of,
    db_time_pct,
    request_time_pct,
)
from analysis.bottleneck.verdict.harm import harmed
from analysis.bottleneck.verdict.rules_locks import LEAST_DB_TIME_PCT, LEAST_WAITERS

# A commit is one WAL flush; a disk that takes three times as long for it is not the same disk.
COMMIT_TIMES = 3.0
# Three times the log that is usually written is somebody's doing.
FLOOD_TIMES = 3.0
# A commit that takes a second and more waits for another machine, not for a disk.
STANDBY_COMMIT_US = 1_000_000.0


def wal_stall(f: Features) -> Finding | None:
    """Everybody who writes waits for the WAL; reads stay quick.

    Told from hot_row by commits being slow everywhere, from sync_standby_lost by the wait event
    (SyncRep) or, with spans alone, by commits that do end. Where the server writes no more than
    before, it is the storage that became slow, for whatever reason outside of it: that is no
    problem while requests show that nobody was harmed.
    """
    sampled = _sessions_wait(f)
    confidence = _how_sure(f, sampled)
    if not confidence:
        return None
    own, flooded = f.has("samples") and sampled, wal_flooded(f)
    impact = db_time_of(f, "aas_wal") if own else request_time_pct(f, "commit")
    finding = Finding(
        "wal_stall", "problem", impact, "db_time" if own else "request_time", confidence,
        "writing and flushing the log holds up everyone who writes",
        Notes(f).measure("aas_wal", "wal_bytes", "aas_io", "commit_us_p50", "commit_us_p95",
                         "wal_fpi", "latency_us_p50").say(
            "checkpoints in the window", f.fact("checkpoints"), "checkpoints", "logs").done(),
        {"hot_row": "sessions wait for the log itself, and commits are slow for all of them",
         "sync_standby_lost": "the waits are for the own disk, not IPC/SyncRep",
         "missing_index": "sessions wait for the log, not for the processor or for data files"},
        _advice(flooded),
    )  # fmt: skip
    return finding if flooded or harmed(f) is not False else _harmless(finding, f)


def _how_sure(f: Features, sampled: bool) -> float:
    """How sure it is (0..1) that the log holds writers up; 0 when it does not."""
    slow = commits_slower(f)
    stuck = f.during("commit_us_p95") >= STANDBY_COMMIT_US
    # commits must be a good part of what requests do once they have a connection
    slow = slow and (f.has("samples") or _commit_share(f) >= 0.25)
    if f.has("samples"):
        if not sampled or f.rise("aas_syncrep") >= LEAST_WAITERS:
            return 0.0
        return 0.9 if slow or _checkpoint_signs(f) >= 3 else 0.7
    if (slow and not stuck) or _checkpoint_signs(f) >= 3:
        return 0.85
    led = _commits_lead_log(f) and f.fact("log_commit_s") / f.fact("log_commits") < 1.0
    return 0.7 if led else 0.0


def _harmless(finding: Finding, f: Features) -> Finding:
    """The same finding where the storage alone was slow, and nobody noticed."""
    more_ms = f.rise("latency_us_p50") / 1000
    return replace(
        finding, kind="no_problem",
        headline="the storage was slow for a while without the server writing more, and the median "
        + (f"request took {more_ms:.0f} ms more" if more_ms >= 0.5 else "request was no slower"),
    )  # fmt: skip


def _advice(flooded: bool | None) -> str:
    writers = "who writes so much: bulk jobs, checkpoints on request, max_wal_size too small"
    storage = "the storage: latency of fsync, neighbours on the same disk, spent burst credits"
    if flooded is None:
        return f"Look at {storage}. Then at {writers}."
    return f"Look at {writers if flooded else storage}."


def _sessions_wait(f: Features) -> bool:
    """True when sampled sessions wait for the log, and it is a good part of DB time."""
    waiters = f.rise("aas_wal")
    return waiters >= LEAST_WAITERS and db_time_pct(f, waiters) >= LEAST_DB_TIME_PCT


def commits_slower(f: Features) -> bool:
    """True when the median commit takes several times as long as before."""
    return f.ratio("commit_us_p50") >= COMMIT_TIMES and f.rise("commit_us_p50") >= 3_000


def wal_flooded(f: Features) -> bool | None:
    """True when the server writes far more log than before, or checkpoints because of it.

    None when the records do not tell how much it writes.
    """
    if _checkpoint_signs(f) >= 3:
        return True
    times = f.ratio("wal_bytes")
    return None if math.isnan(times) else times >= FLOOD_TIMES


def _commit_share(f: Features) -> float:
    """Share of commits (0..1) in request time, waiting for the pool and in queues left out."""
    working = sum(f.shares.get(s, 0.0) for s in ("lock", "other database", "commit", "gateway"))
    return f.shares.get("commit", 0.0) / working if working > 0 else 0.0


def _commits_lead_log(f: Features) -> bool:
    """True when a third of the logged statement time is commits: slow for all, not for one row."""
    total = f.fact("log_statement_s")
    return f.fact("log_commits") >= 5 and f.fact("log_commit_s") >= 0.33 * max(total, 1e-9)


def _checkpoint_signs(f: Features) -> float:
    """Complaints about frequent checkpoints, and checkpoints beyond those of the timer.

    One every five minutes (checkpoint_timeout) is usual.
    """
    window_s = (f.window.end - f.window.start).total_seconds()
    requested = max(0.0, f.fact("checkpoints") - math.ceil(window_s / 300))
    return f.fact("sign_frequent_checkpoints") + requested


def sync_standby_lost(f: Features) -> Finding | None:
    """All who commit stand in IPC/SyncRep, reads go on. With spans alone: commits hang
    for seconds.
    """
    waiters = f.rise("aas_syncrep")
    sampled = waiters >= LEAST_WAITERS
    cancelled = f.fact("sign_sync_canceled")
    hang = not f.has("samples") and (
        (f.during("commit_us_p95") >= STANDBY_COMMIT_US and _commit_share(f) >= 0.25)
        or (_commits_lead_log(f) and f.fact("log_commit_s") / f.fact("log_commits") >= 1.0)
    )
    if not (sampled or cancelled or hang):
        return None
    confidence = 0.97 if sampled else 0.9 if cancelled else 0.75
    return Finding(
        "sync_standby_lost", "problem",
        db_time_of(f, "aas_syncrep") if sampled else request_time_pct(f, "commit",
        "other database"),
        "db_time" if sampled else "request_time", confidence,
        "commits wait for a standby that does not answer",
        Notes(f).measure("aas_syncrep", "commit_us_p50", "commit_us_p95").fact(
            "waits for replication that were cancelled", "sign_sync_canceled", "records",
            "logs").done(),
        {"wal_stall": "the wait is IPC/SyncRep (or commits never end), not the own disk"},
        "Take the lost standby out of synchronous_standby_names (ANY 1 of several in the "
        "long run), "
        "knowing that commits are then on one machine only.",
    )  # fmt: skip
