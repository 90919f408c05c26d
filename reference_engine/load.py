"""Open-loop load: every arrival is decided from the seed, before the run and whatever happens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import orjson

from reference_engine.scenario_model import Amounts, FaultSpec, Phase, Scenario
from runlog.errors import BadData

OPERATIONS = ("card_payment", "p2p_transfer", "top_up", "refund", "balance_inquiry")
ARRIVALS_MAX = 5_000_000

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request as its client means it. `offset_us` counts from the start of the run.

    `wallet_id` is 1..wallets; `counterparty_id` is a merchant 1..merchants for card payments and
    refunds, a wallet for transfers, else None. `refers_to` is the key of the payment to refund.
    """

    request_id: str
    idempotency_key: str
    offset_us: int
    operation: str
    wallet_id: int
    counterparty_id: int | None
    amount_jpy: int | None
    refers_to: str | None = None


class Schedule:
    """All arrivals of a run, in order of time."""

    def __init__(self, seed: int, columns: dict[str, _Integers]) -> None:
        self.seed = seed
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns["offset_us"])

    @cached_property
    def all(self) -> list[Arrival]:
        """Every arrival, sorted by offset."""
        lists = [self.columns[name].tolist() for name in _COLUMNS]
        return [
            self._arrival(index, *values) for index, values in enumerate(zip(*lists, strict=True))
        ]

    def arrivals(self, front: int, fronts: int) -> list[Arrival]:
        """The slice one front plays: every `fronts`-th arrival, beginning with number `front`."""
        return self.all[front::fronts]

    def to_bytes(self) -> bytes:
        """The request list as JSON lines; the same seed and scenario give the same bytes."""
        return b"".join(orjson.dumps(a) + b"\n" for a in self.all)

    def _arrival(
        self, index: int, offset: int, operation: int, wallet: int, other: int, yen: int, ref: int
    ) -> Arrival:
        return Arrival(
            f"r{index:07d}",
            _key(self.seed, index),
            offset,
            OPERATIONS[operation],
            wallet,
            other or None,
            yen or None,
            _key(self.seed, ref) if ref >= 0 else None,
        )


_COLUMNS = ("offset_us", "operation", "wallet_id", "counterparty_id", "amount_jpy", "refers_to")


def _key(seed: int, index: int) -> str:
    return f"{seed:x}-{index:07d}"


def build_schedule(scenario: Scenario, seed: int | None = None) -> Schedule:
    """Return the arrivals of `scenario`: a Poisson process whose rate follows phases and surges.

    Deterministic: one seed, one list. Uses numpy's PCG64 and draws in a fixed order.
    """
    seed = scenario.seed if seed is None else seed
    rng = np.random.Generator(np.random.PCG64(seed))
    times, phase_of = _times(scenario, rng)
    count = len(times)
    people = scenario.population
    operation = np.zeros(count, dtype=np.int64)
    for index, phase in enumerate(scenario.phases):
        shares = np.array([phase.mix.get(name, 0.0) for name in OPERATIONS])  # type: ignore[call-overload]
        here = phase_of == index
        operation[here] = rng.choice(len(OPERATIONS), size=int(here.sum()), p=shares / shares.sum())
    wallet = _popular(rng, people.wallets, people.wallet_zipf, count)
    merchant = _popular(rng, people.merchants, people.merchant_zipf, count)
    friend = rng.integers(1, people.wallets, size=count)
    friend = friend + (friend >= wallet)  # anybody but oneself
    amount = _amounts(rng, people.amount_jpy, count)
    counterparty = np.select([operation == 0, operation == 1], [merchant, friend], 0)
    amount = np.where(operation == 4, 0, amount)
    columns = {
        "offset_us": np.floor(times * 1e6).astype(np.int64),
        "operation": operation,
        "wallet_id": wallet,
        "counterparty_id": counterparty,
        "amount_jpy": amount,
    }
    columns["refers_to"] = _refunds(rng, columns)
    return Schedule(seed, columns)


