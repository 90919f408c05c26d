"""Burn rates against a brute-force reference for every minute, and what follows from them."""

from __future__ import annotations

import datetime as dt
import math

import pandas as pd
import pytest
from run_maker import attempt, event, write_run

from analysis import slo, timeline
from analysis.paths import find_run
from runlog.reader import open_run

SLOW_MS = 1000.0
OBJECTIVE = 0.999


@pytest.fixture(scope="module", params=["kyash-2018-10-09", "healthy"])
def recorded(request):
    run = open_run(find_run(request.param))
    yield timeline.measure(run)
    run.close()


def raw_attempts(measured):
    """(minute of the incident clock, bad) of every attempt, from the raw requests table."""
    rows = measured.con.execute("SELECT finished_at, scheduled_at, outcome FROM requests").df()
    passed = (rows["finished_at"] - pd.Timestamp(measured.origin)) / pd.Timedelta(microseconds=1)
    took = (rows["finished_at"] - rows["scheduled_at"]) / pd.Timedelta(milliseconds=1)
    bad = ~rows["outcome"].isin(["approved", "declined"]) | (took > SLOW_MS)
    return (passed / measured.clock.minute_us).to_numpy(), bad.to_numpy()


def brute_force(minute, bad, end_minute, window_min):
    """Burn rate at the end of a minute, counted anew over every attempt."""
    inside = (minute < end_minute + 1) & (minute >= end_minute + 1 - window_min)
    if not inside.any():
        return math.nan
    return bad[inside].mean() / (1 - OBJECTIVE)


