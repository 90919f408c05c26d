"""The manifest of a run: what it is, under which settings it was made, and what its files hold."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runlog.errors import BadData
from runlog.schema import CONTRACT_VERSION, MANIFEST


class Scenario(BaseModel):
    """The scenario's name and its full text, so that a run can be made again from its folder."""

    model_config = ConfigDict(extra="forbid")
    name: str
    text: str


class Clock(BaseModel):
    """Maps run time to incident time for display. Latencies are never scaled.

    incident time = `scenario_start` + (run time - `wall_start`) x `compression`.
    """

    model_config = ConfigDict(extra="forbid")
    scenario_start: datetime | None
    wall_start: datetime
    wall_end: datetime | None = None
    compression: float = Field(default=1.0, gt=0)


class TableFile(BaseModel):
    """Rows and SHA-256 of one table's Parquet file."""

    model_config = ConfigDict(extra="forbid")
    rows: int = Field(ge=0)
    sha256: str


class Manifest(BaseModel):
    """`manifest.json`. Its presence, written last, is what makes a folder a run."""

    model_config = ConfigDict(extra="forbid")
    contract_version: int = Field(default=CONTRACT_VERSION, ge=1, le=CONTRACT_VERSION)
    run_id: str
    kind: Literal["engine", "imported", "watched"]
    scenario: Scenario | None = None
    incident: str | None = None
    seed: int | None = None
    design: str | None = None
    flags: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    postgres: dict[str, str] = Field(default_factory=dict)
    cpu_count: int | None = None
    clock: Clock
    arrivals: dict[str, int] = Field(default_factory=dict)
    sources: list[dict[str, Any]] = Field(default_factory=list)
    rejects: dict[str, int] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    tables: dict[str, TableFile] = Field(default_factory=dict)


def read_manifest(folder: Path) -> Manifest:
    """Return the validated manifest of the run in `folder`.

    Raises BadData when the folder is no run, or its manifest is broken.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise BadData(
            "no such run directory", folder, "give the folder that `walletlab run` printed"
        )
    if not path.is_file():
        todo = f"a run has a {MANIFEST}; this folder is no run, or its writing was cut short"
        raise BadData("not a run directory", folder, todo)
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"]) or "(whole file)"
        todo = f"field {where}: {first['msg']}; make the run again"
        raise BadData("broken manifest", path, todo) from error
