"""Machine-readable output: `--json` prints one document on standard output, and nothing else."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import click
from pydantic import BaseModel


def echo_json(content: object) -> None:
    """Print `content` as indented JSON; times as ISO 8601 with their zone, models as objects."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if hasattr(value, "item"):  # numpy scalars
        return value.item()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    msg = f"not serialisable: {type(value)}"
    raise TypeError(msg)
