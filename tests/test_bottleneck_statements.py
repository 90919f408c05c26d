"""Database time by statement: percentiles equal a sort, statements are spread over their time."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from bottleneck_runs import Log, at, write_run

from analysis.bottleneck import statements
from analysis.bottleneck.case import open_case
from analysis.bottleneck.series import series


def _logged(folder: Path, durations: list[float]) -> Path:
    log = Log()
    for number, ms in enumerate(durations):
        log.duration(100 + number * 0.01, "s1", 11, ms, "SELECT ? FROM accounts")
    log.duration(0.5, "s1", 11, 1.0, "SELECT ?")
    return write_run(folder, pg_log=log.records)


@pytest.mark.parametrize("count", [1, 2, 3, 99, 1000])
def test_percentiles_equal_a_sort_to_the_microsecond(count: int, tmp_path: Path) -> None:
    dice = random.Random(count)
    durations = [round(dice.lognormvariate(3, 2), 3) for _ in range(count)]
    found = statements.logged_statements(open_case(_logged(tmp_path / "run", durations)))
    row = found[found["statement"] == "SELECT ? FROM accounts"].iloc[0]
    ordered = sorted(round(ms * 1000) for ms in durations)
    for share, column in ((0.5, "p50_us"), (0.95, "p95_us"), (0.99, "p99_us"), (0.999, "p999_us")):
        assert row[column] == ordered[max(0, math.ceil(share * count) - 1)]
    assert row["total_us"] == sum(ordered)
    assert row["calls"] == count
    assert row["max_us"] == ordered[-1]


def test_statement_time_is_spread_over_its_duration_not_booked_at_its_end(tmp_path: Path) -> None:
    log = Log()
    log.add(0, "s1", 11, "statement: BEGIN")
    log.duration(4.5, "s1", 11, 3000.0, "UPDATE accounts")
    log.add(10, "s1", 11, "statement: COMMIT")
    frame = series(open_case(write_run(tmp_path / "run", pg_log=log.records)))
    assert frame["log_aas"].tolist()[:6] == [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]


def test_binds_are_rows_of_their_own(tmp_path: Path) -> None:
    log = Log()
    log.add(1, "s1", 11, "duration: 1.000 ms  bind S_1: SELECT $1")
    log.add(1, "s1", 11, "duration: 2.000 ms  execute S_1: SELECT $1")
    found = statements.logged_statements(open_case(write_run(tmp_path / "run", pg_log=log.records)))
    assert dict(zip(found["kind"], found["total_us"], strict=True)) == {
        "execute": 2000,
        "bind": 1000,
    }


def test_sampled_time_counts_active_sessions_only(tmp_path: Path) -> None:
    def row(second: float, pid: int, state: str, **more: object) -> dict[str, object]:
        base = {"sampled_at": at(second), "pid": pid, "state": state, "query": f"q{pid}"}
        return base | {"backend_type": "client backend"} | more

    samples = []
    for tick in range(20):
        samples.append(row(tick / 10, 1, "active"))
        samples.append(row(tick / 10, 2, "idle in transaction", wait_event_type="Client"))
        samples.append(row(tick / 10, 3, "idle"))
    found = statements.sampled_statements(
        open_case(write_run(tmp_path / "run", pg_activity=samples))
    )
    assert found["statement"].tolist() == ["q1"]
    assert found["db_time_share"].tolist() == [1.0]
    assert found["cpu_share"].tolist() == [1.0]
