"""Kernels start ahead of those who speak to them, and none outlives its build."""

from __future__ import annotations

import json

import pytest
from site_case import TINY

from analysis.report import kernels
from analysis.report.kernels import Kernels


def test_kernels_end_with_the_build_used_or_not():
    with Kernels() as started:
        other = TINY.with_name("other.ipynb")
        started.start_ahead([TINY])
        started.start_ahead([other])
        used, new = started.take(TINY), started.take(TINY)
        assert used.process.poll() is None
        assert len({used.process.pid, new.process.pid}) == 2
        folder = used.connection_file.parent
        assert used.connection_file.stat().st_mode & 0o077 == 0
        processes = [kernel.process for kernel in started._all]
    assert len(processes) == 3
    assert all(process.returncode is not None for process in processes)
    assert not folder.exists()


def test_no_kernel_is_started_after_the_end():
    with Kernels() as started:
        started.end_all()
        with pytest.raises(RuntimeError, match="have ended"):
            started.take(TINY)


def test_modules_to_load_are_those_the_cells_import(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": "from analysis import nothing"},
        {"cell_type": "code", "source": ["import os\n", "from analysis.report import metrics"]},
        {"cell_type": "code", "source": "import analysis.tables"},
    ]
    notebook = tmp_path / "a.ipynb"
    notebook.write_text(json.dumps({"cells": cells}))
    names = {"analysis.report", "analysis.report.metrics", "analysis.tables"}
    assert kernels._modules(notebook) == names
    notebook.write_text("{")
    assert kernels._modules(notebook) == set()
    assert kernels._modules(tmp_path / "missing.ipynb") == set()
