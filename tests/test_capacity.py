"""Scalability law, queueing laws, effects with intervals, and a model that must prove itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.capacity import answers, counterfactual, effects, model, queueing, scale, usl
from analysis.capacity.store import TABLES
from runlog.errors import BadData

STEPS = np.repeat([1, 2, 4, 8, 16, 32, 64], 5)


@pytest.mark.parametrize(
    ("rate", "sigma", "kappa"),
    [(100.0, 0.05, 0.001), (40.0, 0.2, 0.0005), (900.0, 0.02, 0.0002), (25.0, 0.1, 0.005)],
)
def test_the_law_is_recovered_within_ten_percent_from_noisy_data(rate, sigma, kappa):
    noise = np.random.default_rng(7).normal(1, 0.01, size=len(STEPS))
    fit = usl.fit_usl(STEPS, usl.usl(STEPS, rate, sigma, kappa) * noise)
    assert fit.rate.value == pytest.approx(rate, rel=0.1)
    assert fit.sigma.value == pytest.approx(sigma, rel=0.1)
    assert fit.kappa.value == pytest.approx(kappa, rel=0.1)
    assert fit.peak_n == pytest.approx(math.sqrt((1 - sigma) / kappa), rel=0.1)
    for estimate, truth in ((fit.rate, rate), (fit.sigma, sigma), (fit.kappa, kappa)):
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.low <= truth * 1.05
        assert estimate.high >= truth * 0.95


def test_a_law_without_coherency_has_no_peak_and_a_ceiling():
    fit = usl.fit_usl(STEPS, usl.usl(STEPS, 30.0, 0.5, 0.0))
    assert fit.peak_n is None
    for found, truth in ((fit.ceiling, 60.0), (fit.knee_n, 2.0)):
        assert found.value == pytest.approx(truth, rel=0.05)
        assert found.low <= found.value <= found.high


def test_a_ceiling_that_the_data_do_not_bound_is_infinite_and_said_to_be():
    noise = np.random.default_rng(5).normal(1, 0.02, size=len(STEPS))
    fit = usl.fit_usl(STEPS, usl.usl(STEPS, 30.0, 0.0, 0.0) * noise)
    assert fit.ceiling.high == math.inf
    assert fit.ceiling.low > 30.0 * 64 / 2
    assert fit.peak_n is None


def test_three_steps_are_too_few_for_three_parameters():
    with pytest.raises(BadData, match="too few points"):
        usl.fit_usl([1, 2, 4], [10, 18, 30])


def test_littles_law_compares_two_measurements_and_leaves_out_what_was_cut_short():
    frame = pd.DataFrame(
        {
            "experiment": ["calm", "shed"],
            "repetition": [0, 0],
            "arrivals": [200, 200],
            "window_s": [4.0, 4.0],
            "residence_us_mean": [100_000, 100_000],
            "in_flight_mean": [6.0, 6.0],
            "shed": [0, 5],
            "timed_out": [0, 0],
        }
    )
    law = queueing.littles_law(frame)
    assert list(law["experiment"]) == ["calm"]
    assert law["by_law"].iloc[0] == pytest.approx(5.0)
    assert law["error_share"].iloc[0] == pytest.approx(0.2)


def test_a_paired_effect_has_the_interval_of_students_t():
    effect = effects.paired_effect([12.0, 14.0, 16.0], [10.0, 11.0, 12.0])
    assert effect.mean == 3.0
    assert (effect.low, effect.high) == pytest.approx(
        (3 - 4.3027 / 3**0.5, 3 + 4.3027 / 3**0.5), 1e-3
    )
    assert effect.shown


def test_one_repetition_shows_no_difference_however_large():
    effect = effects.paired_effect([1_000.0], [1.0])
    assert not effect.shown


def results(goodput: dict[str, list[float]], design: str = "lock_across_call") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "experiment": name,
                "repetition": number,
                "design": design,
                "offered_per_s": 60.0,
                "goodput_per_s": value,
            }
            for name, values in goodput.items()
            for number, value in enumerate(values)
        ]
    )


@pytest.mark.parametrize(
    ("four_fronts", "said"),
    [
        ([20.1, 19.8, 20.3, 20.0, 19.9], "did not raise goodput"),
        ([40.1, 39.8, 40.3, 40.0, 39.9], "raised goodput**"),
        ([10.1, 9.8, 10.3, 10.0, 9.9], "lowered goodput"),
        ([10.0, 30.0, 20.0, 35.0, 15.0], "not shown to raise goodput**, nor is a rise ruled out"),
    ],
)
def test_the_sentence_on_fronts_follows_the_data(four_fronts, said):
    base = [20.0, 20.2, 19.9, 20.1, 19.8]
    frame = effects.goodput_effects(results({"locked": base, "locked-fronts-4": four_fronts}))
    assert said in answers.fronts_sentence(frame)


def test_an_interval_across_zero_is_never_called_a_difference():
    frame = effects.goodput_effects(
        results({"locked": [20.0, 10.0, 30.0], "locked-shedding": [25.0, 14.0, 20.0]})
    )
    assert "No difference shown" in answers.answer(frame.iloc[0])
    worse = effects.goodput_effects(
        results({"locked": [20.0, 21.0, 19.0], "locked-shedding": [10.0, 11.5, 8.7]})
    )
    assert "made things worse" in answers.answer(worse.iloc[0])


def exponential_model(mean_s: float) -> model.Model:
    samples = np.random.default_rng(3).exponential(mean_s, size=4_000)
    samples *= mean_s / samples.mean()
    kind = model.Kind("all", 1.0, 1, [float(v) for v in samples], [0.0], [0.0])
    return model.Model("lock_across_call", ("made up",), ((kind,),))


def test_the_simulation_agrees_with_the_theory_of_one_server():
    # M/M/1: the time in the system is exponential with mean 1 / (mu - lambda)
    made = exponential_model(0.02)
    said = model.predict(made, 25.0, model.Watch(warm_up_s=10, window_s=100, replications=6))
    assert said["busy_share"] == pytest.approx(0.5)
    assert said["latency_us_p95"] / 1e6 == pytest.approx(-math.log(0.05) / (50 - 25), rel=0.15)
    assert said["latency_us_p50"] / 1e6 == pytest.approx(math.log(2) / (50 - 25), rel=0.15)


def validation(latency_error: float, below_knee: bool = True) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "below_knee": [below_knee] * 3,
            "throughput_error": [0.02] * 3,
            "latency_error": [latency_error] * 3,
        }
    )


def test_a_model_that_fails_its_validation_predicts_nothing():
    assert model.believed(validation(0.19))
    assert not model.believed(validation(0.21))
    assert not model.believed(validation(0.01, below_knee=False))
    assert not model.believed(validation(0.01).head(0))
    models = {"phased": exponential_model(0.01)}
    assert scale.internet_scale(models, {"phased": False}, {"phased": 0.3}).empty
    shown = scale.internet_scale(models, {"phased": True}, {"phased": 0.1})
    assert shown["rows_needed"].iloc[0] == math.ceil(20_000 * 0.01 / 0.7)


def measured_load(made: model.Model, offered_per_s: float, slower: float) -> pd.DataFrame:
    """A load of 30 windows of two seconds, as a sweep has it: the model itself, made slower."""
    rows = []
    for number in range(30):
        watch = model.Watch(window_s=2.0, replications=1)
        latencies = (
            model._simulate(made.windows[0], offered_per_s, watch, 1_000 + number) * 1e6 * slower
        )
        p50, p95 = np.percentile(latencies, [50, 95])
        rows.append(
            {
                "experiment": f"load-{offered_per_s:g}",
                "purpose": "validation",
                "design": made.design,
                "offered_per_s": offered_per_s,
                "arrivals": offered_per_s * 2,
                "window_s": 2.0,
                "throughput_per_s": offered_per_s,
                "latency_us_p50": p50,
                "latency_us_p95": p95,
            }
        )
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("slower", "error"), [(1.0, 0.0), (2.0, 0.5)])
def test_the_error_of_a_held_out_load_is_how_far_the_windows_lie_from_the_prediction(slower, error):
    made = exponential_model(0.02)
    loads = pd.concat([measured_load(made, 20.0, slower), measured_load(made, 48.0, slower)])
    found = model.validate(made, loads)
    assert list(found["below_knee"]) == [True, False]
    calm = found.iloc[0]
    assert calm["latency_error"] == pytest.approx(error, abs=0.12)
    assert calm["latency_ms_p95_low"] <= calm["latency_ms_p95"] <= calm["latency_ms_p95_high"]
    assert model.believed(found) == (slower == 1.0)


def test_who_gives_up_counts_with_its_wait_not_more():
    endless = exponential_model(5.0)
    said = model.predict(endless, 2.0, model.Watch(replications=2, patience_s=1.5))
    assert said["latency_us_p95"] == 1_500_000


def test_a_payment_keeps_the_row_longer_than_an_arrival_of_the_mix():
    paying = exponential_model(0.02).windows[0][0]
    other = model.Kind("other", 0.2, 0, [0.0], [0.0], [0.1])
    mixed = model.Model("phased", (), ((replace(paying, share=0.8), other),))
    assert mixed.row_s == pytest.approx(0.016)
    assert mixed.payment_row_s == pytest.approx(0.020)


def service_times(design: str) -> pd.DataFrame:
    """Requests whose times are known: statement 2 ms, hold or commit 10 ms, gateway 40 ms."""
    locked = design == "lock_across_call"
    rows = []
    for number in range(100):
        charged = number % 2 == 0
        gateway = 40_000 if charged else 0
        visits = 1 if locked or not charged else 2
        commit = 10_000 * visits
        tx = 2_000 + commit + (gateway if locked else 0)
        rows.append(
            {
                "experiment": "low",
                "repetition": 0,
                "request_id": f"r{number}",
                "operation": "card_payment",
                "auto_charged": charged,
                "latency_us": tx + (0 if locked else gateway),
                "tx_us": tx,
                "first_us": 2_000,
                "gateway_us": gateway,
                "commit_us": commit,
                "visits": visits,
            }
        )
    return pd.DataFrame(rows)


def test_holding_the_lock_across_the_call_makes_the_row_busy_for_the_gateway_too():
    locked = model.calibrate(service_times("lock_across_call"), "lock_across_call", ("low",))
    phased = model.calibrate(service_times("phased"), "phased", ("low",))
    assert locked.row_s == pytest.approx(0.5 * 0.050 + 0.5 * 0.010)
    assert phased.row_s == pytest.approx(0.5 * 2 * 0.010 + 0.5 * 0.010)
    assert model.predict(phased, 1.0)["latency_us_p95"] == pytest.approx(62_000, rel=0.1)


def test_what_is_not_locked_becomes_delay_and_no_time_is_lost():
    whole = model.calibrate(service_times("phased"), "phased", ("low",))
    part = model.locked_share(whole, 0.7)
    assert part.row_s == pytest.approx(0.7 * whole.row_s)
    for a, b in zip(whole.windows[0], part.windows[0], strict=True):
        total = [np.mean(k.hold_s) * k.visits + np.mean(k.delay_s) for k in (a, b)]
        assert total[0] == pytest.approx(total[1])


def test_one_window_in_which_the_machine_was_busy_does_not_decide():
    calm = [service_times("phased").assign(repetition=n) for n in range(4)]
    late = {n: calm[0][n] * 20 for n in ("latency_us", "tx_us", "commit_us")}
    busy = calm[0].assign(repetition=4, **late)
    alone = model.calibrate(pd.concat(calm), "phased", ("low",))
    spoilt = model.calibrate(pd.concat([*calm, busy]), "phased", ("low",))
    assert spoilt.row_s == pytest.approx(alone.row_s)
    assert spoilt.payment_row_s == pytest.approx(alone.payment_row_s)
    p95 = [model.predict(m, 5.0)["latency_us_p95"] for m in (alone, spoilt)]
    assert p95[1] == pytest.approx(p95[0], rel=0.05)


def test_too_few_requests_calibrate_nothing():
    with pytest.raises(BadData, match="too few requests"):
        model.calibrate(service_times("phased").head(29), "phased", ("low",))


def timeline(variant: str, after: int) -> list[dict]:
    return [
        {
            "study": "metastability",
            "variant": variant,
            "repetition": 0,
            "second": second,
            "intentions": 10,
            "attempts": 10 if second < 5 else 30,
            "good": 10 if second < 5 else 2 if second < 8 else after,
        }
        for second in range(26)
    ]


def test_goodput_that_stays_away_after_the_trigger_is_told_from_goodput_that_returns():
    frame = pd.DataFrame(timeline("no retries", 10) + timeline("at once, 12 times", 3))
    found = counterfactual.goodput_after(frame).set_index("variant")
    assert list(found["returned"]) == [True, False]
    assert found.loc["at once, 12 times", "after"] == pytest.approx(0.3)
    said = answers.policy_sentence(found.reset_index())
    assert "returned under “no retries”, and did not under “at once, 12 times”" in said


def test_a_policy_under_which_goodput_returned_only_sometimes_is_not_said_to_fail():
    frame = pd.DataFrame(timeline("no retries", 10) + timeline("at once, 12 times", 3))
    again = pd.DataFrame(timeline("at once, 12 times", 10)).assign(repetition=1)
    said = answers.policy_sentence(counterfactual.goodput_after(pd.concat([frame, again])))
    assert "did not" not in said
    assert "returned in some runs only under “at once, 12 times”" in said


def test_nothing_measured_is_said_and_never_a_fault():
    empty = pd.DataFrame(columns=list(TABLES["timelines"]))
    goodput = counterfactual.goodput_after(empty)
    mitigation = counterfactual.mitigation_effects(pd.DataFrame(columns=list(TABLES["outcomes"])))
    assert answers.policy_sentence(goodput) == "Metastability was not measured."
    assert answers.study_sentences(mitigation, goodput) == [
        "Neither study was measured in this sweep."
    ]


def test_mitigation_is_compared_with_never_within_the_same_repetition():
    rows = [
        {"study": "mitigation", "variant": v, "repetition": r, "paid": p, "denied": d}
        | {"refunds_due": due, "refund_jpy": due * 100}
        for v, r, p, d, due in (
            ("15:10", 0, 130, 20, 1),
            ("15:10", 1, 150, 22, 3),
            ("never", 0, 100, 0, 10),
            ("never", 1, 110, 0, 12),
        )
    ]
    found = counterfactual.mitigation_effects(pd.DataFrame(rows)).set_index("variant")
    early = found.loc["15:10"]
    assert (early["payments_saved"], early["payments_saved_low"]) == (35, 30)
    assert (early["refunds_avoided"], early["denied"]) == (9, 21)
    said = answers.mitigation_sentences(found.reset_index())
    assert len(said) == 1
    assert "+35 (+30 to +40) payments that came through" in said[0]


def test_every_moment_of_the_switch_off_is_on_the_scenarios_clock():
    from reference_engine.scenario import load_scenario

    variants = counterfactual.mitigation_variants(load_scenario("kyash-2018-11-03").text)
    assert [v.name for v in variants] == ["15:10", "16:00", "18:18", "never"]
    assert ["at_s = 38.000" in v.text for v in variants] == [False, False, True, False]
    assert "auto_charge" not in variants[-1].text


def test_a_scenario_without_a_mitigation_has_no_counterfactual():
    from reference_engine.scenario import load_scenario

    with pytest.raises(BadData, match="no single mitigation"):
        counterfactual.mitigation_variants(load_scenario("healthy").text)
