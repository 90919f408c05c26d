"""A discrete-event model of one settlement row and the card gateway, which must prove itself.

Calibrated from the spans of the lowest measured load only; every other load is held out. Simulated
with Ciw (G. I. Palmer et al., "Ciw: An open-source discrete event simulation library", Journal of
Simulation 13, 2019).

What a payment needs of the settlement row, which serves one transaction at a time:
lock_across_call  once, for all of its transaction after the first statement, gateway call included;
phased            for the commit of each of its transactions; the gateway call holds nothing.
Everything else (queue in the front, pool, statements) is a delay drawn from the measured ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import ciw
import numpy as np
import numpy.typing as npt
import pandas as pd

from runlog.errors import BadData

ERROR_SHARE_MAX = 0.20  # median absolute error of held-out loads up to which the model is believed
BELOW_KNEE = 0.85  # loads that keep the row busier than this are beyond what is validated
_SAMPLES_MIN = 30
_SIMULATED_S = 240.0
_CUSTOMERS = 3_000  # simulated arrivals of one seed
_SEEDS = (1, 2, 3)

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """One kind of request: its share, visits to the row, and samples in seconds."""

    name: str
    share: float
    visits: int
    hold_s: list[float]
    gateway_s: list[float]
    delay_s: list[float]


@dataclass(frozen=True)
class Model:
    """A calibrated model. `row_s` is the mean time the row is busy for one arrival."""

    design: str
    calibrated_on: str
    kinds: tuple[Kind, ...]

    @property
    def row_s(self) -> float:
        return sum(k.share * k.visits * float(np.mean(k.hold_s)) for k in self.kinds if k.visits)

    @property
    def knee_per_s(self) -> float:
        """Arrivals per second that would keep the row busy all the time."""
        return 1 / self.row_s if self.row_s > 0 else float("inf")


def calibrate(service_times: pd.DataFrame, design: str, experiment: str) -> Model:
    """Return the model calibrated on the requests of one experiment.

    Raises BadData for too few requests.
    """
    frame = service_times[service_times["experiment"] == experiment]
    if len(frame) < _SAMPLES_MIN:
        what = f"{experiment}: {len(frame)} requests"
        raise BadData("too few requests to calibrate a model", what, f"measure {_SAMPLES_MIN}")
    free = _free_statement_us(frame)
    paying = frame["operation"] == "card_payment"
    groups = {
        "card payment, charged": paying & frame["auto_charged"],
        "card payment, from balance": paying & ~frame["auto_charged"],
        "other": ~paying,
    }
    kinds = [
        _kind(name, frame[mask], len(frame), design, free)
        for name, mask in groups.items()
        if mask.any()
    ]
    return Model(design, experiment, tuple(kinds))


def _free_statement_us(frame: pd.DataFrame) -> _Floats:
    """First statements that wait for no settlement row: those of transfers and top-ups."""
    free = frame.loc[frame["operation"] != "card_payment", "first_us"]
    chosen = free if len(free) >= 5 else frame["first_us"].nsmallest(max(1, len(frame) // 4))
    return chosen.to_numpy(dtype=np.float64)


def _kind(name: str, part: pd.DataFrame, total: int, design: str, free_us: _Floats) -> Kind:
    latency = part["latency_us"].to_numpy(dtype=np.float64)
    tx = part["tx_us"].to_numpy(dtype=np.float64)
    first = part["first_us"].to_numpy(dtype=np.float64)
    gateway = part["gateway_us"].to_numpy(dtype=np.float64)
    commit = part["commit_us"].to_numpy(dtype=np.float64)
    share = len(part) / total
    if name == "other":
        return Kind(name, share, 0, [0.0], [0.0], _seconds(latency))
    if design == "lock_across_call":
        rng = np.random.default_rng(len(part))
        statement = rng.choice(free_us, size=len(part))
        delay = latency - tx + statement
        return Kind(name, share, 1, _seconds(tx - first), [0.0], _seconds(delay))
    visits = 2 if name.endswith("charged") else 1
    delay = latency - commit - gateway
    return Kind(name, share, visits, _seconds(commit / visits), _seconds(gateway), _seconds(delay))


def _seconds(values_us: _Floats) -> list[float]:
    return [float(v) for v in np.clip(values_us, 0.0, None) / 1e6]


def predict(model: Model, offered_per_s: float) -> dict[str, float]:
    """Return what the model says of a load: busy_share, throughput_per_s, latency_us_p50, _p95."""
    busy = offered_per_s * model.row_s
    latencies = np.concatenate([_simulate(model, offered_per_s, seed) for seed in _SEEDS])
    p50, p95 = np.percentile(latencies, [50, 95]) * 1e6
    return {
        "offered_per_s": offered_per_s,
        "busy_share": busy,
        "throughput_per_s": min(offered_per_s, model.knee_per_s),
        "latency_us_p50": float(p50),
        "latency_us_p95": float(p95),
    }


def _simulate(model: Model, offered_per_s: float, seed: int) -> _Floats:
    """Return latencies in seconds: row and gateway simulated, other delays drawn."""
    ciw.seed(seed)
    rng = np.random.default_rng(seed)
    visiting = [k for k in model.kinds if k.visits]
    # where a request goes after its first visit to the row (node 1): gateway (2), then row again
    onward = {k.name: [2, 1] if k.visits == 2 else [] for k in visiting}
    length_s = min(_SIMULATED_S, _CUSTOMERS / offered_per_s)
    network = ciw.create_network(
        arrival_distributions={
            k.name: [ciw.dists.Exponential(offered_per_s * k.share), None] for k in visiting
        },
        service_distributions={
            k.name: [ciw.dists.Empirical(k.hold_s), ciw.dists.Empirical(k.gateway_s)]
            for k in visiting
        },
        routing={
            k.name: ciw.routing.ProcessBased(lambda person, _: list(onward[person.customer_class]))
            for k in visiting
        },
        number_of_servers=[1, float("inf")],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(length_s)
    spent: dict[int, float] = {}
    kind_of: dict[int, str] = {}
    left: dict[int, int] = {}
    for record in simulation.get_all_records():
        number = record.id_number
        spent[number] = spent.get(number, 0.0) + record.waiting_time + record.service_time
        kind_of[number] = record.customer_class
        left[number] = left.get(number, 1 + len(onward[record.customer_class])) - 1
    latencies = []
    for kind in model.kinds:
        if kind.visits:
            inside = [spent[n] for n, name in kind_of.items() if name == kind.name and not left[n]]
        else:
            inside = [0.0] * int(offered_per_s * kind.share * length_s)
        latencies.append(np.array(inside) + rng.choice(kind.delay_s, size=len(inside)))
    return np.concatenate(latencies)


def validate(model: Model, results: pd.DataFrame, service_times: pd.DataFrame) -> pd.DataFrame:
    """Return one row a held-out load: predicted and measured throughput and p95, with errors.

    Columns: experiment, offered_per_s, busy_share, below_knee, throughput_per_s,
    throughput_predicted, latency_ms_p95, latency_ms_p95_predicted, throughput_error,
    latency_error (shares of the measured value). Repetitions of a load are pooled.
    """
    loads = results[(results["purpose"] == "validation") & (results["design"] == model.design)]
    rows = []
    for name, part in loads.groupby("experiment", sort=False):
        if name == model.calibrated_on:
            continue
        offered = float(part["arrivals"].sum() / part["window_s"].sum())
        said = predict(model, offered)
        answers = service_times[service_times["experiment"] == name]["latency_us"]
        if answers.empty:
            continue
        throughput = float(part["throughput_per_s"].mean())
        p95_us = float(np.percentile(answers.to_numpy(dtype=np.float64), 95))
        rows.append(
            {
                "experiment": name,
                "offered_per_s": float(part["offered_per_s"].iloc[0]),
                "busy_share": said["busy_share"],
                "below_knee": said["busy_share"] <= BELOW_KNEE,
                "throughput_per_s": throughput,
                "throughput_predicted": said["throughput_per_s"],
                "latency_ms_p95": p95_us / 1000,
                "latency_ms_p95_predicted": said["latency_us_p95"] / 1000,
                "throughput_error": abs(said["throughput_per_s"] - throughput) / throughput,
                "latency_error": abs(said["latency_us_p95"] - p95_us) / p95_us,
            }
        )
    return pd.DataFrame(rows).sort_values("offered_per_s") if rows else pd.DataFrame()


def believed(validation: pd.DataFrame) -> bool:
    """Return True when the held-out loads below the knee are predicted well enough.

    Both medians of the absolute errors, of throughput and of p95, must be at most 20 %. Without a
    held-out load below the knee nothing is believed.
    """
    if validation.empty:
        return False
    calm = validation[validation["below_knee"]]
    if calm.empty:
        return False
    errors = calm[["throughput_error", "latency_error"]].median()
    return bool((errors <= ERROR_SHARE_MAX).all())
