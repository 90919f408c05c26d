"""Every report notebook keeps the house rules, and nbval really compares what it is told to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from notebook_rules import figures_without_words, problems_of
from site_case import ROOT, TINY, golden, recorded_site, report_notebooks

from analysis.report.runner import Job, execute_all


def test_report_notebooks_were_found():
    assert report_notebooks()


@pytest.mark.parametrize("path", report_notebooks(), ids=lambda path: path.stem)
def test_notebook_keeps_the_rules(path):
    assert problems_of(path) == []


def test_every_figure_of_the_site_is_put_into_words():
    site = recorded_site()
    found = {}
    for entry in site.entries:
        executed = site.index.parent / entry.slug / "executed.ipynb"
        found[entry.slug] = figures_without_words(nbformat.read(executed, as_version=4))
    assert {slug: problems for slug, problems in found.items() if problems} == {}


@pytest.fixture(scope="module")
def golden_notebook(tmp_path_factory) -> Path:
    """The tiny notebook with its compared output stored, as `make golden` does it."""
    folder = tmp_path_factory.mktemp("golden")
    [outcome] = execute_all([Job("tiny", TINY, {}, folder / "executed.ipynb")])
    assert outcome.failure is None
    source = nbformat.read(TINY, as_version=4)
    path = folder / "tiny.ipynb"
    path.write_text(golden().text_of(golden().with_compared_outputs(source, outcome.node)), "utf-8")
    return path


def _changed(source: Path, target: Path, change) -> Path:
    notebook = nbformat.read(source, as_version=4)
    change(notebook)
    nbformat.write(notebook, target)
    return target


def _compared(notebook):
    return next(c for c in notebook.cells if "nbval-check-output" in c.metadata.get("tags", ()))


def test_notebook_that_golden_does_not_know_is_named_whatever_else_is_asked():
    assert [p.stem for p in golden().notebooks(["01"])] == ["01_outage_timeline"]
    with pytest.raises(SystemExit, match=r"no such notebook: 99$"):
        golden().notebooks(["01", "99"])


def test_golden_notebook_keeps_the_rules_and_is_stripped(golden_notebook):
    assert problems_of(golden_notebook) == []
    strip = shutil.which("nbstripout", path=str(Path(sys.executable).parent)) or "nbstripout"
    done = subprocess.run([strip, "--verify", "--keep-count", golden_notebook], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda nb: _compared(nb).update(outputs=[]), "has no stored number"),
        (lambda nb: _compared(nb).update(execution_count=None), "has no stored number"),
        (lambda nb: _compared(nb).metadata.update(tags=[]), "no cell is compared"),
        (lambda nb: nb.cells[2].update(execution_count=4), "code cell 2 is not stripped"),
        (lambda nb: nb.cells[2].update(source="def f():\n    pass"), "defines something"),
        (lambda nb: nb.cells[2].update(source="'select 1 from x'"), "holds SQL"),
        (lambda nb: nb.cells[2].update(source="x = 1\n" * 11), "has 11 lines"),
        (lambda nb: nb.cells[2].update(source="%matplotlib inline"), "uses a magic"),
        (lambda nb: nb.cells[1].update(source="run = 1"), "parameter line"),
        (lambda nb: nb.cells[1].metadata.update(tags=[]), "tagged parameters"),
        (lambda nb: nb.cells.pop(8), "figure without a sentence"),
        (lambda nb: (nb.cells.pop(), nb.cells.pop()), "ends with a bare heading"),
        (lambda nb: [c.update(source="1") for c in nb.cells[-3:]], "no caveat"),
        (lambda nb: nb.metadata.pop("title"), "no title"),
        (
            lambda nb: nb.cells.extend(nbformat.v4.new_code_cell("1") for _ in range(9)),
            "code cells",
        ),
    ],
)
def test_guard_finds(golden_notebook, tmp_path, change, problem):
    path = _changed(golden_notebook, tmp_path / "changed.ipynb", change)
    assert any(problem in found for found in problems_of(path))


def _nbval(path: Path) -> subprocess.CompletedProcess[str]:
    """Run nbval on one notebook as `make test` does, without this session's settings."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    options = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=120"]
    sanitize = ["--nbval-sanitize-with", str(ROOT / "notebooks" / "nbval_sanitize.cfg")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *sanitize]
    return subprocess.run(
        [*command, "--rootdir", str(path.parent), str(path)],
        capture_output=True, text=True, check=False, cwd=path.parent, env=environment,
    )  # fmt: skip


def test_nbval_passes_what_golden_stored(golden_notebook):
    done = _nbval(golden_notebook)
    assert done.returncode == 0, done.stdout


def test_nbval_fails_on_an_altered_number(golden_notebook, tmp_path):
    path = tmp_path / "altered.ipynb"
    text = golden_notebook.read_text("utf-8")
    assert "last value 3.0" in text
    path.write_text(text.replace("last value 3.0", "last value 3.1"), "utf-8")
    done = _nbval(path)
    assert done.returncode == 1
    assert "Cell outputs differ" in done.stdout
