"""What a run measured over time, against numbers worked out by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from run_maker import WALL, attempt, event, write_run

from analysis import changepoints, timeline
from analysis.outage import frames, lanes, show, words
from analysis.outage.case import open_outage
from analysis.paths import find_run
from runlog.errors import BadData, UsageFault
from runlog.reader import open_run

KYASH = "kyash-2018-10-09"
START = dt.datetime(2018, 10, 9, 5, 0, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def recorded():
    run = open_run(find_run(KYASH))
    yield timeline.measure(run)
    run.close()


@pytest.fixture
def small(tmp_path):
    """Nine attempts in six seconds: trouble from 2 s to 4 s, a mitigation at 3 s."""
    rows = [
        attempt(1, 0.1, 0.010),
        attempt(2, 1.0, 0.020, needs_auto_charge=True),
        attempt(3, 2.0, 0.500, waited_s=0.4),
        attempt(4, 2.5, 0.001, "shed"),
        attempt(5, 2.6, 2.000, "timed_out", needs_auto_charge=None),
        attempt(6, 3.2, 0.300, "failed", needs_auto_charge=True),
        attempt(7, 3.4, 0.030, "declined", needs_auto_charge=True),
        attempt(8, 3.9, 0.030, key="k6", attempt=2, needs_auto_charge=True),
        attempt(9, 5.5, 0.010, operation="balance_inquiry", needs_auto_charge=None),
    ]
    marks = [event(2, "load"), event(3, "mitigation"), event(4, "recovery")]
    out = write_run(tmp_path / "small", rows, marks, compression=60, scenario_start=START)
    run = open_run(out)
    yield timeline.measure(run, 1.0)
    run.close()


def test_phases_follow_the_important_events(small):
    found = [(p.phase, p.start_us, p.end_us) for p in small.phases]
    assert found == [
        ("before", 0, 2_000_000),
        ("during", 2_000_000, 3_000_000),
        ("mitigated", 3_000_000, 4_000_000),
        ("after", 4_000_000, 5_510_001),
    ]


def test_every_attempt_is_counted_once_at_its_intended_arrival(small):
    frame = timeline.intervals(small)
    assert frame["offered"].tolist() == [1, 1, 3, 3, 0, 1]
    assert frame["retries"].tolist() == [0, 0, 0, 1, 0, 0]
    ended = frame[["approved", "declined", "failed", "timed_out", "shed"]].sum(axis=1)
    assert ended.tolist() == frame["offered"].tolist()
    assert timeline.totals(small) == {
        "offered": 9,
        "approved": 5,
        "declined": 1,
        "failed": 1,
        "timed_out": 1,
        "shed": 1,
    }


def test_incident_clock_maps_run_seconds_to_incident_minutes(small):
    frame = timeline.intervals(small)
    assert frame["at"].tolist() == [START + dt.timedelta(minutes=n) for n in range(6)]
    assert small.clock.run_us(small.incident_at(1_234_567)) == pytest.approx(1_234_567, abs=1)


def test_percentiles_ignore_shed_attempts_and_keep_timed_out_ones(small):
    frame = timeline.latency(small)
    third = frame.iloc[2]
    assert third["measured"] == 2
    assert third["response_us_p50"] == np.quantile([500_000, 2_000_000], 0.5)
    assert third["response_us_max"] == 2_000_000


def test_service_time_leaves_out_the_wait_before_work(small):
    rows = timeline.latency(small).iloc[2]
    assert rows["service_us_p50"] == np.quantile([100_000, 2_000_000], 0.5)


def test_an_interval_without_arrivals_has_no_latency_rather_than_zero(small):
    assert np.isnan(timeline.latency(small).iloc[4]["response_us_p50"])


def test_heatmap_holds_every_attempt_that_was_not_shed(small):
    matrix = timeline.heatmap(small)
    assert int(matrix.to_numpy().sum()) == 8
    assert list(matrix.columns) == [START + dt.timedelta(minutes=n) for n in range(6)]


def test_availability_is_told_for_each_function_not_as_one_number(small):
    frame = timeline.functions(small, threshold_ms=100).set_index(["phase", "label"])
    auto = frame.loc[("mitigated", "Card payment with auto-charge")]
    assert (auto["offered"], auto["answered"]) == (3, 2)
    assert frame.loc[("during", "Card payment from balance"), "availability"] == 0.5
    assert frame.loc[("during", "Card payment from balance"), "in_time"] == 0
    assert frame.loc[("during", "Card payment, funding never looked at"), "availability"] == 0
    assert frame.loc[("during", "Card payment, any funding"), "offered"] == 3


def test_declined_on_purpose_is_answered_but_not_approved(small):
    frame = timeline.functions(small, threshold_ms=100).set_index(["phase", "label"])
    row = frame.loc[("mitigated", "Card payment with auto-charge")]
    assert (row["availability"], row["approved_share"]) == (2 / 3, 1 / 3)


def test_the_price_of_a_mitigation_is_told(tmp_path):
    rows = [attempt(n, n, 0.1, "declined" if n in (7, 8) else "approved") for n in range(10)]
    out = write_run(tmp_path / "price", rows, [event(2, "load"), event(6, "mitigation")])
    said = " ".join(words.summary(open_outage("", str(out))))
    assert "After the mitigation **100.0 %** of card payments were answered" in said
    assert "50.0 % were declined" in said


def test_trouble_that_begins_with_a_notice_only_still_has_phases(tmp_path):
    marks = [event(1, "notice"), event(3, "recovery")]
    run = open_run(write_run(tmp_path / "notice", [attempt(n, n, 0.1) for n in range(5)], marks))
    assert [p.phase for p in timeline.measure(run).phases] == ["before", "during", "after"]
    run.close()


def test_a_replayed_event_out_of_scale_is_called_so(tmp_path):
    start = dt.datetime(2018, 11, 3, 6, 0, tzinfo=dt.UTC)
    marks = [event(1, "load"), event(3, "notice", important=False), event(4, "recovery")]
    rows = [attempt(n, n / 2, 0.1) for n in range(12)]
    out = write_run(
        tmp_path / "scale",
        rows,
        marks,
        compression=60,
        scenario_start=start,
        incident="kyash-2018-11-03",
    )
    frame = frames.milestones(open_outage("kyash-2018-11-03", str(out))).set_index("milestone")
    assert "not true to scale" in frame.loc["Restored", "how"]
    assert frame.loc["First notice", "run"] == "2 min"


def test_a_retried_intention_counts_once_as_intention_and_twice_as_attempt(small):
    frame = timeline.functions(small, threshold_ms=100).set_index(["phase", "label"])
    row = frame.loc[("mitigated", "Card payment with auto-charge")]
    assert (row["offered"], row["intentions"], row["intentions_answered"]) == (3, 2, 2)


def test_function_intervals_for_any_funding_add_up(recorded):
    frame = timeline.function_intervals(recorded)
    whole = frame[frame["funding"].isin(["all", ""])]["offered"].sum()
    assert whole == timeline.totals(recorded)["offered"]


def test_ecdf_ends_at_the_largest_latency_of_each_phase(small):
    frame = timeline.ecdf(small)
    assert frame.groupby("phase")["response_us"].max().to_dict() == {
        "before": 20_000,
        "during": 2_000_000,
        "mitigated": 300_000,
        "after": 10_000,
    }


def test_recorded_run_is_accounted_for_completely(recorded):
    totals = timeline.totals(recorded)
    assert totals["offered"] == recorded.run.rows("requests")
    assert sum(v for k, v in totals.items() if k != "offered") == totals["offered"]
    assert timeline.phase_table(recorded)["offered"].sum() == totals["offered"]


def test_recorded_percentile_equals_numpy(recorded):
    rows = recorded.con.execute(
        "SELECT epoch_us(finished_at) - epoch_us(scheduled_at) AS us FROM requests "
        "WHERE outcome <> 'shed'"
    ).df()["us"]
    frame = timeline.ecdf(recorded)
    assert frame["response_us"].max() == rows.max()
    total = timeline.phase_table(recorded)
    assert total["response_us_p99"].max() <= rows.max()


def test_a_run_without_events_is_one_phase(tmp_path):
    run = open_run(write_run(tmp_path / "plain", [attempt(1, 0, 0.1)]))
    measured = timeline.measure(run)
    assert [p.phase for p in measured.phases] == ["whole run"]
    assert not measured.clock.has_incident_time
    assert measured.incident_at(0) == WALL
    run.close()


def test_a_run_without_requests_is_refused(tmp_path):
    run = open_run(write_run(tmp_path / "empty", []))
    with pytest.raises(BadData, match="run without requests"):
        timeline.measure(run)
    run.close()


def test_automatic_width_gives_a_readable_number_of_intervals(recorded):
    assert 40 <= recorded.buckets <= 121


def test_change_points_find_a_step_and_nothing_in_noise():
    rng = np.random.default_rng(7)
    import pandas as pd

    flat = pd.DataFrame({c: rng.normal(4, 0.1, 80) for c in changepoints.SERIES})
    assert changepoints.detect(flat) == []
    stepped = flat + np.where(np.arange(80) < 40, 0, 1.5)[:, None]
    assert changepoints.detect(stepped) == [40]


def test_change_points_of_the_surge_meet_its_events(recorded):
    found = changepoints.detect(changepoints.series(recorded))
    scored = changepoints.score(recorded, found, 0.0)
    assert scored["verdict"].tolist()[:2] == ["found", "found"]
    assert len(scored) == max(2, len(found))


def test_healthy_run_has_no_change_point():
    run = open_run(find_run("healthy"))
    assert changepoints.detect(changepoints.series(timeline.measure(run))) == []
    run.close()


def test_an_event_far_from_any_change_is_missed_and_the_change_is_extra(small):
    scored = changepoints.score(small, [5], 0.5)
    assert scored["verdict"].tolist() == ["missed", "missed", "missed", "extra"]


def test_report_has_both_record_and_run():
    outage = open_outage(KYASH, KYASH)
    text = show.check_lines(outage)
    assert "216 min (206 to 226)" in text
    assert "attempts: offered" in text
    sentences = " ".join(words.summary(outage))
    assert "HYPOTHESIS" in sentences and "No single availability" in sentences


def test_measured_lanes_lie_on_the_incident_clock():
    outage = open_outage(KYASH, KYASH)
    bars = lanes.lane_bars(outage)
    measured = bars[bars["lane"].str.startswith("Measured")]
    assert measured["starts_earliest"].min() >= START
    assert (measured["ends_latest"] > measured["starts_latest"]).all()
    record = bars[~bars["lane"].str.startswith("Measured")]
    doubt = record["starts_latest"] - record["starts_earliest"]
    assert (doubt == np.timedelta64(10, "m")).all()


def test_run_of_another_incident_is_left_out_and_said_so():
    outage = open_outage("kyash-2018-11-03", KYASH)
    assert outage.measured is None
    assert "replays another incident (kyash-2018-10-09)" in words.summary(outage)[-1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "nothing to report"),
        ({"incident": "nosuch"}, "no such incident"),
        ({"run": "nosuch"}, "no such run"),
        ({"incident": KYASH, "about_min": -1}, "about_min"),
        ({"incident": KYASH, "objective_pct": 100}, "objective_pct"),
        ({"incident": KYASH, "slow_ms": 0}, "slow_ms"),
        ({"incident": KYASH, "slow_ms": float("nan")}, "slow_ms is no number"),
        ({"incident": KYASH, "bucket_s": float("inf")}, "bucket_s is no number"),
        ({"run": KYASH, "bucket_s": 0.001}, "interval too narrow"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(given, said):
    with pytest.raises(UsageFault, match=said):
        open_outage(**given)


def test_every_incident_of_the_corpus_can_be_reported():
    from analysis.incidents.store import load_corpus

    for incident in load_corpus():
        outage = open_outage(incident.id)
        for part in (show.summary, show.record, show.swim_lanes, show.functions, show.milestones):
            part(outage)
        show.ending(outage)
        said = [*words.summary(outage), *words.caveats(outage), str(show.headline(outage))]
        assert all(s.strip() and "None" not in s and "nan " not in s for s in said), incident.id


def test_window_of_a_long_tail_is_split_in_two():
    drawn = lanes.windows(open_outage("kyash-2018-11-03"))
    assert len(drawn) == 2
    assert drawn[0][1] - drawn[0][0] < dt.timedelta(hours=8)
    assert drawn[1][1] - drawn[1][0] > dt.timedelta(days=24)


@pytest.mark.parametrize("start", ["2015-07-23", "2018-10-09"])
def test_axis_says_which_clock_it_shows(start):
    outage = open_outage("kyash-2018-10-09", KYASH) if start.startswith("2018") else None
    plain = words.caption(open_outage("", "healthy"), "Seen.")
    assert plain.endswith("the run's own clock.")
    if outage is not None:
        assert words.caption(outage, "Seen.").endswith("the incident's clock.")
