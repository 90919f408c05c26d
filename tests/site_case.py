"""Builders of reports for tests: the tiny notebook, and the whole site from recorded runs, once."""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

from analysis import paths
from analysis.postmortem import extra
from analysis.report.build import Site, build
from analysis.report.site import Page, recorded_runs, site_pages, unique

ROOT = Path(__file__).resolve().parents[1]
TINY = ROOT / "tests" / "fixtures" / "notebooks" / "tiny.ipynb"
FIGURE_MIME = "application/vnd.plotly.v1+json"


def tiny_page(slug: str = "tiny", **parameters: object) -> Page:
    """Return a page of the tiny notebook, with parameters in their right types."""
    return Page(slug, TINY, "Other reports", parameters)


@cache
def recorded_site() -> Site:
    """Build the whole site from the recorded runs once a session; return it."""
    folder = Path(tempfile.mkdtemp(prefix="site-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    pages = unique(site_pages(recorded_runs()))
    before = Path.cwd()
    os.chdir(folder)  # the notebooks must not care where they are started
    try:
        return build(pages, folder / "reports", subtitle="Recorded runs.", extras=[extra])
    finally:
        os.chdir(before)


def figures_of(report: Path) -> int:
    """Return how many figures the executed notebook beside a page has."""
    cells = json.loads((report.parent / "executed.ipynb").read_text("utf-8"))["cells"]
    return sum(
        FIGURE_MIME in output.get("data", {}) for c in cells for output in c.get("outputs", [])
    )


def report_notebooks() -> list[Path]:
    """Return the numbered notebooks of the project."""
    return sorted(paths.notebooks().glob("[0-9]*.ipynb"))


@cache
def golden() -> ModuleType:
    """Return tools/golden.py as a module."""
    spec = importlib.util.spec_from_file_location("golden", ROOT / "tools" / "golden.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