def test_burn_rates_equal_brute_force_for_every_minute(recorded):
    rates = slo.burn_rates(slo.minutes(recorded, SLOW_MS), OBJECTIVE)
    assert len(rates) == int(recorded.end_us // recorded.clock.minute_us) + 1
    ended, bad = raw_attempts(recorded)
    for window in slo.WINDOWS_MIN:
        for minute, burn in zip(rates["minute"], rates[f"burn_{window}min"], strict=True):
            expected = brute_force(ended, bad, minute, window)
            same = math.isnan(burn) and math.isnan(expected)
            assert same or burn == pytest.approx(expected, rel=1e-9), (minute, window)


def test_a_rule_fires_only_while_both_windows_burn(recorded):
    rates = slo.burn_rates(slo.minutes(recorded, SLOW_MS), OBJECTIVE)
    for rule in slo.RULES:
        both = (rates[f"burn_{rule.long_min}min"] >= rule.burn) & (
            rates[f"burn_{rule.short_min}min"] >= rule.burn
        )
        assert rates[f"fires_{rule.name}"].tolist() == both.tolist()


def test_rules_are_those_of_the_sre_workbook():
    found = [(r.burn, r.long_min, r.short_min, r.response) for r in slo.RULES]
    assert found == [(14.4, 60, 5, "page"), (6.0, 360, 30, "page"), (1.0, 4320, 360, "ticket")]
    assert [r.label for r in slo.RULES] == [
        "1 h and 5 min at 14.4×",
        "6 h and 30 min at 6×",
        "3 d and 6 h at 1×",
    ]


@pytest.fixture
def hour(tmp_path):
    """Two hours at one attempt a minute; every attempt from minute 60 to 69 fails."""
    rows = [
        attempt(n, 60 * n + 30, 0.1, "failed" if 60 <= n < 70 else "approved") for n in range(120)
    ]
    marks = [event(3600, "load"), event(4200, "recovery")]
    run = open_run(write_run(tmp_path / "hour", rows, marks))
    yield timeline.measure(run)
    run.close()


def test_time_to_detect_is_known_to_the_minute(hour):
    rates = slo.burn_rates(slo.minutes(hour, SLOW_MS), OBJECTIVE)
    span, rule = slo.time_to_detect(hour, rates)
    assert (span.min, span.max) == (0, 1)
    assert rule == "1 h and 5 min at 14.4×"
    assert slo.false_pages(hour, rates) == 0


def test_time_to_recover_is_known_to_the_shortest_window(hour):
    rates = slo.burn_rates(slo.minutes(hour, SLOW_MS), OBJECTIVE)
    span = slo.time_to_recover(hour, rates)
    assert (span.min, span.max) == (9, 14)
    assert slo.minutes_breached(rates) == 14


def test_a_page_before_the_trouble_is_a_false_one(tmp_path):
    rows = [attempt(n, 60 * n + 30, 0.1, "failed" if n < 3 else "approved") for n in range(90)]
    run = open_run(write_run(tmp_path / "early", rows, [event(3600, "load")]))
    measured = timeline.measure(run)
    rates = slo.burn_rates(slo.minutes(measured, SLOW_MS), OBJECTIVE)
    assert slo.false_pages(measured, rates) > 0
    run.close()


def test_an_alert_that_never_fires_has_no_time(tmp_path):
    rows = [attempt(n, 60 * n + 30, 0.1) for n in range(90)]
    run = open_run(write_run(tmp_path / "calm", rows, [event(3600, "load")]))
    measured = timeline.measure(run)
    rates = slo.burn_rates(slo.minutes(measured, SLOW_MS), OBJECTIVE)
    assert slo.time_to_detect(measured, rates) == (slo.Span(None, None), "")
    assert slo.time_to_recover(measured, rates).max is None
    run.close()


def test_a_run_still_burning_at_its_end_has_not_recovered(tmp_path):
    rows = [attempt(n, 60 * n + 30, 0.1, "failed" if n >= 60 else "approved") for n in range(90)]
    run = open_run(write_run(tmp_path / "burning", rows, [event(3600, "load")]))
    measured = timeline.measure(run)
    rates = slo.burn_rates(slo.minutes(measured, SLOW_MS), OBJECTIVE)
    assert slo.time_to_recover(measured, rates).max is None
    run.close()


def test_a_late_answer_is_bad_and_a_declined_one_is_good(tmp_path):
    rows = [attempt(1, 1, 2.0), attempt(2, 2, 0.1, "declined"), attempt(3, 3, 0.1, "shed")]
    run = open_run(write_run(tmp_path / "late", rows))
    frame = slo.minutes(timeline.measure(run), SLOW_MS)
    assert (frame["total"].sum(), frame["bad"].sum()) == (3, 2)
    run.close()


def test_windows_shrink_with_the_clock_of_the_run(tmp_path):
    start = dt.datetime(2018, 10, 9, 5, 0, tzinfo=dt.UTC)
    rows = [attempt(n, n, 0.1) for n in range(10)]
    out = write_run(tmp_path / "fast", rows, compression=120, scenario_start=start)
    run = open_run(out)
    measured = timeline.measure(run)
    assert slo.window_in_run(measured, 60) == dt.timedelta(seconds=30)
    frame = slo.minutes(measured, SLOW_MS)
    assert frame["at"].iloc[0] == start + dt.timedelta(minutes=1)
    assert frame["total"].tolist()[:3] == [1, 0, 1]
    run.close()


def test_coverage_of_a_window_grows_from_the_start_of_the_run(hour):
    rates = slo.burn_rates(slo.minutes(hour, SLOW_MS), OBJECTIVE)
    assert rates["covered_60min"].tolist()[:2] == [1 / 60, 2 / 60]
    assert rates["covered_60min"].iloc[-1] == 1
    assert rates["covered_4320min"].iloc[-1] < 0.05


def test_budget_spent_is_the_share_of_thirty_days(hour):
    frame = slo.minutes(hour, SLOW_MS)
    expected = (10 / 120) / 0.001 * len(frame) / 43200
    assert slo.budget_spent(frame, OBJECTIVE) == pytest.approx(expected)


@pytest.mark.parametrize("objective", [0, 1, 99.9, -1])
def test_an_objective_that_is_no_share_is_refused(hour, objective):
    with pytest.raises(ValueError, match="no share"):
        slo.burn_rates(slo.minutes(hour, SLOW_MS), objective)
