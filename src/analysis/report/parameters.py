"""Parameters of a notebook: what it declares, and whether what a user gives fits.

papermill only logs an unknown name and goes on with the default; here that is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runlog.errors import BadData, UsageFault, did_you_mean

TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
_TRUE, _FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: name, type (`str`, `int`, `float` or `bool`), default and help."""

    name: str
    type: str
    default: Any
    help: str


def declared(notebook: Path) -> dict[str, Parameter]:
    """Return the parameters of a notebook by name, read by papermill's own inspection.

    Raises BadData for a parameter without a plain type or with a default that is no literal.
    """
    import papermill  # with all that it brings; whoever only names notebooks need not wait

    found = {}
    for name, entry in papermill.inspect_notebook(notebook).items():
        kind = entry["inferred_type_name"]
        if kind not in TYPES:
            todo = "declare it as `name: str|int|float|bool = literal  # help`"
            raise BadData("notebook parameter without a type", f"{notebook.name}: {name}", todo)
        try:
            default = ast.literal_eval(entry["default"])
        except (ValueError, SyntaxError) as error:
            todo = "give it a literal default"
            raise BadData(
                "notebook parameter is no literal", f"{notebook.name}: {name}", todo
            ) from error
        found[name] = Parameter(name, kind, default, entry["help"])
    return found


def checked(notebook: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given parameters in their declared types.

    Text, as a command line gives it, is read as the declared type; a `str` stays as it is, so that
    007 and 2018-10-09 do too. Raises UsageFault for an unknown name or a value of another type.
    """
    known = declared(notebook)
    for name in given:
        if name not in known:
            what = f"unknown parameter of {notebook.stem}"
            raise UsageFault(what, name, did_you_mean(name, list(known)))
    return {name: _typed(known[name], value) for name, value in given.items()}


def _typed(parameter: Parameter, value: Any) -> Any:
    try:
        return _read(parameter.type, value)
    except ValueError as error:
        todo = f"expected {parameter.type}: {parameter.help or parameter.name}"
        raise UsageFault(f"parameter {parameter.name} has the wrong type", value, todo) from error


def _read(kind: str, value: Any) -> Any:
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "bool":
        if isinstance(value, bool):
            return value
        word = str(value).lower()
        if word in (*_TRUE, *_FALSE):
            return word in _TRUE
    elif kind in ("int", "float") and not isinstance(value, bool):
        if isinstance(value, str):
            return TYPES[kind](value)
        if isinstance(value, int) or (kind == "float" and isinstance(value, float)):
            return TYPES[kind](value)
    msg = f"not {kind}: {value!r}"
    raise ValueError(msg)
