"""Where the anomaly window lies: in short and long records, at their edges, under any load."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bottleneck_runs import Log, at, attempts, write_run
from test_bottleneck_blocking import sample

from analysis.bottleneck.case import open_case
from analysis.bottleneck.robust import deviations
from analysis.bottleneck.series import series
from analysis.bottleneck.verdict.diagnose import diagnose
from analysis.bottleneck.window import Window, find_window
from runlog.errors import UsageFault

DAY_S = 86_400
Given = tuple[dt.datetime, dt.datetime] | None


def _window(folder: Path, given: Given = None, **tables: Any) -> tuple[Window, int]:
    """The window, and the width of its buckets in seconds."""
    case = open_case(write_run(folder, **tables))
    return find_window(case, series(case), given), case.bucket_s


def _middle(second: float) -> bool:
    return 20 <= second < 40


def _covers(window: Window, start_s: float, end_s: float, slack_s: float = 3.0) -> bool:
    slack = dt.timedelta(seconds=slack_s)
    return abs(window.start - at(start_s)) <= slack and abs(window.end - at(end_s)) <= slack


@pytest.mark.parametrize(
    "lull",
    [lambda s: s < 15, lambda s: s >= 45, lambda s: 20 <= s < 30],
    ids=["at the start", "at the end", "between"],
)
def test_a_lull_in_the_load_is_no_anomaly(lull: Callable[[float], bool], tmp_path: Path) -> None:
    rows = attempts(60, lambda s: 5 if lull(s) else 40, lambda _: 50)
    found = diagnose(write_run(tmp_path / "run", requests=rows))
    assert found.problems == []
    assert found.window.origin == "none"


def test_load_that_falls_with_the_trouble_does_not_turn_it_inside_out(tmp_path: Path) -> None:
    rows = attempts(
        60, lambda s: 4 if _middle(s) else 40, lambda s: 2_000 if _middle(s) else 50
    )  # fmt: skip
    window, _ = _window(tmp_path / "run", requests=rows)
    assert _covers(window, 20, 40)


def test_requests_that_fail_at_once_do_not_make_the_others_slow(tmp_path: Path) -> None:
    rows = attempts(
        60, lambda _: 30, lambda s: 2 if _middle(s) else 90,
        lambda s: "failed" if _middle(s) else "approved",
    )  # fmt: skip
    window, _ = _window(tmp_path / "run", requests=rows)
    assert _covers(window, 20, 40)
    assert not {"latency_us_p50", "latency_us_p95"} & set(window.scores)


@pytest.mark.parametrize("begin_s", [0, 4])
def test_requests_that_fail_from_the_start_are_an_anomaly(begin_s: int, tmp_path: Path) -> None:
    rows = attempts(
        60, lambda _: 20, lambda _: 50, lambda s: "failed" if s >= begin_s else "approved"
    )  # fmt: skip
    found = diagnose(write_run(tmp_path / "run", requests=rows))
    assert _covers(found.window, begin_s, 60)
    assert "fail" in found.as_json()["verdict"]


def test_one_failure_in_two_hundred_all_the_time_is_no_anomaly(tmp_path: Path) -> None:
    rows = attempts(60, lambda _: 100, lambda _: 50)
    for number in range(0, len(rows), 200):
        rows[number]["outcome"] = "failed"
    assert not _window(tmp_path / "run", requests=rows)[0].found


@pytest.mark.parametrize(("rate", "minutes"), [(0.2, 30), (1.0, 4)])
def test_minutes_of_failures_in_a_day_are_found(rate: float, minutes: int, tmp_path: Path) -> None:
    begin, end = 40_000, 40_000 + minutes * 60
    rows = attempts(
        DAY_S, lambda _: rate, lambda _: 50, lambda s: "failed" if begin <= s < end else "approved",
        step_s=10,
    )  # fmt: skip
    window, bucket_s = _window(tmp_path / "run", requests=rows)
    assert _covers(window, begin, end, 2 * bucket_s)


@pytest.mark.parametrize(("hours", "minutes"), [(24, 8), (12, 2)])
def test_minutes_of_lock_waits_in_a_long_log_are_found(
    hours: int, minutes: int, tmp_path: Path
) -> None:
    log, begin = Log(), 20_000
    for second in range(0, hours * 3600, 20):
        log.duration(second, "background", 1, 150.0, "SELECT 1")
    for number in range(minutes * 60):
        pid = 20 + number % 20
        told = {"query": "UPDATE accounts"}
        log.waiting(begin + number + 0.1, f"w{pid}", pid, f"transaction {number}", [100], **told)
        log.acquired(begin + number + 9, f"w{pid}", pid, f"transaction {number}", 9_000.0, **told)
    log.add(hours * 3600, "background", 1, "x")
    window, bucket_s = _window(tmp_path / "run", pg_log=log.records)
    assert _covers(window, begin, begin + minutes * 60, 2 * bucket_s)


def test_samples_every_five_seconds_are_enough(tmp_path: Path) -> None:
    rows = []
    for second in range(0, 360, 5):
        rows.append(sample(second, 1, query="SELECT 1"))
        if 120 <= second < 240:
            rows += [sample(second, pid, (10,)) for pid in range(20, 30)]
    window, bucket_s = _window(tmp_path / "run", pg_activity=rows)
    assert bucket_s == 5
    assert _covers(window, 120, 240, 5)


def test_a_counter_that_the_server_does_not_have_is_unknown_not_zero(tmp_path: Path) -> None:
    counters = [
        {"sampled_at": at(second), "view": "pg_stat_user_tables", "object": "public.accounts",
         "metric": "seq_tup_read", "value": 10.0 * second}
        for second in range(60)
    ]  # fmt: skip
    samples = [sample(second, 1, query="SELECT 1") for second in range(60)]
    case = open_case(write_run(tmp_path / "run", pg_activity=samples, pg_counters=counters))
    frame = series(case)
    assert frame["wal_bytes"].isna().all()
    assert frame["seq_tup_read"].max() == 10.0


def test_trouble_that_lasts_to_the_end_ends_with_the_record(tmp_path: Path) -> None:
    rows = attempts(60, lambda _: 20, lambda s: 900 if s >= 40 else 50)
    window, _ = _window(tmp_path / "run", requests=rows)
    assert _covers(window, 40, 61, 1.5)


def test_the_last_second_of_a_log_counts(tmp_path: Path) -> None:
    log = Log()
    for second in range(61):
        log.duration(second, "s", 1, 150.0, "SELECT 1")
    for pid in range(10):
        log.error(60, f"c{pid}", 100 + pid, "53300", "sorry, too many clients already")
    found = diagnose(write_run(tmp_path / "run", pg_log=log.records))
    assert found.case.bucket_of(found.case.end) < found.case.buckets


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (at(40), at(20), "ends before it starts"),
        (at(-DAY_S), at(20 - DAY_S), "outside the record"),
        (at(DAY_S), at(DAY_S + 20), "outside the record"),
        (at(20).replace(tzinfo=None), at(40).replace(tzinfo=None), "without a time zone"),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused(
    start: dt.datetime, end: dt.datetime, words: str, tmp_path: Path
) -> None:
    rows = attempts(60, lambda _: 20, lambda s: 900 if _middle(s) else 50)
    with pytest.raises(UsageFault, match=words):
        _window(tmp_path / "run", (start, end), requests=rows)


@pytest.mark.parametrize("a_second", [0.1, 0.4])
def test_a_steady_trickle_of_deadlocks_is_no_anomaly(a_second: float, tmp_path: Path) -> None:
    dice = np.random.default_rng(7)
    log = Log()
    for second in range(600):
        log.duration(second, "s", 1, 150.0, "SELECT 1")
        for number in range(dice.poisson(a_second)):
            log.error(second + 0.1 * number, f"d{second}", 50, "40P01", "deadlock detected")
    assert not _window(tmp_path / "run", pg_log=log.records)[0].found


def test_a_burst_of_deadlocks_after_a_pause_is_one(tmp_path: Path) -> None:
    log = Log()
    for second in range(60):
        log.duration(second, "s", 1, 150.0, "SELECT 1")
        if _middle(second):
            log.error(second + 0.5, f"d{second}", 50, "40P01", "deadlock detected")
    window, _ = _window(tmp_path / "run", pg_log=log.records)
    assert _covers(window, 20, 40)


def test_waiting_that_swings_slowly_is_no_anomaly() -> None:
    dice = np.random.default_rng(3)
    level = np.zeros(900)
    for bucket in range(1, level.size):  # an autoregressive series: long memory, small steps
        level[bucket] = 0.9 * level[bucket - 1] + dice.normal(0, 2)
    assert deviations(30.0 + level, "log_wait_sessions", 1_800.0, bucket_s=2).max() < 5
    level[300:500] += 60
    assert np.median(deviations(30.0 + level, "log_wait_sessions", 1_800.0)[300:500]) > 8
