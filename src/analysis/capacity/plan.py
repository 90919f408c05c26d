"""The experiments of a sweep: what is changed, by how much, and under which offered load.

Loads are in requests per second of the fixed mix below. Nothing here runs anything.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Purpose = Literal["factor", "scalability", "validation"]

SEED = 20181103
SETTLE_S = 1.7  # between two windows: what is left of the last one ends or gives up
WARM_UP_S = 0.8
CLIENT_TIMEOUT_MS = 1_500
GOOD_MS = 1_000  # an approved answer within this, from the intended arrival, is goodput
MIX = {"card_payment": 0.8, "p2p_transfer": 0.1, "top_up": 0.1}


@dataclass(frozen=True)
class Experiment:
    """One experiment; `factor` names what it changes against the base of its design."""

    name: str
    purpose: Purpose
    factor: str
    design: str
    offered_per_s: float
    fronts: int = 2
    pool_size: int = 12
    settlement_shards: int = 1
    max_waiting: int = 0
    auto_charge: bool = True
    server_cores: int = 2
    measured_s: float = 4.0


LOCKED = Experiment("locked", "factor", "base", "lock_across_call", 60)
# What `phased` can do is a matter of the machine: its loads stand for a machine that serves
# PHASED_PER_S, and are scaled by what a probe finds. `locked` is bound by the gateway's latency.
PHASED_PER_S = 300.0
PHASED = Experiment("phased", "factor", "base", "phased", 1.3 * PHASED_PER_S)
PROBED_PER_S = (100, 200, 400, 800)  # offered to find out; what a short line cannot hold is shed
CONNECTIONS = (1, 2, 4, 8, 16, 32)
VALIDATION_LOADS = {"lock_across_call": (8, 10, 12, 14, 16), "phased": (30, 60, 90, 120, 150)}
# a p95 needs a hundred requests a window; at 8 per second they take this long
VALIDATION_S = 12.0


def factor_experiments() -> list[Experiment]:
    """Return each base and what differs from it in exactly one thing."""
    return [
        LOCKED,
        replace(LOCKED, name="locked-fronts-1", factor="fronts", fronts=1),
        replace(LOCKED, name="locked-fronts-4", factor="fronts", fronts=4),
        replace(LOCKED, name="locked-core-1", factor="server_cores", server_cores=1),
        replace(LOCKED, name="locked-shards-8", factor="settlement_shards", settlement_shards=8),
        replace(LOCKED, name="locked-shedding", factor="max_waiting", max_waiting=4),
        replace(LOCKED, name="locked-no-auto-charge", factor="auto_charge", auto_charge=False),
        replace(LOCKED, name="locked-as-phased", factor="design", design="phased"),
        PHASED,
        replace(PHASED, name="phased-fronts-1", factor="fronts", fronts=1),
        replace(PHASED, name="phased-fronts-4", factor="fronts", fronts=4),
        replace(PHASED, name="phased-core-1", factor="server_cores", server_cores=1),
        replace(PHASED, name="phased-shards-8", factor="settlement_shards", settlement_shards=8),
    ]


def scalability_experiments() -> list[Experiment]:
    """Return steps in the number of connections under more load than can be served.

    A short waiting line keeps the connections busy and sheds the rest, so that the throughput is
    that of N connections at work.
    """
    steps = []
    for design, offered in (("lock_across_call", 80), ("phased", 2 * PHASED_PER_S)):
        base = replace(
            LOCKED,
            purpose="scalability",
            factor="connections",
            design=design,
            offered_per_s=offered,
            fronts=1,
            max_waiting=20,
        )
        short = "locked" if design == "lock_across_call" else design
        steps += [replace(base, name=f"{short}-connections-{n}", pool_size=n) for n in CONNECTIONS]
    return steps


def validation_experiments() -> list[Experiment]:
    """Return loads below the knee: the two lowest calibrate the model, the others are held out."""
    loads = []
    for design, rates in VALIDATION_LOADS.items():
        short = "locked" if design == "lock_across_call" else design
        loads += [
            replace(
                LOCKED,
                name=f"{short}-load-{rate}",
                purpose="validation",
                factor="offered_per_s",
                design=design,
                offered_per_s=rate,
                measured_s=VALIDATION_S,
            )
            for rate in rates
        ]
    return loads


def experiments(only: tuple[str, ...] = ()) -> list[Experiment]:
    """Return the whole plan, or what `only` names: an experiment, else all that begin so."""
    plan = factor_experiments() + scalability_experiments() + validation_experiments()
    names = {e.name for e in plan}
    begin = tuple(o for o in only if o not in names)
    return [e for e in plan if not only or e.name in only or e.name.startswith(begin)]


def probe() -> Session:
    """Return the run that finds out what `phased` can do: the most it serves of rising loads.

    Rising, because fronts that turn away far too much leave the database too little processor.
    """
    base = replace(PHASED, max_waiting=20)
    steps = [replace(base, name=f"probe-{rate}", offered_per_s=rate) for rate in PROBED_PER_S]
    windows = _windows(steps)
    return Session(0, base.fronts, windows, _text(windows, base.fronts, 0))


def scaled(plan: list[Experiment], phased_per_s: float) -> list[Experiment]:
    """Return the plan with the loads of `phased` for a machine that serves so many per second."""
    factor = phased_per_s / PHASED_PER_S
    return [
        replace(e, offered_per_s=round(e.offered_per_s * factor, 1))
        if e.name.startswith("phased")
        else e
        for e in plan
    ]


@dataclass(frozen=True)
class Window:
    """One experiment inside a run: when it is measured, in seconds of the run."""

    experiment: Experiment
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Session:
    """One run: all experiments with the same number of fronts, one window after the other."""

    repetition: int
    fronts: int
    windows: tuple[Window, ...]
    text: str


def interleaved(plan: list[Experiment], repetitions: int) -> Iterator[Session]:
    """Yield the runs of a sweep: each repetition goes once through the plan, in its own order.

    Everything but the number of fronts can be changed while a run goes on, so that experiments that
    are compared stand within seconds of each other, on the same processes and the same server.
    """
    fronts = sorted({e.fronts for e in plan})
    for repetition in range(repetitions):
        shuffled = random.Random(f"{SEED}/{repetition}")
        for count in shuffled.sample(fronts, len(fronts)):
            chosen = [e for e in plan if e.fronts == count]
            windows = _windows(shuffled.sample(chosen, len(chosen)))
            yield Session(repetition, count, windows, _text(windows, count, repetition))


def _windows(chosen: list[Experiment]) -> tuple[Window, ...]:
    windows, at_s = [], 0.0
    for experiment in chosen:
        start_s = at_s + SETTLE_S + WARM_UP_S
        at_s = start_s + experiment.measured_s
        windows.append(Window(experiment, round(start_s, 3), round(at_s, 3)))
    return tuple(windows)


def setting(experiment: Experiment) -> str:
    """Return the label of the event that begins an experiment: read back to set processors."""
    return f"{experiment.name} on {experiment.server_cores} processor(s) of the server"


def _text(windows: tuple[Window, ...], fronts: int, repetition: int) -> str:
    """Return the scenario (TOML) of one run; repetitions differ in their seed.

    The design that holds locks across the call is switched on as the fault of that name.
    """
    mix = "{ " + ", ".join(f"{name} = {share}" for name, share in MIX.items()) + " }"
    end_s = windows[-1].end_s
    lines = [
        'name = "sweep"',
        'title = "a run of a capacity sweep"',
        'about = "steady windows, one experiment each"',
        f"seed = {SEED + 100 * repetition + fronts}",
        f"duration_s = {end_s + 0.5:.3f}",
        "drain_s = 4.0",
        'design = "phased"',
        f"fronts = {fronts}",
        "sampler_hz = 1",
        "[flags]",
        f"pool_timeout_ms = {CLIENT_TIMEOUT_MS}",
        f"client_timeout_ms = {CLIENT_TIMEOUT_MS}",
        f"gateway_timeout_ms = {CLIENT_TIMEOUT_MS}",
        "[population]",
        "wallets = 20000",
        "merchants = 60",
        "opening_balance_jpy = [0, 2500]",
        "[gateway]",
        "latency_ms = 40",
        "latency_sigma = 0.35",
        "decline_share = 0.0",
        "capacity = 256",
    ]
    for window in windows:
        e, load_s = window.experiment, window.start_s - WARM_UP_S
        flags = {
            "pool_size": e.pool_size,
            "settlement_shards": e.settlement_shards,
            "max_waiting": e.max_waiting,
            "auto_charge": str(e.auto_charge).lower(),
        }
        changes = ", ".join(f"{k} = {v}" for k, v in flags.items())
        lines += [
            "[[phases]]",
            f'label = "{e.name}"',
            f"start_s = {load_s:.3f}",
            f"end_s = {window.end_s}",
            f"rate_per_s = {e.offered_per_s}",
            f"mix = {mix}",
            "[[events]]",
            f"at_s = {max(0.0, load_s - 0.5):.3f}",
            'kind = "deploy"',
            f'label = "{setting(e)}"',
            f"set = {{ {changes} }}",
        ]
        if e.design == "lock_across_call":
            lines += [
                "[[faults]]",
                'name = "lock_across_call"',
                f"start_s = {max(0.0, load_s - 0.4):.3f}",
                f"end_s = {window.end_s + 0.2:.3f}",
                f"parameters = {{ settlement_shards = {e.settlement_shards} }}",
            ]
    return "\n".join(lines) + "\n"
