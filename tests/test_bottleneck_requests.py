"""Request states, pool, Little's law, phases with intervals, and the figures that show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bottleneck_runs import at, write_run

from analysis.bottleneck import requests
from analysis.bottleneck.case import Case, open_case
from analysis.bottleneck.compare import bootstrap_change, compare_phases
from analysis.bottleneck.littles_law import littles_law
from analysis.bottleneck.robust import deviations
from analysis.bottleneck.series import series
from analysis.bottleneck.window import find_window
from analysis.charts import bottleneck as charts

SECONDS = 40
EMPTY_EVENTS = pd.DataFrame({"at": [], "kind": [], "label": [], "important": []})


def _run(folder: Path, *, in_flight: int = 2, retry: bool = False) -> Case:
    """Ten requests a second of 200 ms: 50 pool, 100 gateway, 30 statement, 10 commit, 10 front."""
    rows: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    for second in range(SECONDS):
        for number in range(10):
            start, name = second + number / 10, f"r{second}.{number}"
            rows.append({
                "request_id": name, "idempotency_key": name, "operation": "card_payment",
                "attempt": 1, "front_id": 0, "scheduled_at": at(start), "started_at": at(start),
                "finished_at": at(start + 0.2), "outcome": "approved",
            })  # fmt: skip
            stages = [("pool_wait", "acquire", 0.0, 50), ("gateway_call", "charge", 0.05, 100),
                      ("statement", "begin", 0.15, 30), ("commit", "commit", 0.18, 10)]  # fmt: skip
            spans += [
                {"request_id": name, "attempt": 1, "span": span, "name": label,
                 "started_at": at(start + offset), "duration_us": ms * 1000}
                for span, label, offset, ms in stages
            ]  # fmt: skip
    pool = [
        {"sampled_at": at(second + 1), "front_id": 0, "pool_max": 5, "pool_size": 5,
         "pool_available": 3, "requests_waiting": 1, "requests_num": 10, "requests_queued": 5,
         "requests_wait_ms": 500, "requests_errors": 0, "usage_ms": 1500, "in_flight": in_flight}
        for second in range(SECONDS)
    ]  # fmt: skip
    return open_case(write_run(folder, requests=rows, spans=spans, pool_stats=pool))


def test_each_moment_of_a_request_is_in_exactly_one_state(tmp_path: Path) -> None:
    case = _run(tmp_path / "run")
    states = requests.request_states(case, series(case)).iloc[5:35]
    means = {name: round(float(states[name].mean()), 3) for name in requests.STATES}
    assert means == {
        "queue": 0.0, "pool": 0.5, "lock": 0.0, "other database": 0.3, "commit": 0.1,
        "gateway": 1.0, "front": 0.1,
    }  # fmt: skip


def test_littles_law_agrees_when_both_records_are_complete(tmp_path: Path) -> None:
    case = _run(tmp_path / "run", in_flight=2)
    found = littles_law(case, series(case))
    assert set(found["what"]) == {"requests"}
    assert set(found["judgement"]) == {"agrees"}


def test_littles_law_finds_requests_missing_from_the_log(tmp_path: Path) -> None:
    case = _run(tmp_path / "run", in_flight=4)
    assert set(littles_law(case, series(case))["judgement"]) == {"disagrees"}


def test_a_calm_run_has_no_window(tmp_path: Path) -> None:
    case = _run(tmp_path / "run")
    assert find_window(case, series(case)).origin == "none"


def test_bootstrap_interval_covers_the_true_change_and_repeats() -> None:
    random = np.random.default_rng(1)
    before, during = random.normal(10, 1, 60), random.normal(15, 1, 60)
    low, high = bootstrap_change(before, during)
    assert low < 5 < high
    assert high - low < 2
    assert (low, high) == bootstrap_change(before, during)


def test_bootstrap_says_nothing_about_two_values() -> None:
    assert np.isnan(bootstrap_change(np.array([1.0, 2.0]), np.arange(9.0))).all()


def test_an_unchanged_measure_is_not_called_changed(tmp_path: Path) -> None:
    case = _run(tmp_path / "run")
    frame = series(case)
    given = (at(15), at(25))
    phases = compare_phases(frame, find_window(case, frame, given)).set_index("measure")
    assert not phases["changed"].any()
    assert phases.loc["arrivals", "during"] == 10.0


@pytest.mark.parametrize(
    ("measure", "share"),
    # a third of a record may be a lull in the load
    [("arrivals", 0.2), ("arrivals", 0.6), ("retries", 0.2), ("retries", 0.5), ("retries", 0.8)],
)
def test_deviation_of_a_step_does_not_depend_on_how_long_it_lasts(
    measure: str, share: float
) -> None:
    random = np.random.default_rng(2)
    values = random.poisson(20, 100).astype(float)
    odd = slice(0, round(100 * share))
    values[odd] = random.poisson(120, values[odd].size)
    found = deviations(values, measure)
    assert np.median(found[odd]) > 8
    assert np.median(found[odd.stop :]) < 2


def test_ten_milliseconds_more_are_no_anomaly() -> None:
    values = np.full(60, 3_000.0)
    values[30:] = 11_000.0
    assert deviations(values, "latency_us_p50").max() < 5


def test_charts_say_what_was_not_recorded() -> None:
    empty = pd.DataFrame({"at": []})
    figure = charts.active_sessions(empty, 2, None, EMPTY_EVENTS)
    assert figure.layout.annotations[0].text.startswith("not recorded:")
    assert len(figure.data) == 0


def test_charts_show_statement_text_as_text() -> None:
    frame = pd.DataFrame({
        "statement": ["SELECT '<script>'"], "db_time_s": [1.0], "db_time_share": [1.0],
    })  # fmt: skip
    labels = list(charts.statement_time(frame).data[0].y)
    assert labels == ["1. SELECT '&lt;script&gt;'"]
