"""Runs the recorded scenarios anew and puts the results into data/recorded (`make recorded`).

The frozen runs are real output of the engine. After a change here, `make golden` brings the
compared notebook outputs along.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from reference_engine.run import run_scenario
from reference_engine.scenario import load_scenario
from runlog.errors import LabError
from runlog.reader import open_run

ROOT = Path(__file__).resolve().parents[1]
LIMIT_BYTES = 4 * 1024 * 1024
# folder -> scenario, design (None: the scenario's own)
RUNS: dict[str, tuple[str, str | None]] = {
    "healthy": ("healthy", None),
    "kyash-2018-10-09": ("kyash-2018-10-09", None),
    "kyash-2018-10-09-phased": ("kyash-2018-10-09", "phased"),
}


def record(name: str) -> Path:
    """Run one recorded scenario and replace its folder; return it."""
    scenario, design = RUNS[name]
    target = ROOT / "data" / "recorded" / name
    fresh = target.with_name(f".{name}.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    run_scenario(
        load_scenario(scenario, design=design),
        fresh,
        echo=lambda message: click.echo(f"{name}: {message}", err=True),
    )
    try:
        open_run(fresh).close()
        size = sum(p.stat().st_size for p in fresh.iterdir())
        if size > LIMIT_BYTES:
            sys.exit(f"{name}: {size} bytes, more than the {LIMIT_BYTES} a recorded run may have")
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def main() -> None:
    """Record the runs named on the command line, or all of them."""
    for name in sys.argv[1:] or RUNS:
        if name not in RUNS:
            sys.exit(f"no such recorded run: {name}; known: {', '.join(RUNS)}")
        try:
            click.echo(record(name))
        except LabError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
