"""Where things are, whatever the working directory (JupyterLab, papermill, nbval: all differ)."""

from __future__ import annotations

import os
from pathlib import Path

from runlog.errors import EnvironmentFault, UsageFault

ROOT_VARIABLE = "WALLETLAB_HOME"


def root() -> Path:
    """Return the project folder: $WALLETLAB_HOME, or the clone this package was installed from.

    Raises EnvironmentFault when there is no `data` folder in it.
    """
    chosen = os.environ.get(ROOT_VARIABLE)
    folder = Path(chosen) if chosen else Path(__file__).resolve().parents[2]
    if not (folder / "data").is_dir():
        todo = f"set {ROOT_VARIABLE} to the clone of the project"
        raise EnvironmentFault("project folder not found", folder, todo)
    return folder


def data(*parts: str) -> Path:
    """Return a path under `data/`."""
    return root().joinpath("data", *parts)


def notebooks() -> Path:
    """Return the folder of the report notebooks."""
    return root() / "notebooks"


def runs() -> Path:
    """Return the folder where `walletlab run` and imports put runs unless told otherwise."""
    return root() / "runs"


def reports() -> Path:
    """Return the folder of the report site."""
    return root() / "reports"


def find_run(name: str) -> Path:
    """Return the run directory a user means by a path, or by the name of a recorded or local run.

    Raises UsageFault when there is none.
    """
    for candidate in (Path(name), runs() / name, data("recorded", name)):
        if candidate.is_dir():
            return candidate.resolve()
    known = sorted(p.name for p in data("recorded").iterdir() if p.is_dir())
    raise UsageFault("no such run", name, "give a run directory, or one of: " + ", ".join(known))
