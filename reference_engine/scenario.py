"""Reads a scenario from TOML, strictly: every fault is named with its line, before any start."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reference_engine.faults import FAULTS
from reference_engine.scenario_model import (
    Clock,
    EventSpec,
    FaultSpec,
    Flags,
    Gateway,
    License,
    Phase,
    Population,
    Scenario,
)
from reference_engine.toml_lines import Path as KeyPath
from reference_engine.toml_lines import key_lines, line_of
from runlog.errors import BadData, UsageFault, did_you_mean

__all__ = [
    "Clock",
    "EventSpec",
    "FaultSpec",
    "Flags",
    "Gateway",
    "License",
    "Phase",
    "Population",
    "Scenario",
    "load_scenario",
    "scenario_names",
]

_FOLDER = Path(__file__).parent / "scenarios"
_UNITS = ("_s", "_ms", "_us", "_min", "_jpy", "_per_s", "_hz")
_DURABILITY = ("fsync", "synchronous_commit", "full_page_writes", "data_sync_retry")
_MODELS: dict[str, type[BaseModel]] = {
    "": Scenario,
    "flags": Flags,
    "population": Population,
    "gateway": Gateway,
    "license": License,
    "clock": Clock,
    "phases": Phase,
    "faults": FaultSpec,
    "events": EventSpec,
}

Problem = tuple[KeyPath, str]


def scenario_names() -> list[str]:
    """Names of the scenarios that come with the engine, sorted."""
    return sorted(p.stem for p in _FOLDER.glob("*.toml"))


def load_scenario(
    name_or_path: str,
    *,
    seed: int | None = None,
    design: str | None = None,
    flags: dict[str, Any] | None = None,
    time_scale: float = 1.0,
) -> Scenario:
    """Return the checked scenario of that name or file, with the caller's changes.

    `time_scale` stretches every time of the script (not latencies, rates or limits), and the
    display clock with it. Raises UsageFault for an unknown scenario or option, BadData with every
    fault and its line for a bad file.
    """
    text, path = _text_of(name_or_path)
    raw = _parsed(text, path)
    problems = [*_shape_problems(raw), *_meaning_problems(raw)]
    if problems:
        raise _bad(problems, text, path)
    scenario = Scenario.model_validate(_tuples(raw) | {"text": text})
    return _changed(scenario, seed, design, flags or {}, time_scale)


def _text_of(name_or_path: str) -> tuple[str, Path]:
    path = Path(name_or_path)
    if not (path.suffix == ".toml" or path.is_file()):
        path = _FOLDER / f"{name_or_path}.toml"
        if name_or_path not in scenario_names():
            todo = did_you_mean(name_or_path, scenario_names())
            raise UsageFault("no such scenario", name_or_path, f"{todo}, or give a .toml file")
    try:
        return path.read_text("utf-8"), path
    except FileNotFoundError:
        raise UsageFault("no such scenario file", path, "give the path of a .toml file") from None
    except UnicodeDecodeError as error:
        raise BadData("scenario is not UTF-8 text", path, "save it as UTF-8") from error
    except OSError as error:
        raise UsageFault("cannot read scenario", f"{path} ({error.strerror})") from error


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadData("scenario is not valid TOML", f"{path}: {error}", "mend that line") from error


def _bad(problems: list[Problem], text: str, path: Path) -> BadData:
    lines = key_lines(text)
    placed = sorted({(line_of(where, lines), what) for where, what in problems})
    told = "; ".join(f"line {line}: {what}" for line, what in placed)
    noun = "fault" if len(placed) == 1 else "faults"
    return BadData(f"{len(placed)} {noun} in scenario", f"{path}: {told}", "nothing was started")


# --- shape: names and types ------------------------------------------------------------------


def _tuples(raw: dict[str, Any]) -> dict[str, Any]:
    """TOML has arrays only; the frozen model holds tuples."""
    lists = ("phases", "faults", "events", "sources")
    return {k: tuple(v) if k in lists and isinstance(v, list) else v for k, v in raw.items()}


def _shape_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    if "text" in raw:
        yield ("text",), "unknown key 'text'"
    try:
        Scenario.model_validate({k: v for k, v in _tuples(raw).items() if k != "text"})
    except ValidationError as error:
        for found in error.errors():
            if found["type"] != "too_short" or not raw.get("phases"):
                yield tuple(p for p in found["loc"] if p != "[key]"), _worded(found)


def _worded(found: ErrorDetails) -> str:
    path = [str(p) for p in found["loc"] if p != "[key]"]
    key = path[-1]
    if found["type"] == "extra_forbidden":
        return f"unknown key '{key}'" + _near_key(path)
    if found["type"] == "missing":
        return f"'{key}' is missing in " + (".".join(path[:-1]) or "the scenario")
    message = found["msg"].removeprefix("Input ").removeprefix("Value error, ")
    if found["type"] == "tuple_type":
        message = "should be a list, or a number where a rate is meant"
    return f"{'.'.join(path)} = {found['input']!r} {message}" + _unit_hint(found)


def _near_key(path: list[str]) -> str:
    model = _MODELS.get(path[0] if len(path) > 1 else "", Scenario)
    known = list(model.model_fields)
    if "amount_jpy" in path[1:-1]:
        known = ["median", "sigma", "largest"]
    bare = _without_unit(path[-1])
    for candidate in known:
        if _without_unit(candidate) == bare and candidate != path[-1]:
            return f" (wrong unit? here it is '{candidate}')"
    return f" ({did_you_mean(path[-1], [k for k in known if k != 'text'])})"


def _without_unit(key: str) -> str:
    for unit in sorted(_UNITS, key=len, reverse=True):
        if key.endswith(unit):
            return key.removesuffix(unit)
    return key


def _unit_hint(found: ErrorDetails) -> str:
    units = {"_per_s": "a plain number per second", "_ms": "a plain number of milliseconds"}
    units |= {"_jpy": "whole yen", "_s": "a plain number of seconds", "_hz": "a number per second"}
    key = str(next((p for p in reversed(found["loc"]) if isinstance(p, str)), ""))
    for suffix, words in units.items():
        if key.endswith(suffix) and isinstance(found["input"], str):
            return f" (give {words})"
    return ""


# --- meaning: windows, shares, names in other lists --------------------------------------------


def _meaning_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    duration = _number(raw.get("duration_s"))
    drain = _number(raw.get("drain_s", 10.0))
    yield from _phase_problems(raw, duration)
    yield from _fault_problems(raw, duration)
    limit = None if duration is None or drain is None else duration + drain
    for index, event in _tables(raw, "events"):
        at = _number(event.get("at_s"))
        if at is not None and limit is not None and at > limit:
            yield (
                ("events", index, "at_s"),
                f"event at {at:g} s is after the end of the run ({limit:g} s)",
            )
        yield from _flag_problems(event.get("set"), ("events", index, "set"))
    yield from _range_problems(raw)
    for name in raw.get("server", {}) if isinstance(raw.get("server"), dict) else ():
        if name in _DURABILITY:
            yield ("server", name), f"'{name}' may not be changed: a run is always durable"


def _phase_problems(raw: dict[str, Any], duration: float | None) -> Iterator[Problem]:
    previous_end = 0.0
    for index, phase in _tables(raw, "phases"):
        where: KeyPath = ("phases", index)
        yield from _window_problems(phase, where, "phase", duration)
        start, end = _number(phase.get("start_s")), _number(phase.get("end_s"))
        if start is not None and start < previous_end:
            yield (
                (*where, "start_s"),
                f"phase starts at {start:g} s, before the one above ends ({previous_end:g} s)",
            )
        previous_end = end if end is not None else previous_end
        mix = phase.get("mix")
        if isinstance(mix, dict):
            shares = [_number(v) for v in mix.values()]
            if None not in shares and abs(sum(s or 0.0 for s in shares) - 1) > 0.001:
                total = sum(s or 0.0 for s in shares)
                yield (*where, "mix"), f"shares of the mix sum to {total:g}, not 1"


def _fault_problems(raw: dict[str, Any], duration: float | None) -> Iterator[Problem]:
    for index, fault in _tables(raw, "faults"):
        where: KeyPath = ("faults", index)
        yield from _window_problems(fault, where, "fault", duration)
        name = fault.get("name")
        if not isinstance(name, str):
            continue
        if name not in FAULTS:
            todo = did_you_mean(name, list(FAULTS))
            yield (*where, "name"), f"unknown fault '{name}' ({todo})"
            continue
        parameters = fault.get("parameters", {})
        if isinstance(parameters, dict):
            try:
                FAULTS[name].Parameters.model_validate(parameters)
            except ValidationError as error:
                for found in error.errors():
                    yield (*where, "parameters", *found["loc"]), _parameter(name, found)


def _parameter(name: str, found: ErrorDetails) -> str:
    key = ".".join(str(p) for p in found["loc"])
    known = list(FAULTS[name].Parameters.model_fields)
    if found["type"] == "extra_forbidden":
        return f"fault {name} has no parameter '{key}' ({did_you_mean(key, known)})"
    return f"fault {name}: {key} = {found['input']!r} {found['msg'].removeprefix('Input ')}"


def _window_problems(
    part: dict[str, Any], where: KeyPath, noun: str, duration: float | None
) -> Iterator[Problem]:
    start, end = _number(part.get("start_s")), _number(part.get("end_s"))
    if start is None or end is None:
        return
    if end <= start:
        yield (*where, "end_s"), f"{noun} ends at {end:g} s, not after its start ({start:g} s)"
    elif duration is not None and end > duration:
        yield (*where, "end_s"), f"{noun} ends at {end:g} s, after the run ({duration:g} s)"


def _range_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    population = raw.get("population")
    if isinstance(population, dict):
        span = population.get("opening_balance_jpy")
        ends = [v for v in span if isinstance(v, int)] if isinstance(span, list) else []
        if len(ends) == 2 and ends[0] > ends[1]:
            where = ("population", "opening_balance_jpy")
            yield where, f"range {span} runs backwards"
    clock = raw.get("clock")
    if isinstance(clock, dict) and getattr(clock.get("start"), "tzinfo", 1) is None:
        yield ("clock", "start"), "clock.start has no time zone (write +09:00 for Japan)"


def _flag_problems(flags: object, where: KeyPath) -> Iterator[Problem]:
    if not isinstance(flags, dict):
        return
    try:
        Flags.model_validate(flags)
    except ValidationError as error:
        for found in error.errors():
            key = str(found["loc"][0])
            unknown = found["type"] == "extra_forbidden"
            what = f"unknown flag '{key}' ({did_you_mean(key, list(Flags.model_fields))})"
            yield (*where, key), what if unknown else f"flag {_worded(found)}"


def _tables(raw: dict[str, Any], key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    parts = raw.get(key)
    if isinstance(parts, list):
        for index, part in enumerate(parts):
            if isinstance(part, dict):
                yield index, part


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


# --- the caller's changes ------------------------------------------------------------------------


def _changed(
    scenario: Scenario, seed: int | None, design: str | None, flags: dict[str, Any], scale: float
) -> Scenario:
    for _, what in _flag_problems(flags, ()):
        raise UsageFault("bad flag", what, "see reference_engine/scenario_model.py: Flags")
    designs = ["lock_across_call", "phased", "batched"]
    if design is not None and design not in designs:
        raise UsageFault("no such design", design, did_you_mean(design, designs))
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
            f for f in scenario.faults if f.name == design or f.target != "design"
        )
    return _scaled(scenario.model_copy(update=changes), scale)


def _scaled(scenario: Scenario, scale: float) -> Scenario:
    if scale == 1:
        return scenario

    def window(part: Any) -> Any:
        times = {"start_s": part.start_s * scale, "end_s": part.end_s * scale}
        inner = getattr(part, "parameters", None)
        if inner is not None:
            times["parameters"] = {
                k: v * scale if k.endswith("_s") and not k.endswith("_per_s") else v
                for k, v in inner.items()
            }
        return part.model_copy(update=times)

    clock = scenario.clock
    if clock is not None:
        clock = clock.model_copy(update={"compression": clock.compression / scale})
    changes = {
        "duration_s": scenario.duration_s * scale,
        "phases": tuple(window(p) for p in scenario.phases),
        "faults": tuple(window(f) for f in scenario.faults),
        "events": tuple(e.model_copy(update={"at_s": e.at_s * scale}) for e in scenario.events),
        "clock": clock,
    }
    return scenario.model_copy(update=changes)
