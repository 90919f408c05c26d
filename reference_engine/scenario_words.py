"""What is wrong with a scenario, and what its values may be, in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Literal, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from reference_engine.scenario_model import (
    Amounts,
    Clock,
    EventSpec,
    FaultSpec,
    Flags,
    Gateway,
    License,
    NetworkSpec,
    Phase,
    Population,
    Scenario,
)
from reference_engine.toml_lines import Path as KeyPath
from runlog.errors import did_you_mean

Problem = tuple[KeyPath, str]

_UNITS = ("_s", "_ms", "_us", "_min", "_jpy", "_per_s", "_hz")
# the tables of a scenario by their path in TOML
TABLES: dict[str, type[BaseModel]] = {
    "": Scenario,
    "flags": Flags,
    "population": Population,
    "population.amount_jpy": Amounts,
    "gateway": Gateway,
    "license": License,
    "clock": Clock,
    "phases": Phase,
    "faults": FaultSpec,
    "network": NetworkSpec,
    "events": EventSpec,
}


def worded(found: ErrorDetails) -> str:
    """One problem of a scenario's keys and values, as pydantic found it."""
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
    names = [name for name in path[:-1] if not name.isdigit()]
    known = list(TABLES.get(".".join(names), Scenario).model_fields)
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


def flag_problems(flags: object, where: KeyPath) -> Iterator[Problem]:
    """What is wrong with a table of flags; `where` is its place in the file."""
    if not isinstance(flags, dict):
        return
    try:
        Flags.model_validate(flags)
    except ValidationError as error:
        for found in error.errors():
            key = str(found["loc"][0])
            unknown = found["type"] == "extra_forbidden"
            what = f"unknown flag '{key}' ({did_you_mean(key, list(Flags.model_fields))})"
            yield (*where, key), what if unknown else f"flag {worded(found)}"


def value_words(field: FieldInfo) -> str:
    """What a key takes, with its limits: `whole number, 1 to 64`."""
    kind = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(f"`{a}`" for a in getattr(kind, "__args__", ()))
    plain: dict[Any, str] = {int: "whole number", float: "number", str: "text"}
    plain |= {bool: "true or false", dt.datetime: "date and time", dt.date | None: "date"}
    if kind in plain:
        return plain[kind] + _limits(field)
    origin = get_origin(kind)
    return "table" if origin is dict else "list"


def _limits(field: FieldInfo) -> str:
    found: dict[str, Any] = {}
    for limit in field.metadata:
        for name in ("ge", "gt", "le", "lt"):
            if hasattr(limit, name):
                found[name] = getattr(limit, name)
    low, high = found.get("ge"), found.get("le")
    if low is not None and high is not None:
        return f", {low:,.12g} to {high:,.12g}"
    parts = [f"{low:,.12g} or more"] if low is not None else []
    parts += [f"above {found['gt']:,.12g}"] if "gt" in found else []
    parts += [f"at most {high:,.12g}"] if high is not None else []
    return "".join(f", {part}" for part in parts)
