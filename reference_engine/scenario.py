"""Reads a scenario from TOML, strictly: every fault is named with its line, before any start."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reference_engine.faults import FAULTS
from reference_engine.proxy import TOXICS, wrong_parameters
from reference_engine.scenario_changes import changed
from reference_engine.scenario_model import FaultSpec, Scenario
from reference_engine.scenario_words import Problem, flag_problems, worded
from reference_engine.server_settings import DURABLE, OF_THE_RUN
from reference_engine.toml_lines import Path as KeyPath
from reference_engine.toml_lines import key_lines, line_of
from runlog.errors import BadData, UsageFault, did_you_mean

_FOLDER = Path(__file__).parent / "scenarios"
_SETTING = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?")


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
    faults = tuple(_with_every_parameter(f) for f in scenario.faults)
    whole = scenario.model_copy(update={"faults": faults})
    return changed(whole, seed, design, flags or {}, time_scale)


def _with_every_parameter(fault: FaultSpec) -> FaultSpec:
    parameters = FAULTS[fault.name].Parameters.model_validate(fault.parameters).model_dump()
    return fault.model_copy(update={"parameters": parameters})


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
    lists = ("phases", "faults", "network", "events", "sources")
    return {k: tuple(v) if k in lists and isinstance(v, list) else v for k, v in raw.items()}


def _shape_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    if "text" in raw:
        yield ("text",), "unknown key 'text'"
    try:
        Scenario.model_validate({k: v for k, v in _tuples(raw).items() if k != "text"})
    except ValidationError as error:
        for found in error.errors():
            if found["type"] != "too_short" or not raw.get("phases"):
                yield tuple(p for p in found["loc"] if p != "[key]"), worded(found)


# --- meaning: windows, shares, names in other lists --------------------------------------------


def _meaning_problems(raw: dict[str, Any]) -> Iterator[Problem]:
    duration = _number(raw.get("duration_s"))
    drain = _number(raw.get("drain_s", 10.0))
    yield from _phase_problems(raw, duration)
    yield from _fault_problems(raw, duration)
    yield from _network_problems(raw, duration)
    limit = None if duration is None or drain is None else duration + drain
    for index, event in _tables(raw, "events"):
        at = _number(event.get("at_s"))
        if at is not None and limit is not None and at > limit:
            yield (
                ("events", index, "at_s"),
                f"event at {at:g} s is after the end of the run ({limit:g} s)",
            )
        yield from flag_problems(event.get("set"), ("events", index, "set"))
    yield from _range_problems(raw)
    yield from _server_problems(raw.get("server"))


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


def _network_problems(raw: dict[str, Any], duration: float | None) -> Iterator[Problem]:
    for index, part in _tables(raw, "network"):
        where: KeyPath = ("network", index)
        yield from _window_problems(part, where, "trouble", duration)
        trouble, parameters = part.get("trouble"), part.get("parameters", {})
        if isinstance(trouble, str) and trouble in TOXICS and isinstance(parameters, dict):
            for what in wrong_parameters(trouble, parameters):
                yield (*where, "parameters"), what


def _parameter(name: str, found: ErrorDetails) -> str:
    key = ".".join(str(p) for p in found["loc"])
    known = list(FAULTS[name].Parameters.model_fields)
    if found["type"] == "extra_forbidden":
        return f"fault {name} has no parameter '{key}' ({did_you_mean(key, known)})"
    return f"fault {name}: {key} = {found['input']!r} {found['msg'].removeprefix('Input ')}"


def _server_problems(server: object) -> Iterator[Problem]:
    """PostgreSQL takes the names of settings in any case."""
    for name in server if isinstance(server, dict) else ():
        where = ("server", name)
        if name.lower() in DURABLE:
            yield where, f"'{name}' may not be changed: a run is always durable"
        elif name.lower() in OF_THE_RUN:
            yield where, f"'{name}' may not be changed: the run's record depends on it"
        elif not _SETTING.fullmatch(name.lower()):
            yield where, f"'{name}' is no name of a setting"


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


def _tables(raw: dict[str, Any], key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    parts = raw.get(key)
    if isinstance(parts, list):
        for index, part in enumerate(parts):
            if isinstance(part, dict):
                yield index, part


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
