"""The verdict on runs made by hand: each cause told from the one that looks like it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bottleneck_runs import Log, at, write_run
from test_bottleneck_blocking import idle, sample

from analysis.bottleneck.verdict.diagnose import Diagnosis, diagnose
from analysis.bottleneck.verdict.finding import CAUSES
from analysis.bottleneck.verdict.rank import EXPLAINS, RULES

CALM_S, TROUBLE_S, END_S = 20, 40, 60
Tick = Callable[[float], list[dict[str, Any]]]


def _samples(trouble: Tick, hz: int = 5) -> list[dict[str, Any]]:
    """A minute of samples: a little work all the time, `trouble` in its middle third."""
    rows = []
    for tick in range(END_S * hz):
        second = tick / hz
        rows.append(sample(second, 1, query="SELECT 1", xact_start=at(second - 0.01)))
        if CALM_S <= second < TROUBLE_S:
            rows += trouble(second)
    return rows


def _verdict(folder: Path, trouble: Tick, **tables: Any) -> Diagnosis:
    return diagnose(write_run(folder, pg_activity=_samples(trouble), **tables))


def _queue(second: float, root: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    waiters = [sample(second, pid, (root["pid"],), **more) for pid in range(20, 30)]
    return [root, *waiters]


def test_root_at_work_is_a_hot_row(tmp_path: Path) -> None:
    found = _verdict(tmp_path / "run", lambda s: _queue(s, sample(s, 10)))
    assert found.causes[0] == "hot_row"
    assert "lock_across_call" in found.problems[0].told_from


def test_root_idle_in_transaction_is_a_lock_across_a_call(tmp_path: Path) -> None:
    found = _verdict(tmp_path / "run", lambda s: _queue(s, idle(s, 10, idle_s=0.05)))
    assert found.causes[0] == "lock_across_call"
    assert found.problems[0].impact_of == "db_time"
    assert found.problems[0].impact_pct > 80


def test_root_that_idles_only_between_statements_is_no_lock_across_a_call(tmp_path: Path) -> None:
    found = _verdict(tmp_path / "run", lambda s: _queue(s, idle(s, 10, idle_s=0.001)))
    assert found.causes[0] == "hot_row"


def test_one_old_root_is_a_long_transaction(tmp_path: Path) -> None:
    def root(second: float) -> dict[str, Any]:
        return idle(second, 10, idle_s=second - CALM_S + 1) | {"xact_start": at(CALM_S - 10)}

    found = _verdict(tmp_path / "run", lambda s: _queue(s, root(s)))
    assert found.causes[0] == "long_transaction"


@pytest.mark.parametrize(
    ("cause", "more"),
    [
        ("advisory_lock", {"wait_event": "advisory"}),
        ("ddl_lock_queue", {"wait_event": "relation"}),
        ("sync_standby_lost", {"wait_event_type": "IPC", "wait_event": "SyncRep"}),
        ("wal_stall", {"wait_event_type": "IO", "wait_event": "WALSync"}),
    ],
)
def test_the_wait_event_names_the_cause(cause: str, more: dict[str, str], tmp_path: Path) -> None:
    blocked = () if cause in ("sync_standby_lost", "wal_stall") else (10,)
    found = _verdict(
        tmp_path / "run",
        lambda s: [sample(s, 10), *(sample(s, p, blocked, **more) for p in range(20, 30))],
    )
    assert found.causes[0] == cause


def test_window_is_found_to_the_second(tmp_path: Path) -> None:
    window = _verdict(tmp_path / "run", lambda s: _queue(s, sample(s, 10))).window
    assert (window.first, window.last, window.origin) == (CALM_S, TROUBLE_S - 1, "detected")


@pytest.mark.parametrize("shift_s", [-60, 0, 60])
def test_window_given_a_minute_off_is_moved_to_the_data(shift_s: int, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", pg_activity=_samples(lambda s: _queue(s, sample(s, 10))))
    given = (at(CALM_S + shift_s), at(TROUBLE_S + shift_s))
    found = diagnose(folder, window=given)
    assert (found.window.first, found.window.last) == (CALM_S, TROUBLE_S - 1)
    assert found.window.origin == "refined"
    assert found.causes[0] == "hot_row"


def test_names_of_applications_decide_nothing(tmp_path: Path) -> None:
    def named(second: float) -> list[dict[str, Any]]:
        rows = _queue(second, idle(second, 10, idle_s=0.05))
        return [row | {"application_name": "job hot_row"} for row in rows]

    assert _verdict(tmp_path / "run", named).causes[0] == "lock_across_call"


def test_a_calm_minute_has_no_problem_but_says_what_was_looked_at(tmp_path: Path) -> None:
    found = _verdict(tmp_path / "run", lambda _: [])
    assert found.problems == []
    assert found.window.origin == "none"
    assert {f.cause for f in found.findings if f.kind == "no_problem"} >= {"hot_row", "wal_stall"}


def test_many_deadlocks_come_before_the_queue_they_make(tmp_path: Path) -> None:
    log = Log()
    for number in range(30):
        second = CALM_S + number * 0.6
        log.error(second, f"s{number}", 20 + number % 10, "40P01", "deadlock detected")
    found = _verdict(
        tmp_path / "run", lambda s: _queue(s, sample(s, 10)), pg_log=log.records
    )  # fmt: skip
    assert found.causes[0] == "deadlock"
    symptom = next(f for f in found.findings if f.cause == "hot_row")
    assert (symptom.kind, symptom.because_of) == ("symptom", "deadlock")


def test_refused_connections_are_a_fact_of_the_log(tmp_path: Path) -> None:
    log = Log()
    log.add(0, "s", 1, "statement: SELECT 1")
    for number in range(40):
        second = CALM_S + number / 4
        log.error(second, f"c{number}", 100 + number, "53300", "sorry, too many clients already",
                  error_severity="FATAL")  # fmt: skip
    log.add(END_S, "s", 1, "statement: SELECT 1")
    found = diagnose(write_run(tmp_path / "run", pg_log=log.records))
    assert found.causes == ["connection_limit"]
    assert any("pg_stat_activity" in q["switch_on"] for q in found.cannot_tell)


def _requests(gateway_ms: Callable[[float], float], rate: Callable[[float], int]) -> dict[str, Any]:
    """Requests with one gateway call each, `rate` a second."""
    requests, spans = [], []
    for second in range(END_S):
        for number in range(rate(second)):
            start = second + number / rate(second)
            took = gateway_ms(second) / 1000 * (0.9 + 0.02 * (number % 10))
            name = f"r{second}.{number}"
            requests.append({
                "request_id": name, "idempotency_key": name, "operation": "card_payment",
                "attempt": 1, "front_id": number % 2, "scheduled_at": at(start),
                "started_at": at(start), "finished_at": at(start + took + 0.01),
                "outcome": "approved",
            })  # fmt: skip
            spans.append({
                "request_id": name, "attempt": 1, "span": "gateway_call", "name": "charge",
                "started_at": at(start), "duration_us": round(took * 1e6),
            })  # fmt: skip
    return {"requests": requests, "spans": spans}


def _middle(second: float) -> bool:
    return CALM_S <= second < TROUBLE_S


def test_a_slow_gateway_is_not_the_database(tmp_path: Path) -> None:
    tables = _requests(lambda s: 900.0 if _middle(s) else 60.0, lambda _: 12)
    found = diagnose(write_run(tmp_path / "run", **tables))
    assert found.causes[0] == "gateway_slow"
    assert found.not_the_database
    assert found.as_json()["verdict"].startswith("Not the database")
    assert found.problems[0].impact_of == "request_time"


def _slow_commits(second: float) -> list[dict[str, Any]]:
    waits = {"wait_event_type": "IO", "wait_event": "WALSync", "query": "COMMIT"}
    return [sample(second, pid, **waits) for pid in range(20, 26)]


def _wal(bytes_per_s: Callable[[float], float]) -> list[dict[str, Any]]:
    """Counters of the log written, once a second."""
    rows, total = [], 0.0
    for second in range(END_S):
        total += bytes_per_s(second)
        rows.append({"sampled_at": at(second + 0.5), "view": "pg_stat_wal", "object": "server",
                     "metric": "wal_bytes", "value": total})  # fmt: skip
    return rows


@pytest.mark.parametrize(
    ("written", "request_ms", "kind"),
    [(1.0, 30.0, "no_problem"), (1.0, 400.0, "problem"), (20.0, 30.0, "problem")],
    ids=["slow storage, nobody harmed", "slow storage, requests slower", "the log flooded"],
)
def test_slow_storage_is_a_problem_when_somebody_is_harmed(
    written: float, request_ms: float, kind: str, tmp_path: Path
) -> None:
    tables = _requests(lambda s: request_ms if _middle(s) else 20.0, lambda _: 12)
    tables["pg_counters"] = _wal(lambda s: 5e6 * (written if _middle(s) else 1.0))
    found = _verdict(tmp_path / "run", _slow_commits, requests=tables["requests"],
                     pg_counters=tables["pg_counters"])  # fmt: skip
    told = next(f for f in found.findings if f.cause == "wal_stall")
    assert found.window.found
    assert told.kind == kind
    assert told.impact_pct > 50
    assert ("wal_stall" in found.causes) == (kind == "problem")
    assert found.as_json()["verdict"].startswith("No harm was done") == (kind == "no_problem")
    assert ("who writes" in told.advice) == (written > 1)


def test_slow_storage_without_a_request_log_stays_a_problem(tmp_path: Path) -> None:
    found = _verdict(tmp_path / "run", _slow_commits, pg_counters=_wal(lambda _: 5e6))
    assert found.causes == ["wal_stall"]


def test_what_harmless_storage_explains_is_no_alarm(tmp_path: Path) -> None:
    def trouble(second: float) -> list[dict[str, Any]]:
        root = sample(second, 10, wait_event_type="IO", wait_event="WALSync")
        return _slow_commits(second) + [root] + [sample(second, p, (10,)) for p in (11, 12)]

    tables = _requests(lambda s: 40.0 if _middle(s) else 20.0, lambda _: 12)
    found = _verdict(tmp_path / "run", trouble, requests=tables["requests"],
                     pg_counters=_wal(lambda _: 5e6))  # fmt: skip
    queue = next(f for f in found.findings if f.cause == "hot_row")
    assert (queue.kind, queue.because_of) == ("symptom", "wal_stall")
    assert found.problems == []


def test_more_first_attempts_are_a_surge(tmp_path: Path) -> None:
    tables = _requests(lambda _: 60.0, lambda s: 60 if _middle(s) else 10)
    assert diagnose(write_run(tmp_path / "run", **tables)).causes == ["access_surge"]


def test_logs_alone_tell_long_holds_from_a_hot_row(tmp_path: Path) -> None:
    def log_of(kind: str, mode: str) -> Log:
        log = Log()
        log.add(0, "s0", 1, "statement: SELECT ?")
        for number in range(100):
            second, pid = CALM_S + number * 0.2, 20 + number % 10
            more = {"mode": mode, "query": "UPDATE accounts"}
            log.waiting(second + 0.1, f"w{pid}", pid, kind, [100 + number], **more)
            log.acquired(second + 0.5, f"w{pid}", pid, kind, 500.0, **more)
            log.duration(second + 0.5, f"w{pid}", pid, 2000.0, "UPDATE accounts")
        log.add(END_S, "s0", 1, "statement: SELECT ?")
        return log

    target = "tuple (0,1) of relation 7 of database 5"
    held = write_run(tmp_path / "held", pg_log=log_of(target, "ExclusiveLock").records)
    hot = write_run(tmp_path / "hot", pg_log=log_of("transaction 9", "ShareLock").records)
    assert diagnose(held).causes[0] == "lock_across_call"
    assert diagnose(hot).causes[0] == "hot_row"


@pytest.mark.parametrize(("built", "first"), [(True, "missing_index"), (False, "plan_flip")])
def test_what_mended_slow_reads_tells_a_missing_index_from_a_flipped_plan_in_a_log(
    built: bool, first: str, tmp_path: Path
) -> None:
    log = Log()
    log.add(0, "s0", 1, "statement: SELECT ?")
    for number in range(400):
        second = CALM_S + number * (TROUBLE_S - CALM_S) / 400
        log.duration(second, f"s{number % 40}", 20 + number % 40, 300.0, "SELECT * FROM history")
    if built:
        log.duration(TROUBLE_S + 0.5, "m", 9, 2500.0, "CREATE INDEX CONCURRENTLY i ON history (w)")
    log.add(END_S, "s0", 1, "statement: SELECT ?")
    assert diagnose(write_run(tmp_path / "run", pg_log=log.records)).causes[0] == first


def test_every_cause_has_a_rule_and_every_explanation_names_causes() -> None:
    assert set(RULES) == set(CAUSES) == set(EXPLAINS)
    assert all(effects <= set(CAUSES) for effects in EXPLAINS.values())


def test_surge_run_waits_behind_idle_transactions_and_phased_does_not() -> None:
    from analysis.bottleneck import blocking
    from analysis.paths import data

    held = diagnose(data("recorded", "kyash-2018-10-09"))
    phased = diagnose(data("recorded", "kyash-2018-10-09-phased"))
    assert held.causes[:2] == ["lock_across_call", "access_surge"]
    assert held.features.facts["idle_root_share"] > 0.7
    behind = [blocking.root_blockers(d.case)["client_waiter_s"].sum() for d in (held, phased)]
    assert behind[0] > 100
    assert behind[1] < behind[0] / 100
    assert "lock_across_call" not in [f.cause for f in phased.problems]


def test_healthy_recorded_run_raises_no_alarm() -> None:
    from analysis.paths import data

    assert diagnose(data("recorded", "healthy")).problems == []
