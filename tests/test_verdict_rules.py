"""Single rules at their edges: what they must not claim, and what they must still see."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bottleneck_runs import Log, at, write_run
from test_bottleneck_blocking import idle, sample

from analysis.bottleneck.case import open_case
from analysis.bottleneck.compare import compare_phases
from analysis.bottleneck.littles_law import littles_law
from analysis.bottleneck.series import series
from analysis.bottleneck.verdict.diagnose import Diagnosis, diagnose
from analysis.bottleneck.words import impact

CALM_S, TROUBLE_S, END_S = 20, 40, 60
Tick = Callable[[float], list[dict[str, Any]]]


def _samples(trouble: Tick, hz: int = 5) -> list[dict[str, Any]]:
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
    return [root, *[sample(second, pid, (root["pid"],), **more) for pid in range(20, 30)]]


def _found(diagnosis: Diagnosis, cause: str) -> Any:
    return next(f for f in diagnosis.findings if f.cause == cause)


def test_without_blockers_nobody_knows_whether_the_holder_is_at_work(tmp_path: Path) -> None:
    def trouble(second: float) -> list[dict[str, Any]]:
        return [row | {"blocked_by": None} for row in _queue(second, idle(second, 10))]

    found = _verdict(tmp_path / "run", trouble)
    assert found.causes == ["hot_row"]
    assert found.problems[0].confidence <= 0.5
    assert "at work was not seen" in found.problems[0].headline
    assert found.problems[0].told_from["lock_across_call"].startswith("not told")
    assert any("pg_blocking_pids" in q["switch_on"] for q in found.cannot_tell)
    assert "lock_across_call" not in [f.cause for f in found.findings if f.kind == "no_problem"]


def test_a_forgotten_prepared_transaction_is_a_long_transaction(tmp_path: Path) -> None:
    found = _verdict(
        tmp_path / "run", lambda s: [sample(s, pid, (0,)) for pid in range(20, 30)]
    )  # fmt: skip
    assert found.causes == ["long_transaction"]
    assert "ROLLBACK PREPARED" in found.problems[0].advice
    assert found.problems[0].impact_pct > 80


def test_samples_of_a_role_that_sees_no_states_clear_nobody(tmp_path: Path) -> None:
    rows = [
        {"sampled_at": at(tick / 5), "pid": pid, "backend_type": None, "state": None,
         "query": "<insufficient privilege>", "blocked_by": None}
        for tick in range(END_S * 5) for pid in range(20)
    ]  # fmt: skip
    found = diagnose(write_run(tmp_path / "run", pg_activity=rows))
    assert found.findings == []
    assert any("pg_monitor" in q["switch_on"] for q in found.cannot_tell)


def _middle(second: float) -> bool:
    return CALM_S <= second < TROUBLE_S


def _requests(gateway_ms: Callable[[float], float], rate: int = 12) -> dict[str, Any]:
    """A minute of requests of two fronts, `rate` a second, each with one gateway call."""
    requests, spans = [], []
    for number in range(END_S * rate):
        start = number / rate
        took = gateway_ms(start) / 1000
        requests.append({
            "request_id": f"r{number}", "idempotency_key": f"r{number}",
            "operation": "card_payment", "attempt": 1, "front_id": number % 2,
            "scheduled_at": at(start), "started_at": at(start), "finished_at": at(start + took),
            "outcome": "approved",
        })  # fmt: skip
        spans.append({
            "request_id": f"r{number}", "attempt": 1, "span": "gateway_call", "name": "charge",
            "started_at": at(start), "duration_us": round(took * 1e6),
        })  # fmt: skip
    return {"requests": requests, "spans": spans}


def _slow_gateway(second: float) -> float:
    return 900.0 if _middle(second) else 60.0


def _failures(first_s: float, last_s: float, per_s: float = 2.0) -> list[dict[str, Any]]:
    log = Log()
    log.add(0, "s", 1, "statement: SELECT 1")
    for number in range(int((last_s - first_s) * per_s)):
        log.error(first_s + number / per_s, f"s{number % 5}", 100 + number % 5, "40001",
                  "could not serialize access due to concurrent update")  # fmt: skip
    log.add(END_S, "s", 1, "statement: SELECT 1")
    return log.records


def test_failures_that_come_all_the_time_began_nothing(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", pg_log=_failures(0.1, END_S), **_requests(_slow_gateway))
    assert diagnose(folder).causes == ["gateway_slow"]


@pytest.mark.parametrize("first_s", [0.1, 3, 8])
def test_failures_over_nearly_the_whole_record_are_named(first_s: float, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", pg_log=_failures(first_s, END_S, 10))
    found = diagnose(folder)
    assert found.causes == ["serialization_failure"]
    assert found.as_json()["findings"][0]["impact_pct"] is None


def test_repeats_that_come_all_the_time_are_no_storm(tmp_path: Path) -> None:
    tables = _requests(_slow_gateway)
    requests = tables["requests"]
    for second in range(END_S):
        first = requests[second * 12] | {"finished_at": at(second + 0.09), "outcome": "failed"}
        requests[second * 12] = first
        for attempt, start in ((2, 0.1), (3, 0.151)):
            requests.append(first | {
                "attempt": attempt, "scheduled_at": at(second + start),
                "started_at": at(second + start), "finished_at": at(second + start + 0.05),
                "outcome": "failed" if attempt == 2 else "approved",
            })  # fmt: skip
    assert diagnose(write_run(tmp_path / "run", **tables)).causes == ["gateway_slow"]


def test_a_gateway_that_always_has_slow_calls_is_no_slow_gateway(tmp_path: Path) -> None:
    dice = random.Random(3)
    tables = _requests(lambda _: 60 * math.exp(dice.gauss(0, 1)), rate=30)
    found = _verdict(tmp_path / "run", lambda s: _queue(s, sample(s, 10)), **tables)
    assert found.causes == ["hot_row"]


def test_a_day_with_a_few_errors_is_a_healthy_day(tmp_path: Path) -> None:
    log = Log()
    for second in range(0, 86_400, 60):
        log.duration(second, "bg", 1, 150.0, "SELECT 1")
    log.error(30_000, "x", 9, "53300", "sorry, too many clients already")
    for number in range(3):
        log.error(10_000 + number * 20_000, "y", 9, "40P01", "deadlock detected")
    for number in range(5):
        log.error(10_000 + number * 10_000, "z", 9, "40001", "could not serialize access")
    assert diagnose(write_run(tmp_path / "run", pg_log=log.records)).problems == []


def test_what_takes_no_time_comes_after_what_does(tmp_path: Path) -> None:
    tables = _requests(_slow_gateway)
    records = _failures(CALM_S, TROUBLE_S)
    found = diagnose(write_run(tmp_path / "run", pg_log=records, **tables))
    impacts = {f.cause: f.impact_pct for f in found.problems}
    assert list(impacts) == ["gateway_slow", "serialization_failure"]
    assert impacts["serialization_failure"] == 0


@pytest.mark.parametrize("event", ["extend", "object"])
def test_waits_to_extend_a_table_are_no_schema_change(event: str, tmp_path: Path) -> None:
    found = _verdict(tmp_path / "run", lambda s: _queue(s, sample(s, 10), wait_event=event))
    assert "ddl_lock_queue" not in found.causes
    assert found.features.during("aas_lock") == 10


@pytest.mark.parametrize(
    ("message", "localized", "code", "cause"),
    [
        ("deadlock detected", None, None, "deadlock"),
        ("sorry, too many clients already", None, None, "connection_limit"),
        ("could not serialize access due to concurrent update", None, None,
         "serialization_failure"),
        ("Verklemmung entdeckt", "FEHLER", "40P01", "deadlock"),
    ],
    ids=["text log", "text log, refused", "text log, not serializable", "csvlog in German"],
)  # fmt: skip
def test_errors_are_known_without_their_code_and_in_other_languages(
    message: str, localized: str | None, code: str | None, cause: str, tmp_path: Path
) -> None:
    log = Log()
    log.add(0, "s", 1, "statement: SELECT 1")
    for number in range(40):
        log.error(CALM_S + number / 4, f"c{number}", 100 + number, code, message,
                  error_severity=localized or "ERROR")  # fmt: skip
    log.add(END_S, "s", 1, "statement: SELECT 1")
    found = diagnose(write_run(tmp_path / "run", pg_log=log.records))
    assert found.causes == [cause]
    assert found.window.found


def _commits_wait(second: float) -> list[dict[str, Any]]:
    waits = {"wait_event_type": "IO", "wait_event": "WALSync", "query": "COMMIT"}
    return [sample(second, pid, **waits) for pid in range(20, 26)]


def _stall(folder: Path, requests: list[dict[str, Any]]) -> Any:
    """The finding on a log that is slow in the middle while the server writes no more than ever."""
    counters = [
        {"sampled_at": at(second + 0.5), "view": "pg_stat_wal", "object": "server",
         "metric": "wal_bytes", "value": 5e6 * second} for second in range(END_S)
    ]  # fmt: skip
    found = _verdict(folder, _commits_wait, requests=requests, pg_counters=counters)
    return _found(found, "wal_stall")


@pytest.mark.parametrize(("failures", "kind"), [(1, "no_problem"), (3, "problem")])
def test_a_failure_or_two_are_no_harm(failures: int, kind: str, tmp_path: Path) -> None:
    requests = _requests(lambda _: 20.0, rate=40)["requests"]
    for number in range(failures):
        requests[1000 + number] |= {"outcome": "failed", "reason": "card_expired"}
    assert _stall(tmp_path / "run", requests).kind == kind


def test_clients_that_hang_and_send_nothing_are_harmed(tmp_path: Path) -> None:
    requests = []
    for client in range(8):
        second, number = client * 0.01, 0
        while second < END_S:
            took = TROUBLE_S + 0.01 - second if CALM_S - 0.5 <= second < TROUBLE_S else 0.02
            requests.append({
                "request_id": f"c{client}.{number}", "idempotency_key": f"c{client}.{number}",
                "operation": "card_payment", "attempt": 1, "front_id": 0,
                "scheduled_at": at(second), "started_at": at(second),
                "finished_at": at(second + took), "outcome": "approved",
            })  # fmt: skip
            second, number = second + took + 0.2, number + 1
    assert _stall(tmp_path / "run", requests).kind == "problem"


def test_requests_that_became_quicker_are_no_slower(tmp_path: Path) -> None:
    requests = _requests(lambda s: 10.0 if _middle(s) else 20.0)["requests"]
    told = _stall(tmp_path / "run", requests)
    assert (told.kind, told.headline.rpartition(" the ")[2]) == (
        "no_problem", "median request was no slower"
    )  # fmt: skip


def test_with_no_outside_nobody_knows_whether_harm_was_done(tmp_path: Path) -> None:
    rows = [row for tick in range(END_S * 5) for row in _commits_wait(tick / 5)]
    folder = write_run(
        tmp_path / "run", pg_activity=rows, requests=_requests(lambda _: 20.0)["requests"]
    )
    found = diagnose(folder)
    assert not found.window.reference
    assert found.causes == ["wal_stall"]


def _front_of(tables: dict[str, Any], front: Callable[[float, int], int]) -> dict[str, Any]:
    for number, row in enumerate(tables["requests"]):
        row["front_id"] = front(number / (len(tables["requests"]) / END_S), number)
    return tables


@pytest.mark.parametrize("kind", ["retired before", "a canary"])
def test_a_front_that_was_hardly_at_work_has_not_stopped(kind: str, tmp_path: Path) -> None:
    def front(second: float, number: int) -> int:
        if kind == "retired before":
            return 7 if second < CALM_S - 12 and number % 3 == 0 else number % 2
        return 7 if number % 25 == 0 and not 22 < second < 39 else number % 2

    tables = _front_of(_requests(_slow_gateway, rate=8), front)
    assert diagnose(write_run(tmp_path / "run", **tables)).causes == ["gateway_slow"]


def _away(reason: str = "database_unreachable") -> list[dict[str, Any]]:
    """Requests of a minute, those of six seconds without a server."""
    requests = _requests(lambda _: 20.0)["requests"]
    for row in requests:
        if at(CALM_S) <= row["scheduled_at"] < at(CALM_S + 6):
            row |= {"outcome": "failed", "reason": reason}
    return requests


def _steady(log: Log, shift_s: float = 0.0) -> Log:
    for second in range(END_S):
        log.duration(second + shift_s, "bg", 1, 150.0, "SELECT 1")
    return log


def test_a_server_that_was_told_to_stop_did_not_crash(tmp_path: Path) -> None:
    log = _steady(Log())
    log.add(CALM_S, "pm", 2, "received fast shutdown request")
    log.add(CALM_S + 0.2, "pm", 2, "database system is shut down")
    log.add(CALM_S + 5.8, "new", 3, "database system was shut down at 2026-11-23 05:00:20 UTC")
    log.add(CALM_S + 6, "new", 3, "database system is ready to accept connections")
    rows = [
        sample(tick / 5, 1, query="SELECT 1")
        for tick in range(END_S * 5) if not CALM_S <= tick / 5 < CALM_S + 6
    ]  # fmt: skip
    found = diagnose(
        write_run(tmp_path / "run", pg_log=log.records, pg_activity=rows, requests=_away())
    )
    assert found.causes[0] == "server_crash"
    assert "told to shut down" in found.problems[0].headline
    assert found.problems[0].confidence < 0.85


def test_a_command_that_was_terminated_is_no_crash_of_the_server(tmp_path: Path) -> None:
    for name, message, causes in (
        ("archive", "archive command was terminated by signal 15: Terminated", []),
        ("server", "server process (PID 77) was terminated by signal 9: Killed", ["server_crash"]),
    ):
        log = _steady(Log())
        log.add(30, "pm", 2, message)
        assert diagnose(write_run(tmp_path / name, pg_log=log.records)).causes == causes


def test_a_log_of_another_time_clears_nobody(tmp_path: Path) -> None:
    log = _steady(Log(), shift_s=9 * 3600)
    log.add(9 * 3600 + 20, "pm", 2, "server process (PID 77) was terminated by signal 9: Killed")
    found = diagnose(write_run(tmp_path / "run", pg_log=log.records, requests=_away()))
    cleared = {f.cause for f in found.findings if f.kind == "no_problem"}
    assert cleared.isdisjoint({"server_crash", "deadlock", "connection_limit"})
    assert any("--log-timezone" in q["switch_on"] for q in found.cannot_tell)
    assert found.causes == ["server_crash"]
    assert "its log shows" not in found.problems[0].headline


def test_deadlocks_among_many_other_errors_are_counted(tmp_path: Path) -> None:
    log = _steady(Log())
    for code in range(16):
        for number in range(50):
            log.error(20 + number / 5, f"e{code}.{number}", 500, f"42{code:03d}", "bad")
    for number in range(40):
        log.error(20 + number / 4, f"d{number}", 200 + number, "40P01", "deadlock detected")
    found = diagnose(write_run(tmp_path / "run", pg_log=log.records))
    assert "deadlock" in found.causes


def test_refusals_told_twice_are_counted_once(tmp_path: Path) -> None:
    log = Log()
    log.add(0, "s", 1, "connection authorized: user=a")
    for number in range(40):
        second = CALM_S + number / 8
        log.add(second, f"ok{number}", 600 + number, "connection authorized: user=a")
        log.error(second, f"c{number}", 100 + number, "53300", "sorry, too many clients already")
    log.add(END_S, "s", 1, "statement: SELECT 1")
    alone = diagnose(write_run(tmp_path / "log", pg_log=log.records))
    assert math.isnan(alone.problems[0].impact_pct)
    assert "not recorded" in impact(alone.problems[0])
    share = next(e for e in alone.problems[0].evidence if e.unit == "share")
    assert share.during == pytest.approx(0.5)
    both = diagnose(write_run(tmp_path / "both", pg_log=log.records, requests=_away("53300")))
    told = _found(both, "connection_limit").evidence[0]
    assert told.during <= 6 * 12  # what clients were told, not that and the log together


def test_an_incident_at_the_start_has_no_before(tmp_path: Path) -> None:
    rows = []
    for tick in range(END_S * 5):
        rows.append(sample(tick / 5, 1, query="SELECT 1"))
        rows += _queue(tick / 5, sample(tick / 5, 10)) if tick < 100 else []
    found = diagnose(write_run(tmp_path / "run", pg_activity=rows))
    assert found.window.first == 0
    phases = compare_phases(found.frame, found.window).set_index("measure")
    assert math.isnan(phases.loc["aas", "before"])
    assert phases.loc["aas", "during"] > phases.loc["aas", "after"]


def test_little_is_not_asked_of_the_rest_of_the_record(tmp_path: Path) -> None:
    tables = _requests(lambda _: 500.0, rate=20)
    tables["requests"] = [r for r in tables["requests"] if r["scheduled_at"] < at(55)]
    tables["pool_stats"] = [
        {"sampled_at": at(second + 1), "front_id": 0, "pool_max": 10, "pool_size": 10,
         "pool_available": 0, "requests_waiting": 0, "requests_num": 20, "requests_queued": 0,
         "requests_wait_ms": 0, "requests_errors": 0, "usage_ms": 0, "in_flight": 10}
        for second in range(55)
    ]  # fmt: skip
    case = open_case(write_run(tmp_path / "run", **tables))
    asked = littles_law(case, series(case))
    assert len(asked) == 5
    assert set(asked["judgement"]) == {"agrees"}


def test_a_front_that_stops_in_a_record_of_trouble_has_stopped(tmp_path: Path) -> None:
    tables = _front_of(
        _requests(lambda _: 20.0, rate=20), lambda s, n: 0 if 15 <= s < 45 else n % 2
    )
    for number, row in enumerate(tables["requests"]):
        row["outcome"] = "failed" if number % 2 else "approved"
    found = diagnose(write_run(tmp_path / "run", **tables))
    assert not found.window.reference
    assert found.causes[0] == "front_stopped"
