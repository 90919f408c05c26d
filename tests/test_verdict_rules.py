"""Single rules at their edges: what they must not claim, and what they must still see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bottleneck_runs import at, write_run
from test_bottleneck_blocking import idle, sample

from analysis.bottleneck.verdict.diagnose import Diagnosis, diagnose

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
