"""The mapping file of a request log: which of its columns means what in the contract.

TOML (or YAML with the same keys):

    [columns]                      # contract column = column of the file
    request_id   = "id"
    scheduled_at = "ts"
    outcome      = "status"
    amount_jpy   = "amount"

    [constants]                    # contract column = the same for every row
    operation = "card_payment"

    [values.outcome]               # value in the file = value of the contract
    "200" = "approved"

    [time]
    format = "iso"                 # iso, epoch_s, epoch_ms, epoch_us or epoch_ns
    zone   = "Asia/Tokyo"          # for stamps without an offset

    [durations]                    # a contract time = another one + a column of the file
    finished_at = { from = "started_at", column = "took_ms", unit = "ms" }

    [spans]                        # OTLP: regular expression on the span's name = stage
    "^POST /authorize" = "gateway_call"
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runlog.errors import BadData, UsageFault, did_you_mean
from runlog.schema import SPANS, TABLES, TIME

_REQUESTS = TABLES["requests"]
_TIMES = tuple(c.name for c in _REQUESTS.columns if c.type == TIME)


class Times(BaseModel):
    """How times are written in the file."""

    model_config = ConfigDict(extra="forbid")
    format: Literal["iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns"] = "iso"
    zone: str = ""


class Duration(BaseModel):
    """A time that the file tells as another time and a length."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    start: str = Field(alias="from")
    column: str
    unit: Literal["s", "ms", "us", "ns"]


class Mapping(BaseModel):
    """A mapping file, checked."""

    model_config = ConfigDict(extra="forbid")
    columns: dict[str, str] = Field(default_factory=dict)
    constants: dict[str, str | int | bool] = Field(default_factory=dict)
    values: dict[str, dict[str, str | bool]] = Field(default_factory=dict)
    time: Times = Field(default_factory=Times)
    durations: dict[str, Duration] = Field(default_factory=dict)
    spans: dict[str, str] = Field(default_factory=dict)

    def in_order(self) -> list[str]:
        """Return the names of the durations, each after the one that it starts from.

        Raises BadData for a duration that starts from a time that nothing tells.
        """
        known = {*self.columns, *self.constants} - {*self.durations}
        found: list[str] = []
        while len(found) < len(self.durations):
            ready = [
                name
                for name, duration in self.durations.items()
                if name not in known and duration.start in known
            ]
            if not ready:
                name = next(n for n in self.durations if n not in known)
                todo = "let it start from a time under [columns]"
                start = self.durations[name].start
                raise BadData("duration from a time that is not told", f"{name} from {start}", todo)
            known.update(ready)
            found += ready
        return found

    def wanted(self) -> list[str]:
        """Return the columns of the file that the mapping names, each once."""
        names = [*self.columns.values(), *(d.column for d in self.durations.values())]
        return list(dict.fromkeys(names))

    def place(self, column: str) -> str:
        """Return the name under which a wanted column of the file is loaded: c0, c1, ..."""
        return f"c{self.wanted().index(column)}"


def load_mapping(path: Path) -> Mapping:
    """Return the checked mapping; raises UsageFault when missing, BadData when it is wrong."""
    if not path.is_file():
        raise UsageFault("no such mapping file", path, "give the file with --mapping")
    try:
        text = path.read_text("utf-8")
        content: Any = (
            yaml.safe_load(text) if path.suffix in (".yaml", ".yml") else tomllib.loads(text)
        )
        mapping = Mapping.model_validate(content or {})
    except (tomllib.TOMLDecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadData("broken mapping file", path, " ".join(str(error).split())) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise BadData("wrong mapping file", f"{path}: {where}", first["msg"]) from error
    _check_names(mapping, path)
    return mapping


def _check_names(mapping: Mapping, path: Path) -> None:
    known = _REQUESTS.column_names
    for section in ("columns", "constants", "values", "durations"):
        for name in getattr(mapping, section):
            if name not in known:
                where = f"{section}.{name} in {path.name}"
                raise BadData("no such column of requests", where, did_you_mean(name, known))
    for column in _REQUESTS.columns:
        allowed = [*mapping.values.get(column.name, {}).values()]
        if column.name in mapping.constants:
            allowed.append(mapping.constants[column.name])  # type: ignore[arg-type]
        for value in allowed if column.enum else []:
            if value not in column.enum:
                todo = did_you_mean(str(value), list(column.enum))
                raise BadData(f"{column.name} has no such value", value, todo)
    for name, duration in mapping.durations.items():
        if name not in _TIMES or duration.start not in _TIMES:
            todo = "a duration joins two of: " + ", ".join(_TIMES)
            raise BadData("not a time of requests", f"{name} from {duration.start}", todo)
    for pattern, stage in mapping.spans.items():
        if stage not in SPANS:
            raise BadData("no such stage", stage, did_you_mean(stage, list(SPANS)))
        try:
            re.compile(pattern)
        except re.error as error:
            raise BadData("broken regular expression", pattern, str(error)) from error
