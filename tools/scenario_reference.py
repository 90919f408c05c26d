"""Makes docs/scenarios.md from the scenario model and the fault catalogue.

Run: python tools/scenario_reference.py
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from reference_engine import proxy
from reference_engine.faults import FAULTS
from reference_engine.scenario import scenario_names
from reference_engine.scenario_model import NetworkSpec, Operation, Phase
from reference_engine.scenario_words import TABLES, value_words
from reference_engine.server_settings import DURABLE

TARGET = Path(__file__).resolve().parents[1] / "docs" / "scenarios.md"
_LISTS = ("phases", "faults", "network", "events")
# a field's meaning is the comment beside it
_MEANING = re.compile(r"^ {4,8}(\w+): .*?  # (.+)$", re.MULTILINE)
_HEAD = """# Scenarios

Made by `tools/scenario_reference.py` from the code; a test keeps it true.

A scenario is one TOML file. `walletlab run NAME` plays one that comes with the engine,
`walletlab run my_scenario.toml` one of your own. Times are seconds from the start of the run
(`_s`), latencies milliseconds (`_ms`), rates per second (one number, or `[from, to]` for a ramp),
money whole yen. An unknown key, a wrong unit, an impossible window or an unknown fault is named
with its line, all of them at once, before anything starts. `[server]` holds PostgreSQL settings for
the embedded server (`work_mem = "4MB"`); those that make a run durable ({durable}) or that its
record depends on cannot be changed.

`--seed`, `--design`, `--flag NAME=VALUE` and `--time-scale` change a scenario from the command
line. The time scale stretches its times, never a latency or a limit. Faults may overlap, also on
the same flag: each takes back its own change and no other, and what an event sets stands.

"""


def reference() -> str:
    """The whole text of docs/scenarios.md."""
    durable = ", ".join(DURABLE)
    parts = [_HEAD.format(durable=durable), "## Keys\n\n", *(_section(*t) for t in TABLES.items())]
    parts.append("## Faults\n\n")
    parts += [_fault(name) for name in FAULTS]
    names = ", ".join(f"`{n}`" for n in scenario_names())
    parts.append(f"## Scenarios that come with the engine\n\n{names}\n")
    return "".join(parts)


def _section(path: str, model: type[BaseModel]) -> str:
    title = f"[[{path}]]" if path in _LISTS else f"[{path}]" if path else "top of the file"
    hidden = ("text", "flags", "population", "gateway", "license", "clock", "amount_jpy")
    meanings = dict(_MEANING.findall(inspect.getsource(model)))
    rows = [
        f"| `{name}` | {value_words(field)} | "
        f"{_default(field.get_default(call_default_factory=True, validated_data={}))} | "
        f"{meanings[name]} |\n"
        for name, field in model.model_fields.items()
        if name not in hidden
    ]
    about = inspect.cleandoc(model.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    head = "| key | type | default | meaning |\n|---|---|---|---|\n"
    text = f"### {title}\n\n{about}\n\n{head}{''.join(rows)}\n"
    if model is Phase:
        names = ", ".join(f"`{name}`" for name in get_args(Operation))
        example = "`mix = { card_payment = 0.9, top_up = 0.1 }`"
        text += f"Operations of a mix: {names}. Example: {example}.\n\n"
    if model is NetworkSpec:
        text += _troubles()
    return text


def _troubles() -> str:
    """The toxics as the proxy's own docstring tells them."""
    lines = (proxy.__doc__ or "").split("parameters:\n")[1].splitlines()
    rows = [re.split(r" {2,}", line.strip()) for line in lines if line.startswith("  ")]
    cells = [row if len(row) == 3 else [row[0], "", row[-1]] for row in rows]
    body = "".join(f"| `{name}` | {given} | {what} |\n" for name, given, what in cells)
    return f"| trouble | parameters | what happens |\n|---|---|---|\n{body}\n"


def _default(value: object) -> str:
    if value is PydanticUndefined:
        return "must be given"
    if value in (None, "", (), {}):
        return "none"
    return f"`{_plain(value)}`"


def _fault(name: str) -> str:
    fault = FAULTS[name]
    text = inspect.cleandoc(fault.__doc__ or "")
    meanings = dict(_MEANING.findall(inspect.getsource(fault)))
    parameters = "".join(
        f"* `{key} = {_plain(field.default)}`: {value_words(field)}; {meanings[key]}\n"
        for key, field in fault.Parameters.model_fields.items()
    )
    return f"### `{name}`\n\n{text}\n\nParameters:{_listed(parameters)}\n\n"


def _listed(lines: str) -> str:
    return f"\n\n{lines.rstrip()}" if lines else " none."


def _plain(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


if __name__ == "__main__":
    TARGET.write_text(reference(), "utf-8")
