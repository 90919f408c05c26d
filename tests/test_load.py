"""The schedule: decided by the seed alone, faithful to phases and surges."""

from __future__ import annotations

from collections import Counter

import pytest

from reference_engine.load import build_schedule, offered_rate
from reference_engine.scenario import load_scenario, scenario_names
from reference_engine.scenario_model import Phase, Scenario
from runlog.errors import BadData


def scenario(**changes: object) -> Scenario:
    return load_scenario("healthy").model_copy(update=changes)


@pytest.mark.parametrize("name", scenario_names())
def test_the_same_seed_gives_the_same_bytes(name: str) -> None:
    first, second = (build_schedule(load_scenario(name)).to_bytes() for _ in range(2))
    assert first == second
    assert build_schedule(load_scenario(name), seed=1).to_bytes() != first


def test_the_recorded_seed_still_gives_the_recorded_schedule() -> None:
    first = build_schedule(load_scenario("healthy")).all[0]
    assert (first.request_id, first.idempotency_key) == ("r0000000", "133f009-0000000")
    assert first.operation in ("card_payment", "p2p_transfer", "top_up", "balance_inquiry")


def test_arrivals_are_in_order_and_within_the_run() -> None:
    schedule = build_schedule(scenario())
    offsets = [a.offset_us for a in schedule.all]
    assert offsets == sorted(offsets)
    assert offsets[0] >= 0
    assert offsets[-1] < scenario().duration_s * 1e6


def test_the_fronts_slices_are_the_whole_schedule_once() -> None:
    schedule = build_schedule(scenario())
    slices = [schedule.arrivals(front, 3) for front in range(3)]
    joined = sorted((a for part in slices for a in part), key=lambda a: a.request_id)
    assert joined == schedule.all
    assert max(map(len, slices)) - min(map(len, slices)) <= 1


def test_request_ids_and_keys_are_unique() -> None:
    arrivals = build_schedule(scenario()).all
    assert len({a.request_id for a in arrivals}) == len(arrivals)
    assert len({a.idempotency_key for a in arrivals}) == len(arrivals)


def test_rates_follow_ramps_and_surges() -> None:
    mix = {"balance_inquiry": 1.0}
    ramp = Phase.model_validate(
        {"label": "x", "start_s": 0.0, "end_s": 10.0, "rate_per_s": [0.0, 100.0], "mix": mix}
    )
    ramped = scenario(phases=(ramp,), duration_s=10.0)
    assert offered_rate(ramped, 5.0) == 50.0
    count = len(build_schedule(ramped))
    assert 400 <= count <= 600  # 500 expected, Poisson
    kyash = load_scenario("kyash-2018-10-09")
    assert offered_rate(kyash, 20.0) == 9 * offered_rate(kyash, 1.0)


def test_the_mix_of_operations_is_what_the_phase_says() -> None:
    arrivals = build_schedule(scenario()).all
    shares = Counter(a.operation for a in arrivals)
    assert abs(shares["card_payment"] / len(arrivals) - 0.62) < 0.04
    assert abs(shares["top_up"] / len(arrivals) - 0.08) < 0.03


def test_nobody_sends_to_oneself_and_everybody_exists() -> None:
    people = scenario().population
    for arrival in build_schedule(scenario()).all:
        assert 1 <= arrival.wallet_id <= people.wallets
        if arrival.operation == "p2p_transfer":
            assert arrival.counterparty_id is not None
            assert 1 <= arrival.counterparty_id <= people.wallets
            assert arrival.counterparty_id != arrival.wallet_id
        if arrival.operation == "card_payment":
            assert arrival.counterparty_id is not None
            assert 1 <= arrival.counterparty_id <= people.merchants
        if arrival.operation in ("top_up", "balance_inquiry"):
            assert arrival.counterparty_id is None


def test_amounts_are_whole_yen_above_zero_and_inquiries_have_none() -> None:
    largest = scenario().population.amount_jpy.largest
    for arrival in build_schedule(scenario()).all:
        if arrival.operation == "balance_inquiry":
            assert arrival.amount_jpy is None
        else:
            assert arrival.amount_jpy is not None
            assert 0 < arrival.amount_jpy <= largest


def test_a_refund_gives_back_an_earlier_payment_at_most_once() -> None:
    arrivals = build_schedule(scenario()).all
    by_key = {a.idempotency_key: a for a in arrivals}
    refunds = [a for a in arrivals if a.operation == "refund"]
    assert refunds
    assert len({a.refers_to for a in refunds}) == len(refunds)
    for refund in refunds:
        assert refund.refers_to is not None
        paid = by_key[refund.refers_to]
        assert paid.operation == "card_payment"
        assert paid.offset_us <= refund.offset_us
        assert (paid.wallet_id, paid.amount_jpy) == (refund.wallet_id, refund.amount_jpy)


def test_popularity_is_uneven_and_does_not_follow_the_number() -> None:
    many = scenario(
        population=scenario().population.model_copy(update={"merchant_zipf": 1.2}),
    )
    counts = Counter(
        a.counterparty_id for a in build_schedule(many).all if a.operation == "card_payment"
    )
    ranked = counts.most_common()
    assert ranked[0][1] > 5 * ranked[len(ranked) // 2][1]
    tops = {
        Counter(
            a.counterparty_id
            for a in build_schedule(many, seed).all
            if a.operation == "card_payment"
        ).most_common(1)[0][0]
        for seed in range(5)
    }
    assert len(tops) > 1


def test_a_phase_of_too_many_arrivals_is_refused() -> None:
    phase = scenario().phases[0].model_copy(update={"rate_per_s": (20_000.0, 20_000.0)})
    with pytest.raises(BadData, match="too many requests"):
        build_schedule(
            scenario(phases=(phase.model_copy(update={"end_s": 3_600.0}),), duration_s=3600.0)
        )