def offered_rate(scenario: Scenario, at_s: float) -> float:
    """Requests per second that the script offers at one moment, surges included.

    >>> from reference_engine.scenario import load_scenario
    >>> offered_rate(load_scenario("healthy"), 1.0)
    120.0
    """
    for phase in scenario.phases:
        if phase.start_s <= at_s < phase.end_s:
            share = (at_s - phase.start_s) / (phase.end_s - phase.start_s)
            base = phase.rate_per_s[0] + share * (phase.rate_per_s[1] - phase.rate_per_s[0])
            return base * math.prod(_surge(f, at_s) for f in scenario.faults)
    return 0.0


def _surge(fault: FaultSpec, at_s: float) -> float:
    """Factor by which an access surge multiplies the load at one moment; 1 outside its window."""
    if fault.name != "access_surge" or not fault.start_s <= at_s < fault.end_s:
        return 1.0
    factor, ramp = float(fault.parameters["factor"]), float(fault.parameters["ramp_s"])
    nearest = min(at_s - fault.start_s, fault.end_s - at_s)
    share = 1.0 if ramp <= 0 else min(1.0, nearest / ramp)
    return 1.0 + (factor - 1.0) * share


def _times(scenario: Scenario, rng: np.random.Generator) -> tuple[_Floats, _Integers]:
    """Arrival times by thinning a Poisson process that runs at the highest rate of each phase."""
    times: list[_Floats] = []
    phases: list[_Integers] = []
    for index, phase in enumerate(scenario.phases):
        kept = _thinned(scenario, phase, rng)
        times.append(kept)
        phases.append(np.full(len(kept), index, dtype=np.int64))
    return np.concatenate(times), np.concatenate(phases)


def _thinned(scenario: Scenario, phase: Phase, rng: np.random.Generator) -> _Floats:
    surges = [f for f in scenario.faults if f.name == "access_surge"]
    factors = [max(1.0, float(f.parameters["factor"])) for f in surges]
    highest = max(phase.rate_per_s) * math.prod(factors)
    expected = highest * (phase.end_s - phase.start_s)
    if expected > ARRIVALS_MAX:
        what = f"'{phase.label}' would offer {expected:.0f}, the limit is {ARRIVALS_MAX}"
        raise BadData("too many requests in one phase", what, "lower its rate or shorten it")
    count = rng.poisson(expected)
    candidates = np.sort(rng.uniform(phase.start_s, phase.end_s, size=count))
    chances = rng.uniform(0.0, highest, size=count) if highest > 0 else candidates
    rates = np.array([offered_rate(scenario, float(t)) for t in candidates])
    return candidates[chances < rates]


def _popular(rng: np.random.Generator, members: int, exponent: float, count: int) -> _Integers:
    """Draw members 1..n with Zipf popularity; who is popular does not follow the number."""
    weights = np.arange(1, members + 1, dtype=np.float64) ** -exponent
    edges = np.cumsum(weights / weights.sum())
    ranks = np.minimum(np.searchsorted(edges, rng.random(count), side="right"), members - 1)
    return rng.permutation(members).astype(np.int64)[ranks] + 1


def _amounts(rng: np.random.Generator, amounts: Amounts, count: int) -> _Integers:
    raw = rng.lognormal(math.log(amounts.median), amounts.sigma, size=count)
    rounded = np.round(raw / 10).astype(np.int64) * 10
    return np.clip(rounded, min(10, amounts.largest), amounts.largest)


def _refunds(rng: np.random.Generator, columns: dict[str, _Integers]) -> _Integers:
    """Turn each refund into one of an earlier card payment; a payment is asked back at most once.

    A refund with no earlier payment to give back becomes a balance inquiry. Returns the index of
    the payment, -1 for what is no refund.
    """
    refers = np.full(len(columns["operation"]), -1, dtype=np.int64)
    payments = np.flatnonzero(columns["operation"] == 0)
    free = np.ones(len(payments), dtype=bool)
    for index in np.flatnonzero(columns["operation"] == 3):
        earlier = np.flatnonzero(free[: int(np.searchsorted(payments, index))])
        if len(earlier) == 0:
            columns["operation"][index] = 4
            columns["amount_jpy"][index] = 0
            continue
        chosen = int(earlier[rng.integers(len(earlier))])
        free[chosen] = False
        refers[index] = payment = int(payments[chosen])
        for name in ("wallet_id", "counterparty_id", "amount_jpy"):
            columns[name][index] = columns[name][payment]
    return refers
