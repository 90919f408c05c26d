"""What was looked for and is not there, and what these records cannot tell."""

from __future__ import annotations

import math

from analysis.bottleneck.features import Features
from analysis.bottleneck.verdict.finding import Finding, ImpactOf, Notes

# Above this share of sessions not seen, samples clear nobody.
MOST = 0.5

# cause -> (evidence it needs, any one; what was looked at, in words)
_LOOKED_AT: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "hot_row": (("samples", "logs"), "no queue for rows", ("aas_rowlock", "log_wait_sessions")),
    "lock_across_call": (("samples",), "nobody waits behind a session idle in transaction",
                         ("idle_tx", "blocked")),
    "advisory_lock": (("samples", "logs"), "no queue for an advisory lock", ("aas_advisory",)),
    "ddl_lock_queue": (("samples", "logs"), "no queue for a table", ("aas_relation",)),
    "wal_stall": (("samples",), "commits are not held up by the log", ("aas_wal", "commit_us_p50")),
    "sync_standby_lost": (("samples",), "nobody waits for a standby", ("aas_syncrep",)),
    "long_transaction": (("samples",), "no transaction is older than requests live",
    ("xact_age_s",)),
    "deadlock": (("logs",), "no deadlocks in numbers", ("log_deadlocks",)),
    "serialization_failure": (("logs",), "no serialization failures in numbers",
                              ("log_serialization",)),
    "connection_limit": (("logs",), "no connection was refused", ("log_too_many", "connections")),
    "server_crash": (("logs",), "no crash or recovery in the log", ("log_crash",)),
    "missing_index": (("samples",), "no statement takes the processor or reads for itself",
                      ("aas_cpu", "seq_tup_read")),
    "gateway_slow": (("requests",), "gateway calls are as quick as before", ("gateway_us_p50",)),
    "gateway_partition": (("requests",), "gateway calls have their answers", ("gateway_us_p95",)),
    "access_surge": (("requests",), "not more new requests than before", ("arrivals",)),
    "retry_storm": (("requests",), "few repeats", ("retries", "arrivals")),
    "front_stopped": (("requests",), "every front works", ("fronts",)),
    "pool_exhaustion": (("requests",), "nobody queues for connections",
                        ("pool_waiting", "pool_wait_us_p50")),
}  # fmt: skip


def no_problems(features: Features, found: list[Finding]) -> list[Finding]:
    """Return one no-problem finding for each cause that was looked for, with evidence, and not
    seen.
    """
    named = {finding.cause for finding in found}
    clear = []
    for cause, (kinds, words, measures) in _LOOKED_AT.items():
        if cause in named or not any(_seen(features, kind) for kind in kinds):
            continue
        if cause == "lock_across_call" and features.fact("unblamed_share") > MOST:
            continue
        evidence = Notes(features).measure(*measures).done()
        if evidence:
            impact_of: ImpactOf = "request_time" if kinds == ("requests",) else "db_time"
            clear.append(Finding(
                cause, "no_problem", 0.0, impact_of, 0.9, words, evidence, {}, "",
            ))  # fmt: skip
    return clear


def _seen(features: Features, kind: str) -> bool:
    """True when this kind of evidence is there, and shows what it should."""
    if kind == "samples":
        return features.has(kind) and features.fact("hidden_share") <= MOST
    return features.has(kind) and not (kind == "logs" and features.log_elsewhere)


def cannot_tell(features: Features) -> list[dict[str, str]]:
    """Return what these records leave open, each with what to switch on: `question`,
    `switch_on`.
    """
    case, open_questions = features.case, []

    def ask(question: str, switch_on: str) -> None:
        open_questions.append({"question": question, "switch_on": switch_on})

    if not case.has("samples"):
        ask(
            "what sessions waited for (locks, log, disk, processor), and whether a root "
            "blocker was "
            "idle in transaction",
            "sample pg_stat_activity: `walletlab watch --dsn ... --out DIR`",
        )
    if features.fact("hidden_share") > MOST:
        ask(
            f"what sessions did: the role that took the samples may not see the state of "
            f"{features.fact('hidden_share'):.0%} of them",
            "GRANT pg_monitor TO the role that takes the samples",
        )
    elif features.fact("unblamed_share") > MOST:
        ask(
            "who holds what sessions wait for, and whether the holder is at work or idle in "
            "transaction (the samples have no blockers)",
            "sample pg_blocking_pids() too: `walletlab watch --dsn ... --out DIR` does",
        )
    if not case.has("logs"):
        ask(
            "deadlocks, refused connections, checkpoints and errors by SQLSTATE",
            "import the server log: `walletlab import postgres-log`",
        )
    if not case.has("requests"):
        ask(
            "pool, gateway, retries and load: with the database alone, a slow gateway and a "
            "calm day "
            "look the same",
            "import a request log: `walletlab import requests`, with attempts and, if there "
            "are, spans",
        )
    elif not case.run.rows("spans"):
        ask(
            "how request time divides into pool, gateway and database",
            "record spans, or import OTLP traces",
        )
    if case.has("logs"):
        _ask_of_log(features, ask)
    return open_questions


def _ask_of_log(features: Features, ask: object) -> None:
    """Settings of the log that hide what one would want to know."""
    assert callable(ask)
    case = features.case
    if features.log_elsewhere:
        ask(
            "anything that the log should tell: next to none of its records lie between "
            f"{case.start:%Y-%m-%d %H:%M} and {case.end:%Y-%m-%d %H:%M} UTC, the time of the other "
            "records",
            "import the log of that time; if it is, its time zone was read wrong: --log-timezone",
        )
    if case.setting("log_lock_waits") == "off" or (
        case.setting("log_lock_waits") is None and not len(features.frames["outcomes"])
    ):
        ask(
            "lock waits (none is in the log: there were none, or log_lock_waits is off)",
            "log_lock_waits = on, deadlock_timeout = 200ms",
        )
    if not case.con.execute("SELECT count(*) FROM bn_durations").fetchall()[0][0]:
        ask(
            "where statement time goes (no durations in the log)",
            "log_min_duration_statement = 100ms, or 0 for a while, or log_min_duration_sample",
        )
    none_sampled = not case.has("samples") and math.isnan(features.during("aas"))
    if none_sampled and not len(features.frames["log_statements"]):
        ask("processor and reads", "pg_stat_statements, or activity samples")
