"""Notebook parameters: declared types, and what is refused."""

from __future__ import annotations

import nbformat
import pytest
from site_case import TINY

from analysis.report.parameters import checked, declared
from runlog.errors import BadData, UsageFault


def test_declared_parameters_have_type_default_and_help():
    found = declared(TINY)
    assert list(found) == ["incident", "label", "count", "scale", "fails"]
    assert (found["count"].type, found["count"].default) == ("int", 3)
    assert found["count"].help == "points of the line"


def test_command_line_text_is_read_as_the_declared_type():
    given = {"label": "007", "count": "12", "scale": "2", "fails": "yes"}
    assert checked(TINY, given) == {"label": "007", "count": 12, "scale": 2.0, "fails": True}


def test_unknown_parameter_is_refused_with_a_suggestion():
    with pytest.raises(UsageFault, match=r"incidnet · did you mean 'incident'\?"):
        checked(TINY, {"incidnet": "kyash-2018-10-09"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", "3.5"), ("count", 3.5), ("count", True), ("fails", "maybe"), ("scale", "fast")],
)
def test_value_of_another_type_is_refused(name, value):
    with pytest.raises(UsageFault, match=f"parameter {name} has the wrong type"):
        checked(TINY, {name: value})


def test_parameter_without_type_is_bad_data(tmp_path):
    notebook = nbformat.read(TINY, as_version=4)
    notebook.cells[1].source = "limit = 3"
    path = tmp_path / "untyped.ipynb"
    nbformat.write(notebook, path)
    with pytest.raises(BadData, match=r"untyped.ipynb: limit"):
        declared(path)
