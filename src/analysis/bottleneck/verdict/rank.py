"""Puts findings in order: causes before their effects, the surer and heavier first."""

from __future__ import annotations

import math

from analysis.bottleneck.features import Features
from analysis.bottleneck.verdict import (
    rules_errors,
    rules_locks,
    rules_requests,
    rules_server,
    rules_transactions,
    rules_wal,
)
from analysis.bottleneck.verdict.finding import Finding, Rule

RULES: dict[str, Rule] = {
    "server_crash": rules_server.server_crash,
    "sync_standby_lost": rules_wal.sync_standby_lost,
    "connection_limit": rules_errors.connection_limit,
    "ddl_lock_queue": rules_locks.ddl_lock_queue,
    "advisory_lock": rules_locks.advisory_lock,
    "long_transaction": rules_transactions.long_transaction,
    "lock_across_call": rules_locks.lock_across_call,
    "hot_row": rules_locks.hot_row,
    "deadlock": rules_errors.deadlock,
    "serialization_failure": rules_errors.serialization_failure,
    "wal_stall": rules_wal.wal_stall,
    "missing_index": rules_server.missing_index,
    "plan_flip": rules_server.plan_flip,
    "gateway_partition": rules_requests.gateway_partition,
    "gateway_slow": rules_requests.gateway_slow,
    "retry_storm": rules_requests.retry_storm,
    "access_surge": rules_requests.access_surge,
    "front_stopped": rules_requests.front_stopped,
    "pool_exhaustion": rules_requests.pool_exhaustion,
}

# What keeps connections busy makes the pool queue, whatever it is; what makes requests fail makes
# clients repeat them. The other entries are mechanisms, one by one.
_QUEUES = frozenset({"pool_exhaustion"})
_FAILS = frozenset({"pool_exhaustion", "retry_storm"})
EXPLAINS: dict[str, frozenset[str]] = {
    # nobody can lock, commit or connect while there is no server; recovery then warms up
    "server_crash": frozenset({
        "pool_exhaustion", "retry_storm", "connection_limit", "hot_row", "lock_across_call",
        "wal_stall", "missing_index", "plan_flip", "long_transaction", "front_stopped",
        "gateway_partition", "gateway_slow", "deadlock",
    }),
    # locks are kept until the commit ends, and the commit waits for the other machine
    "sync_standby_lost": frozenset({
        "hot_row", "lock_across_call", "long_transaction", "pool_exhaustion", "wal_stall",
        "connection_limit", "retry_storm", "missing_index", "plan_flip", "front_stopped",
    }),
    "wal_stall": frozenset({"hot_row", "pool_exhaustion", "retry_storm"}),
    "ddl_lock_queue": frozenset({
        "hot_row", "lock_across_call", "long_transaction", "pool_exhaustion", "retry_storm",
    }),
    "advisory_lock": frozenset({"hot_row", "lock_across_call", "pool_exhaustion", "retry_storm"}),
    "long_transaction": _QUEUES | {"hot_row"},
    "lock_across_call": _FAILS | {"hot_row", "long_transaction", "missing_index", "plan_flip"},
    "hot_row": _FAILS,
    "deadlock": _FAILS | {"hot_row", "lock_across_call"},
    "serialization_failure": _FAILS | {"hot_row"},
    "missing_index": _FAILS | {"hot_row", "plan_flip"},
    "plan_flip": _FAILS | {"hot_row", "missing_index"},
    "gateway_partition": _FAILS | {"gateway_slow", "lock_across_call", "long_transaction"},
    "gateway_slow": _FAILS | {"lock_across_call", "long_transaction"},
    # the repeats keep the gateway (or the database) busy after whatever set them off
    "retry_storm": _QUEUES | {"gateway_slow", "gateway_partition", "hot_row", "lock_across_call"},
    "connection_limit": _FAILS | {"front_stopped"},
    # several times the commits make several times the waits for the log
    "access_surge": _FAILS | {"wal_stall"},
    "front_stopped": _FAILS,
    "pool_exhaustion": frozenset({"retry_storm"}),
}  # fmt: skip

# A slow or lost gateway keeps transactions open only where calls are made inside them.
_BY_CALLS = frozenset({"gateway_partition", "gateway_slow"})
_HELD = frozenset({"lock_across_call", "long_transaction"})
# Where calls were made inside open transactions before the window as well, that design is how a
# trouble spreads, not what began: whatever makes a transaction longer is the cause, however loud
# the locks are. A surge makes none longer: there the design is what cannot bear it.
_LENGTHENS = frozenset({
    "wal_stall", "sync_standby_lost", "missing_index", "plan_flip", "ddl_lock_queue",
    "advisory_lock", "retry_storm", "connection_limit", "gateway_partition", "gateway_slow",
    "long_transaction", "deadlock",
})  # fmt: skip
_IN_TRANSACTIONS = 0.5

# An effect may look surer than its cause by this much and is still taken for the effect.
MARGIN = 0.25
# What takes less comes after everything that takes more, however sure it is that it is there.
TRIFLE_PCT = 0.5


def findings(features: Features) -> list[Finding]:
    """Return all findings: problems first, then symptoms, each group surest and heaviest first."""
    found = [finding for rule in RULES.values() if (finding := rule(features)) is not None]
    sorted_out = [_placed(finding, found, features) for finding in found]
    return sorted(sorted_out, key=_order)


def _placed(finding: Finding, found: list[Finding], features: Features) -> Finding:
    """The finding itself, or as a symptom of the surest cause that explains it."""
    causes = [other for other in found if _explains(other, finding, features)]
    if not causes or finding.kind == "no_problem":
        return finding
    return finding.as_symptom(max(causes, key=lambda c: c.confidence).cause)


def _explains(other: Finding, finding: Finding, features: Features) -> bool:
    """True when `finding` is what `other` brings about, here."""
    standing = features.fact("held_share_outside") >= _IN_TRANSACTIONS
    if finding.cause == "lock_across_call" and standing and other.cause in _LENGTHENS:
        return other.confidence >= 0.5
    backwards = other.cause == "lock_across_call" and finding.cause in _LENGTHENS
    if backwards and standing and finding.confidence >= 0.5:
        return False  # never both ways: two symptoms would leave no cause
    if finding.cause not in EXPLAINS.get(other.cause, frozenset()):
        return False
    apart = features.fact("held_share", 1.0) < _IN_TRANSACTIONS
    if other.cause in _BY_CALLS and finding.cause in _HELD and apart:
        return False
    return other.confidence >= max(0.5, finding.confidence - MARGIN) and not _mutual(other, finding)


def _mutual(other: Finding, finding: Finding) -> bool:
    """True when both explain each other and `finding` is at least as sure: it then
    stays a problem.
    """
    both = other.cause in EXPLAINS.get(finding.cause, frozenset())
    return both and finding.confidence >= other.confidence


def _order(finding: Finding) -> tuple[int, bool, float, float, str]:
    rank = {"problem": 0, "symptom": 1, "no_problem": 2}[finding.kind]
    impact = 0.0 if math.isnan(finding.impact_pct) else finding.impact_pct
    trifle = finding.impact_pct < TRIFLE_PCT  # not so where it is unknown
    return rank, trifle, -round(finding.confidence, 2), -impact, finding.cause
