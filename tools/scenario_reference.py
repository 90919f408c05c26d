"""Makes docs/scenarios.md from the scenario model and the fault catalogue.

Run: python tools/scenario_reference.py
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from reference_engine.faults import FAULTS
from reference_engine.scenario import scenario_names
from reference_engine.scenario_model import (
    Amounts,
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

TARGET = Path(__file__).resolve().parents[1] / "docs" / "scenarios.md"
_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("top of the file", Scenario),
    ("[flags]", Flags),
    ("[population]", Population),
    ("[population.amount_jpy]", Amounts),
    ("[gateway]", Gateway),
    ("[license]", License),
    ("[clock]", Clock),
    ("[[phases]]", Phase),
    ("[[faults]]", FaultSpec),
    ("[[events]]", EventSpec),
)
# a field's meaning is the comment beside it
_MEANING = re.compile(r"^    (\w+): .*?  # (.+)$", re.MULTILINE)
_HEAD = """# Scenarios

Made by `tools/scenario_reference.py` from the code; a test keeps it true.

A scenario is one TOML file. `walletlab run NAME` plays one that comes with the engine,
`walletlab run my_scenario.toml` one of your own. Times are seconds from the start of the run
(`_s`), latencies milliseconds (`_ms`), rates per second (one number, or `[from, to]` for a ramp),
money whole yen. An unknown key, a wrong unit, an impossible window or an unknown fault is named
with its line, all of them at once, before anything starts. `[server]` holds PostgreSQL settings for
the embedded server; those of durability cannot be changed. `--seed`, `--design` and `--time-scale`
change a scenario from the command line; the time scale stretches its times, never a latency or a
limit.

"""


def reference() -> str:
    """The whole text of docs/scenarios.md."""
    parts = [_HEAD, "## Keys\n\n", *(_section(*s) for s in _SECTIONS)]
    parts.append("## Faults\n\n")
    parts += [_fault(name) for name in FAULTS]
    names = ", ".join(f"`{n}`" for n in scenario_names())
    parts.append(f"## Scenarios that come with the engine\n\n{names}\n")
    return "".join(parts)


def _section(title: str, model: type[BaseModel]) -> str:
    hidden = ("text", "flags", "population", "gateway", "license", "clock", "amount_jpy")
    meanings = dict(_MEANING.findall(inspect.getsource(model)))
    rows = [
        f"| `{name}` | {_type(field.annotation)} | "
        f"{_default(field.get_default(call_default_factory=True, validated_data={}))} | "
        f"{meanings.get(name, '')} |\n"
        for name, field in model.model_fields.items()
        if name not in hidden
    ]
    about = inspect.cleandoc(model.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    head = "| key | type | default | meaning |\n|---|---|---|---|\n"
    return f"### {title}\n\n{about}\n\n{head}{''.join(rows)}\n"


def _type(annotation: object) -> str:
    text = getattr(annotation, "__name__", "") if isinstance(annotation, type) else str(annotation)
    literal = getattr(annotation, "__args__", ())
    if "Literal" in text:
        return ", ".join(f"`{a}`" for a in literal)
    return {"int": "whole number", "float": "number", "str": "text", "bool": "true or false"}.get(
        text, "date" if "date" in text else "table" if "dict" in text else "list"
    )


def _default(value: object) -> str:
    if value is PydanticUndefined:
        return "must be given"
    return "none" if value in (None, "", (), {}) else f"`{str(value).lower()}`"


def _fault(name: str) -> str:
    fault = FAULTS[name]
    text = inspect.cleandoc(fault.__doc__ or "")
    parameters = ", ".join(
        f"`{key} = {_plain(field.default)}`" for key, field in fault.Parameters.model_fields.items()
    )
    return f"### `{name}`\n\n{text}\n\nParameters: {parameters or 'none'}.\n\n"


def _plain(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


if __name__ == "__main__":
    TARGET.write_text(reference(), "utf-8")
