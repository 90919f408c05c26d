"""Gateway, clients and fronts on runs made by hand: answers that come late, or never, or again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bottleneck_runs import at, write_run
from test_bottleneck_blocking import idle, sample

from analysis.bottleneck.verdict.diagnose import Diagnosis, diagnose

CALM_S, TROUBLE_S, END_S = 20, 32, 50
# one call of a second: (latency in ms, outcome of its attempt)
Call = tuple[float, str]
Calls = Callable[[int], list[Call]]


def _in_trouble(second: float) -> bool:
    return CALM_S <= second < TROUBLE_S


def _usual(_: int) -> list[Call]:
    return [(50.0 + 2 * n, "approved") for n in range(10)]


def _tables(calls: Calls, held: Callable[[int], bool] = lambda _: False) -> dict[str, Any]:
    """Attempts with one gateway call each; `held`: inside an open transaction in that second."""
    requests: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    for second in range(END_S):
        made = calls(second)
        for number, (took_ms, outcome) in enumerate(made):
            start = second + number / len(made)
            name, end = f"r{second}.{number}", start + took_ms / 1000
            requests.append(_attempt(name, 1, start, end + 0.01, outcome, front=number % 2))
            spans.append(_span(name, "gateway_call", start, end))
            if outcome == "approved":
                spans.append(_span(name, "statement", end + 0.001, end + 0.004))
            if held(second):
                spans.append(_span(name, "ledger_tx", start - 0.002, end + 0.01))
    return {"requests": requests, "spans": spans}


def _attempt(
    name: str, attempt: int, start: float, end: float, outcome: str, front: int = 0
) -> dict[str, Any]:
    return {
        "request_id": name, "idempotency_key": name, "operation": "card_payment",
        "attempt": attempt, "front_id": front, "scheduled_at": at(start), "started_at": at(start),
        "finished_at": at(end), "outcome": outcome,
    }  # fmt: skip


def _span(name: str, span: str, start: float, end: float) -> dict[str, Any]:
    return {
        "request_id": name, "attempt": 1, "span": span, "name": span, "started_at": at(start),
        "duration_us": round((end - start) * 1e6),
    }  # fmt: skip


def _kinds(found: Diagnosis) -> dict[str, str]:
    return {f.cause: f.kind for f in found.findings if f.kind != "no_problem"}


def test_few_calls_that_wait_for_their_timeout_weigh_more_than_many_quick_ones(
    tmp_path: Path,
) -> None:
    def calls(second: int) -> list[Call]:
        hung = [(1500.0, "failed"), (1100.0, "timed_out")] if _in_trouble(second) else []
        return hung + _usual(second)

    found = diagnose(write_run(tmp_path / "run", **_tables(calls)))
    assert found.causes[0] == "gateway_partition"
    assert found.not_the_database


def test_a_burst_of_resets_is_found_though_it_lasts_one_second(tmp_path: Path) -> None:
    def calls(second: int) -> list[Call]:
        return [(2.0, "failed")] * 16 if second == 30 else _usual(second)

    found = diagnose(write_run(tmp_path / "run", **_tables(calls)))
    assert found.causes[0] == "gateway_partition"
    assert found.window.first <= 30 <= found.window.last
    assert len(found.window.buckets) <= 3


@pytest.mark.parametrize("given_up", [0, 7])
def test_late_answers_are_a_slow_gateway_however_many_clients_give_up(
    given_up: int, tmp_path: Path
) -> None:
    def calls(second: int) -> list[Call]:
        if not _in_trouble(second):
            return _usual(second)
        late = [(1800.0 + 20 * n, "approved") for n in range(10 - given_up)]
        return late + [(900.0 + 90 * n, "timed_out") for n in range(given_up)]

    found = diagnose(write_run(tmp_path / "run", **_tables(calls)))
    assert found.causes[0] == "gateway_slow"
    assert "gateway_partition" not in found.causes


def test_clients_that_give_up_during_a_quick_call_do_not_blame_the_gateway(tmp_path: Path) -> None:
    def calls(second: int) -> list[Call]:
        usual = _usual(second)
        return [(ms / 2, "timed_out") for ms, _ in usual] if _in_trouble(second) else usual

    found = diagnose(write_run(tmp_path / "run", **_tables(calls)))
    assert not {"gateway_partition", "gateway_slow"} & set(found.causes)


def _storm(pause_s: float) -> Iterator[dict[str, Any]]:
    """One request in ten fails in the middle, and is repeated three times after `pause_s`."""
    for second in range(END_S):
        for number in range(30):
            start, name = second + number / 30, f"r{second}.{number}"
            failing = _in_trouble(second) and number % 15 == 0
            for attempt in range(1, 5 if failing else 2):
                outcome = "timed_out" if failing else "approved"
                end = start + (1.0 if failing else 0.05)
                yield _attempt(name, attempt, start, end, outcome, front=number % 2)
                start = end + pause_s


@pytest.mark.parametrize(("pause_s", "named"), [(0.0, True), (0.3, False)])
def test_repeats_without_a_pause_are_a_storm_and_a_few_with_one_are_not(
    pause_s: float, named: bool, tmp_path: Path
) -> None:
    found = diagnose(write_run(tmp_path / "run", requests=list(_storm(pause_s))))
    assert ("retry_storm" in found.causes) is named


def test_a_front_is_missed_though_the_other_stands_still_now_and_then(tmp_path: Path) -> None:
    def attempts() -> Iterator[dict[str, Any]]:
        for second in range(END_S):
            for number in range(20):
                start, front = second + number / 20, number % 2
                name, end = f"r{second}.{number}", start + 0.02
                if _in_trouble(second) and front == 1:
                    row = _attempt(name, 1, start, end, "failed")
                    nobody = {"front_id": None, "started_at": None, "finished_at": None}
                    yield row | nobody
                    continue
                if _in_trouble(second) and second % 3:  # all at once when the lock is free
                    end = (second // 3 + 1) * 3 + 0.1 + number / 1000
                yield _attempt(name, 1, start, end, "approved", front=front)

    found = diagnose(write_run(tmp_path / "run", requests=list(attempts())))
    assert found.causes[0] == "front_stopped"


def _samples() -> list[dict[str, Any]]:
    """A queue behind a session idle in transaction, and five sessions that wait for the log."""
    rows = []
    for tick in range(END_S * 5):
        second = tick / 5
        rows.append(sample(second, 1, query="SELECT 1", xact_start=at(second - 0.01)))
        if _in_trouble(second):
            rows.append(idle(second, 10, idle_s=0.05))
            rows += [sample(second, pid, (10,)) for pid in range(20, 26)]
            rows += [
                sample(second, pid, wait_event_type="IO", wait_event="WALSync")
                for pid in range(30, 35)
            ]
    return rows


@pytest.mark.parametrize(("before", "kind"), [(True, "symptom"), (False, "problem")])
def test_calls_in_transactions_that_were_always_there_are_no_cause_of_a_change(
    before: bool, kind: str, tmp_path: Path
) -> None:
    tables = _tables(_usual, held=lambda s: before or _in_trouble(s))
    for row in tables["requests"]:  # what the log holds up, clients feel
        if at(CALM_S) <= row["scheduled_at"] < at(TROUBLE_S):
            row["finished_at"] += dt.timedelta(seconds=0.3)
    found = diagnose(write_run(tmp_path / "run", pg_activity=_samples(), **tables))
    assert _kinds(found)["lock_across_call"] == kind
    assert _kinds(found)["wal_stall"] == "problem"


def test_an_old_transaction_and_a_standing_design_do_not_explain_each_other(tmp_path: Path) -> None:
    rows = [r for r in _samples() if r.get("wait_event") != "WALSync"]
    for tick in range(CALM_S * 5, TROUBLE_S * 5):
        old = idle(tick / 5, 50, idle_s=tick / 5 - CALM_S)
        rows.append(old | {"xact_start": at(CALM_S)})
    tables = _tables(_usual, held=lambda _: True)
    kinds = _kinds(diagnose(write_run(tmp_path / "run", pg_activity=rows, **tables)))
    assert (kinds["long_transaction"], kinds["lock_across_call"]) == ("problem", "symptom")


def test_a_slow_gateway_explains_locks_only_where_calls_are_made_inside_transactions(
    tmp_path: Path,
) -> None:
    def calls(second: int) -> list[Call]:
        return [(900.0, "approved")] * 10 if _in_trouble(second) else _usual(second)

    rows = [r for r in _samples() if r.get("wait_event") != "WALSync"]
    for held, kind in ((True, "symptom"), (False, "problem")):
        folder = tmp_path / kind
        tables = _tables(calls, held=lambda s, held=held: held and _in_trouble(s))
        kinds = _kinds(diagnose(write_run(folder, pg_activity=rows, **tables)))
        assert (kinds["gateway_slow"], kinds["lock_across_call"]) == ("problem", kind)
