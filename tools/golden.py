"""Execute the notebooks on their defaults (the recorded runs) and keep the compared outputs only.

    python tools/golden.py            every notebook
    python tools/golden.py 01 03      some, by number, name or path
    python tools/golden.py --check    change nothing, fail when an output would change

Review the diff: each changed number is a changed finding.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import nbformat
from nbstripout import strip_output

from analysis import paths
from analysis.report.runner import Job, Outcome, execute_all
from runlog.errors import LabError

COMPARED = "nbval-check-output"


def notebooks(names: list[str]) -> list[Path]:
    """Return the notebooks to work on, in reading order."""
    known = sorted(paths.notebooks().glob("[0-9]*.ipynb"))
    if not names:
        return known
    by_name = {name: p for p in known for name in (p.stem, p.stem.split("_")[0])}
    chosen = [Path(n) if Path(n).is_file() else by_name.get(n) for n in names]
    if None in chosen:
        unknown = [n for n, path in zip(names, chosen, strict=True) if path is None]
        sys.exit(f"golden: no such notebook: {', '.join(unknown)}")
    return [path for path in chosen if path is not None]


def with_compared_outputs(source: Any, executed: Any) -> Any:
    """Return the source notebook with the outputs and counts of compared cells, and no others."""
    executed_by_id = {cell.id: cell for cell in executed.cells}
    for cell in source.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        if COMPARED in cell.metadata.get("tags", ()):
            done = executed_by_id[cell.id]
            cell.outputs, cell.execution_count = done.outputs, done.execution_count
    # the rest as `make lint` wants it: nbstripout also renumbers the cells
    source.metadata.pop("papermill", None)
    return strip_output(source, keep_output=False, keep_count=True, keep_id=False)


def text_of(notebook: Any) -> str:
    """Return the file's text as JupyterLab would write it."""
    return str(nbformat.writes(notebook, version=4)).rstrip("\n") + "\n"


def renew(chosen: list[Path], *, check: bool) -> int:
    """Execute and rewrite the notebooks; return the exit code."""
    state = 0
    with tempfile.TemporaryDirectory() as folder:
        jobs = [Job(p.stem, p, {}, Path(folder) / p.name) for p in chosen]
        outcomes: list[Outcome] = execute_all(jobs)
    for path, outcome in zip(chosen, outcomes, strict=True):
        if outcome.failure:
            click.echo(
                f"{path.name}: FAILED in cell {outcome.failure.cell}: {outcome.failure.error}"
            )
            state = 1
            continue
        before = path.read_text("utf-8")
        after = text_of(with_compared_outputs(nbformat.reads(before, as_version=4), outcome.node))
        kept = sum(1 for c in nbformat.reads(after, as_version=4).cells if c.get("outputs"))
        changed = after != before
        word = "would change" if changed and check else "changed" if changed else "unchanged"
        click.echo(f"{path.name}: {word}, {kept} compared cell(s), {outcome.seconds:.1f} s")
        if changed and check:
            state = 1
        elif changed:
            partial = path.with_suffix(f".partial-{os.getpid()}")
            partial.write_text(after, "utf-8")
            partial.replace(path)
    return state


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="notebooks by number, name or path")
    parser.add_argument("--check", action="store_true", help="change nothing, report only")
    given = parser.parse_args()
    try:
        return renew(notebooks(given.names), check=given.check)
    except LabError as error:
        click.echo(f"golden: {error}", err=True)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
