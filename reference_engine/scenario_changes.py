"""The caller's changes to a scenario: seed, design, flags and time scale, checked like its file."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any, get_args

from pydantic import ValidationError

from reference_engine.faults import FAULTS
from reference_engine.scenario_model import Design, FaultSpec, Flags, Scenario
from reference_engine.scenario_words import flag_problems, value_words
from runlog.errors import UsageFault, did_you_mean

_PATIENCE = ("catch_up_s",)  # parameters that limit a wait, and are no times of the script


def changed(
    scenario: Scenario, seed: int | None, design: str | None, flags: dict[str, Any], scale: float
) -> Scenario:
    """Return the scenario with the caller's changes. Raises UsageFault for what cannot be."""
    _check_flags(flags)
    if design is not None and design not in get_args(Design):
        raise UsageFault("no such design", design, did_you_mean(design, list(get_args(Design))))
    if not 0.01 <= scale <= 100:
        raise UsageFault("time scale out of range", scale, "give 0.01 to 100")
    if seed is not None and not 0 <= seed < 2**63:
        raise UsageFault("seed out of range", seed, "give 0 to 2^63-1")
    changes: dict[str, Any] = {"flags": scenario.flags.model_copy(update=flags)}
    if seed is not None:
        changes["seed"] = seed
    if design is not None:
        changes["design"] = design
        # a design asked for by name is not undone by a fault that is a design itself
        changes["faults"] = tuple(
            f for f in scenario.faults if f.name == design or FAULTS[f.name].target != "design"
        )
    return _scaled(scenario.model_copy(update=changes), scale)


def _check_flags(flags: dict[str, Any]) -> None:
    known = Flags.model_fields
    for name in flags:
        if name not in known:
            near = sorted(known, key=lambda k: -SequenceMatcher(None, name, k).ratio())
            raise UsageFault("no such flag", name, "known, closest first: " + ", ".join(near))
    for where, what in flag_problems(flags, ()):
        key = str(where[-1])
        raise UsageFault("bad flag", what, f"{key}: {value_words(known[key])}")


def _scaled(scenario: Scenario, scale: float) -> Scenario:
    if scale == 1:
        return scenario

    def window(part: Any) -> Any:
        return part.model_copy(
            update={"start_s": part.start_s * scale, "end_s": part.end_s * scale}
        )

    clock = scenario.clock
    if clock is not None:
        clock = clock.model_copy(update={"compression": clock.compression / scale})
    changes = {
        "duration_s": scenario.duration_s * scale,
        "phases": tuple(window(p) for p in scenario.phases),
        "faults": tuple(_paced(window(f), scale) for f in scenario.faults),
        "network": tuple(window(n) for n in scenario.network),
        "events": tuple(e.model_copy(update={"at_s": e.at_s * scale}) for e in scenario.events),
        "clock": clock,
    }
    made = scenario.model_copy(update=changes)
    _check_limits(made, scale)
    return made


def _paced(fault: FaultSpec, scale: float) -> FaultSpec:
    """The fault with its own times stretched (`_s`, not `_per_s`)."""
    times = {
        name: value * scale
        for name, value in fault.parameters.items()
        if name.endswith("_s") and not name.endswith("_per_s") and name not in _PATIENCE
    }
    return fault.model_copy(update={"parameters": fault.parameters | times})


def _check_limits(scenario: Scenario, scale: float) -> None:
    try:
        Scenario.model_validate(scenario.model_dump())
        for fault in scenario.faults:
            FAULTS[fault.name].Parameters.model_validate(fault.parameters)
    except ValidationError as error:
        found = error.errors()[0]
        key = ".".join(str(part) for part in found["loc"])
        what = f"{scale:g} makes {key} {found['input']:g}: {found['msg'].lower()}"
        raise UsageFault("time scale out of range", what, "give one nearer to 1") from error
