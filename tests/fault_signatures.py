"""The documented signature of each fault, asked of the recorded tables of a run in one window."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runlog.reader import Run

FRONTS = "application_name LIKE 'walletlab front%'"
_ROOTS = """
WITH a AS (SELECT * FROM pg_activity WHERE sampled_at >= $start AND sampled_at < $end),
edges AS (SELECT DISTINCT sampled_at, unnest(blocked_by) AS pid FROM a)
SELECT count(*) FILTER (WHERE r.state = 'active'),
       count(*) FILTER (WHERE r.state = 'idle in transaction')
FROM edges AS e JOIN a AS r ON r.sampled_at = e.sampled_at AND r.pid = e.pid
WHERE len(r.blocked_by) = 0
"""


@dataclass
class Window:
    """One run and the seconds of it that are looked at."""

    run: Run
    start: dt.datetime
    end: dt.datetime

    def ask(self, query: str) -> tuple[Any, ...]:
        """One row; $start and $end are the window."""
        used = {k: v for k, v in (("start", self.start), ("end", self.end)) if f"${k}" in query}
        rows = self.run.connection.execute(query, used).fetchall()
        return tuple(rows[0]) if rows else (None,)

    def number(self, query: str) -> float:
        return float(self.ask(query)[0] or 0)

    def waits(self, condition: str) -> float:
        """Sessions that match, on average over the samples of the window."""
        return self.number(
            f"SELECT count(*) FILTER (WHERE {condition}) / count(DISTINCT sampled_at) "
            "FROM pg_activity WHERE sampled_at >= $start AND sampled_at < $end"
        )

    def logged(self, condition: str) -> float:
        return self.number(
            f"SELECT count(*) FROM pg_log WHERE {condition} "
            "AND log_time >= $start AND log_time < $end + INTERVAL 1 SECOND"
        )

    def requests(self, condition: str) -> float:
        return self.number(
            f"SELECT count(*) FROM requests WHERE {condition} "
            "AND scheduled_at >= $start AND scheduled_at < $end"
        )

    def grown(self, view: str, metric: str, name: str = "%") -> float:
        """How much a counter grew, from the last sample before the window to the first after."""
        return self.number(
            "WITH c AS (SELECT sampled_at, sum(value) AS v FROM pg_counters "
            f"WHERE view = '{view}' AND metric = '{metric}' AND object LIKE '{name}' GROUP BY 1) "
            "SELECT max(v) - min(v) FROM c WHERE sampled_at >= $start - INTERVAL 1 SECOND "
            "AND sampled_at <= $end + INTERVAL 1 SECOND"
        )

    def span_us(self, condition: str, percentile: float = 0.5) -> float:
        return self.number(
            f"SELECT percentile_cont({percentile}) WITHIN GROUP (ORDER BY duration_us) FROM spans "
            f"WHERE {condition} AND started_at >= $start AND started_at < $end"
        )

    def span_total_us(self, condition: str) -> float:
        return self.number(
            f"SELECT sum(duration_us)::BIGINT FROM spans WHERE {condition} "
            "AND started_at >= $start AND started_at < $end"
        )

    def before(self) -> Window:
        """The window of the same length that ends where this one starts."""
        return Window(self.run, self.start - (self.end - self.start), self.start)

    def late(self) -> Window:
        """The second half of this window."""
        return Window(self.run, self.start + (self.end - self.start) / 2, self.end)

    def roots(self) -> tuple[int, int]:
        """Samples of sessions that block others and are free: active, idle in transaction."""
        active, idle = self.ask(_ROOTS)
        return int(active), int(idle)

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


ROW_LOCK = "wait_event_type = 'Lock' AND wait_event IN ('transactionid', 'tuple')"
WAL_WAIT = (
    "(wait_event_type = 'LWLock' AND wait_event IN ('WALWrite', 'WALInsert')) "
    "OR lower(wait_event) IN ('walsync', 'walwrite')"
)


def hot_row(w: Window) -> bool:
    """Row lock waits whose roots are at work."""
    active, idle = w.roots()
    return w.waits(ROW_LOCK) >= 3 and active > idle


def lock_across_call(w: Window) -> bool:
    """Row lock waits whose roots are idle in transaction; gateway spans lie in transactions."""
    active, idle = w.roots()
    inside = w.number(
        "SELECT count(*) FROM spans AS g JOIN spans AS t USING (request_id, attempt) "
        "WHERE g.span = 'gateway_call' AND t.span = 'ledger_tx' AND g.started_at >= t.started_at "
        "AND g.started_at + to_microseconds(g.duration_us) "
        "<= t.started_at + to_microseconds(t.duration_us) "
        "AND g.started_at >= $start AND g.started_at < $end"
    )
    return w.waits(ROW_LOCK) >= 0.5 and idle > active and inside >= 5


def pool_exhaustion(w: Window) -> bool:
    """More time in the queue of the pool than in the database, with few sessions there.

    On a slow machine many still queue at the larger pool when it is replaced, and are served by it.
    """
    queued, worked = w.span_total_us("span = 'pool_wait'"), w.span_total_us("span = 'ledger_tx'")
    return queued > 2 * worked and w.late().waits(FRONTS + " AND state <> 'idle'") < 3


def connection_limit(w: Window) -> bool:
    """53300, and connections at the limit."""
    full = w.number(
        "SELECT max(c.value / m.value) FROM pg_counters AS c JOIN pg_counters AS m "
        "ON m.sampled_at = c.sampled_at WHERE c.metric = 'connections' "
        "AND m.metric = 'max_connections' AND c.sampled_at >= $start AND c.sampled_at < $end"
    )
    return w.logged("sql_state_code = '53300'") >= 3 and full >= 0.85


def retry_storm(w: Window) -> bool:
    """Many attempts for few successes, still so after the trigger has ended."""
    late = w.late()
    attempts = late.requests("needs_auto_charge")
    gained = late.requests("needs_auto_charge AND outcome = 'approved'")
    return late.requests("attempt > 2") >= 10 and gained < attempts / 3


def missing_index(w: Window) -> bool:
    """One table is read from end to end, again and again."""
    return w.grown("pg_stat_user_tables", "seq_tup_read", "operations") > 1_000_000 and (
        w.grown("pg_stat_user_tables", "seq_scan", "operations") >= 5
    )


def plan_flip(w: Window) -> bool:
    """The same statement by another index, with many more entries read; nothing is read in full."""
    scans = w.grown("pg_stat_user_indexes", "idx_scan", "operations_newest")
    entries = w.grown("pg_stat_user_indexes", "idx_tup_read", "operations_newest")
    analyzed = w.grown("pg_stat_user_tables", "analyze_count", "operations")
    history = "span = 'statement' AND name = 'history'"
    slower = w.span_us(history) > 3 * w.before().span_us(history)
    return analyzed >= 1 and scans >= 5 and entries > 1_000 * scans and slower


def wal_stall(w: Window) -> bool:
    """Writers wait for the log more than before; log volume and requested checkpoints climb.

    How many wait at a time is a property of the disk; that there are more of them is the fault's.
    """
    volume = w.grown("pg_stat_wal", "wal_bytes") / w.seconds
    waiting = f"{FRONTS} AND ({WAL_WAIT})"
    return (
        w.waits(waiting) > max(0.4, 2 * w.before().waits(waiting))
        and volume > 5_000_000
        and w.grown("pg_stat_checkpointer", "num_requested") >= 2
    )


def long_transaction(w: Window) -> bool:
    """One session idle in transaction all along, an old snapshot, dead rows that stay."""
    idle = w.waits("state = 'idle in transaction' AND application_name = 'job export'")
    oldest_us = w.number(
        "SELECT max(value) FROM pg_counters WHERE metric = 'xact_age_us_max' "
        "AND sampled_at >= $start AND sampled_at < $end"
    )
    kept = w.logged("message LIKE '%automatic vacuum%accounts%' AND message LIKE '%dead but not%'")
    return idle > 0.9 and oldest_us > 0.4e6 * w.seconds and kept >= 1


def deadlock(w: Window) -> bool:
    """40P01 with the cycle in its detail, counted by the server."""
    cycle = "sql_state_code = '40P01' AND detail LIKE '%waits for%blocked by process%'"
    return w.logged(cycle) >= 1 and w.grown("pg_stat_database", "deadlocks") >= 1


def serialization_failure(w: Window) -> bool:
    """40001, rollbacks and second attempts, without long waits."""
    return (
        w.logged("sql_state_code = '40001'") >= 5
        and w.requests("reason = 'sqlstate_40001'") >= 5
        and w.requests("attempt > 1") >= 5
        and w.grown("pg_stat_database", "xact_rollback") >= 5
    )


def advisory_lock(w: Window) -> bool:
    """Sessions wait for an advisory lock, and none did before."""
    waiting = "wait_event_type = 'Lock' AND wait_event = 'advisory'"
    return w.waits(waiting) >= 1 and w.before().waits(waiting) == 0


def ddl_lock_queue(w: Window) -> bool:
    """Sessions wait for a lock on a relation; the log names it."""
    return (
        w.waits("wait_event_type = 'Lock' AND wait_event = 'relation'") >= 2
        and w.logged("message LIKE '%still waiting for%on relation%'") >= 3
    )


def gateway_partition(w: Window) -> bool:
    """Gateway calls end at their limit with unknown outcome; what needs no card goes on."""
    limit_us = float(w.run.manifest.flags["gateway_timeout_ms"]) * 1000
    unknown = w.requests("reason = 'outcome_unknown'")
    others = w.requests("outcome = 'approved' AND needs_auto_charge IS FALSE")
    calls_us = w.span_us("span = 'gateway_call'")
    return unknown >= 5 and others >= 5 and calls_us > 0.9 * limit_us


def gateway_slow(w: Window) -> bool:
    """Gateway calls are long from the median on, and answered; no lock is held meanwhile."""
    calls_us = w.span_us("span = 'gateway_call'")
    answered = w.requests("needs_auto_charge AND outcome = 'approved'")
    return calls_us > 5 * w.before().span_us("span = 'gateway_call'") and answered >= 5


def access_surge(w: Window) -> bool:
    """Much more is asked for than before, and more is at work than before."""
    asked = w.requests("attempt = 1") / max(1.0, w.before().requests("attempt = 1"))
    working = "state <> 'idle' AND " + FRONTS
    return asked > 4 and w.waits(working) > 2 * w.before().waits(working)


def sync_standby_lost(w: Window) -> bool:
    """Those who commit wait for a standby."""
    return w.waits("wait_event_type = 'IPC' AND wait_event = 'SyncRep'") >= 3


def front_stopped(w: Window) -> bool:
    """Requests that no front began, while another front goes on."""
    lost = w.requests("started_at IS NULL")
    return lost >= 5 and w.requests("outcome = 'approved' AND started_at IS NOT NULL") >= 5


def server_crash(w: Window) -> bool:
    """Recovery in the log, connections refused, sessions ended by the crash."""
    recovery = w.logged("message LIKE '%not properly shut down; automatic recovery%'")
    return recovery >= 1 and w.requests("outcome IN ('failed', 'timed_out')") >= 5


SIGNATURES: dict[str, Callable[[Window], bool]] = {
    f.__name__: f
    for f in (
        hot_row, lock_across_call, pool_exhaustion, connection_limit, retry_storm, missing_index,
        plan_flip, wal_stall, long_transaction, deadlock, serialization_failure, advisory_lock,
        ddl_lock_queue, gateway_partition, gateway_slow, access_surge, sync_standby_lost,
        front_stopped, server_crash,
    )
}  # fmt: skip
