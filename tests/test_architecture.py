"""The arrows between the rooms of the house, read from the syntax trees."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCER = sorted((ROOT / "reference_engine").rglob("*.py"))
CONTRACT = sorted((ROOT / "src" / "runlog").rglob("*.py"))
CONSUMER = sorted((ROOT / "src" / "analysis").rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ALL = PRODUCER + CONTRACT + CONSUMER
SQL_FOLDER = ROOT / "src" / "analysis" / "sql"
QUERIES = sorted(SQL_FOLDER.rglob("*.sql"))

# the composition root: the only place where both sides may meet
COMPOSITION_ROOT = ROOT / "src" / "analysis" / "cli"


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def _nodes(source: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse(source)))


@cache
def _imported(source: str) -> frozenset[str]:
    found: set[str] = set()
    for node in _nodes(source):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def _top(source: str) -> set[str]:
    return {name.partition(".")[0] for name in _imported(source)}


@cache
def _text(path: Path) -> str:
    return path.read_text("utf-8")


def test_the_tree_was_found():
    assert PRODUCER
    assert CONTRACT
    assert CONSUMER


@pytest.mark.parametrize("path", PRODUCER, ids=_name)
def test_engine_never_imports_the_analysis(path):
    assert "analysis" not in _top(_text(path))


@pytest.mark.parametrize("path", CONTRACT, ids=_name)
def test_contract_imports_neither_side(path):
    assert not {"analysis", "reference_engine"} & _top(_text(path))


@pytest.mark.parametrize("path", CONSUMER, ids=_name)
def test_analysis_never_imports_the_engine(path):
    if not path.is_relative_to(COMPOSITION_ROOT):
        assert "reference_engine" not in _top(_text(path))


@pytest.mark.parametrize("path", CONSUMER, ids=_name)
def test_no_analysis_module_can_read_the_truth(path):
    """The injected cause is for the scorer only: no name, no path and no constant leads to it."""
    text = _text(path)
    assert "truth.json" not in text
    assert "runlog.schema.TRUTH" not in _imported(text)
    names = {n.id for n in _nodes(text) if isinstance(n, ast.Name)}
    attributes = {n.attr for n in _nodes(text) if isinstance(n, ast.Attribute)}
    assert "TRUTH" not in names | attributes


@pytest.mark.parametrize(
    "path", [p for p in CONSUMER if "charts" in p.relative_to(ROOT).parts], ids=_name
)
def test_charts_never_query(path):
    text = _text(path)
    assert not {"duckdb", "runlog", "sqlalchemy", "psycopg"} & _top(text)
    assert "analysis.sql" not in _imported(text)


@pytest.mark.parametrize("path", CONSUMER, ids=_name)
def test_plotly_is_drawn_with_in_charts_and_report_only(path):
    room = path.relative_to(ROOT / "src" / "analysis").parts[0]
    if room not in {"charts", "report"}:
        assert "plotly" not in _top(_text(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=_name)
def test_notebooks_import_the_analysis_only(path):
    code = [
        "".join(c["source"]) for c in json.loads(_text(path))["cells"] if c["cell_type"] == "code"
    ]
    tops = set().union(*(_top(source) for source in code))
    assert "reference_engine" not in tops
    assert "duckdb" not in tops


@pytest.mark.parametrize("path", ALL, ids=_name)
def test_functions_stay_within_seventy_lines(path):
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in _nodes(_text(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > 70
    ]
    assert long == []


@pytest.mark.parametrize("path", ALL, ids=_name)
def test_modules_stay_within_four_hundred_lines(path):
    assert len(_text(path).splitlines()) <= 400


@pytest.mark.parametrize("path", QUERIES, ids=_name)
def test_sql_files_tell_their_grain_and_keep_to_the_portable_subset(path):
    text = _text(path)
    assert re.search(r"(?mi)^-- *grain", text), "a header comment names grain, columns and units"
    if "duckdb" not in path.parts:
        body = re.sub(r"--.*", "", text).lower()
        for word in ("quantile_cont", "quantile_disc", "asof ", "list_transform", "unnest(", "->"):
            assert word not in body, f"{word.strip()} belongs into sql/duckdb/"


def _names_of(query: Path) -> list[str]:
    """The query's name, and the two forms in which code makes one up from a view's name."""
    return [
        query.stem,
        query.stem.replace("bottleneck_", "bn_", 1),
        query.stem.removesuffix("_stored"),
    ]


def test_every_sql_file_is_used():
    sources = "\n".join(_text(p) for p in CONSUMER)
    sources += "\n".join(_text(p) for p in (ROOT / "benchmarks").rglob("*.py"))
    assert [q.stem for q in QUERIES if not any(n in sources for n in _names_of(q))] == []
