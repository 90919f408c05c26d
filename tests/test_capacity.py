"""Scalability law, queueing laws, effects with intervals, and a model that must prove itself."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.capacity import answers, counterfactual, effects, model, queueing, scale, usl
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
    assert fit.peak_n is None or fit.peak_n > 1_000
    assert fit.ceiling == pytest.approx(60.0, rel=0.05)
    assert fit.knee_n == pytest.approx(2.0, rel=0.05)


def test_three_steps_are_too_few_for_three_parameters():
    with pytest.raises(BadData, match="too few points"):
        usl.fit_usl([1, 2, 4], [10, 18, 30])


def test_mean_value_analysis_matches_the_closed_form_of_balanced_stations():
    for row in queueing.exact_mva([0.1] * 4, 12):
        assert row.throughput_per_s == pytest.approx(row.customers / (0.1 * (row.customers + 3)))


def test_mean_value_analysis_with_thinking_obeys_its_bounds():
    rows = queueing.exact_mva([0.02, 0.01], 50, think_s=0.5)
    for row in rows:
        bound = min(row.customers / 0.53, 1 / 0.02)
        assert row.throughput_per_s <= bound + 1e-9
        assert row.customers == pytest.approx(row.throughput_per_s * (row.response_s + 0.5))
    assert rows[-1].throughput_per_s == pytest.approx(50.0, rel=0.01)


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
        ([40.1, 39.8, 40.3, 40.0, 39.9], "raised goodput by 20.0"),
        ([10.1, 9.8, 10.3, 10.0, 9.9], "did not raise goodput"),
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
    return model.Model("lock_across_call", ("made up",), (kind,))


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
    assert not model.believed(pd.DataFrame())
    models = {"phased": exponential_model(0.01)}
    assert scale.internet_scale(models, {"phased": False}, {"phased": 0.3}).empty
    shown = scale.internet_scale(models, {"phased": True}, {"phased": 0.1})
    assert shown["rows_needed"].iloc[0] == math.ceil(20_000 * 0.01 / 0.7)


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
    locked = model.calibrate(service_times("lock_across_call"), "lock_across_call", "low")
    phased = model.calibrate(service_times("phased"), "phased", "low")
    assert locked.row_s == pytest.approx(0.5 * 0.050 + 0.5 * 0.010)
    assert phased.row_s == pytest.approx(0.5 * 2 * 0.010 + 0.5 * 0.010)
    assert model.predict(phased, 1.0)["latency_us_p95"] == pytest.approx(62_000, rel=0.1)


def test_what_is_not_locked_becomes_delay_and_no_time_is_lost():
    whole = model.calibrate(service_times("phased"), "phased", "low")
    part = model.locked_share(whole, 0.7)
    assert part.row_s == pytest.approx(0.7 * whole.row_s)
    for a, b in zip(whole.kinds, part.kinds, strict=True):
        total = [np.mean(k.hold_s) * k.visits + np.mean(k.delay_s) for k in (a, b)]
        assert total[0] == pytest.approx(total[1])


def test_too_few_requests_calibrate_nothing():
    with pytest.raises(BadData, match="too few requests"):
        model.calibrate(service_times("phased").head(29), "phased", "low")


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
