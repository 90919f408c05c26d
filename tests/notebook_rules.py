"""The rules of a report notebook, as functions that return what is wrong; [] is a good notebook."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import nbformat

from analysis.report.parameters import declared
from runlog.errors import BadData

CODE_CELLS_MAX, CODE_LINES_MAX = 12, 10
COMPARED = "nbval-check-output"
FIGURE_MIME = "application/vnd.plotly.v1+json"
# a string that reads as a query, not the word "select" in a sentence
SQL = re.compile(
    r"\b(select\b.+\bfrom\b|insert\s+into\b|create\s+(table|view)\b|with\b.+\bas\s*\()",
    re.IGNORECASE | re.DOTALL,
)
PARAMETER_LINE = re.compile(r"^\w+: (str|int|float|bool) = .+  # \S.*$")


def problems_of(path: Path) -> list[str]:
    """Return every rule that the notebook breaks, in words."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [
        *_metadata(notebook),
        *_header(notebook),
        *_parameters(path, notebook),
        *_code(code),
        *_outputs(code),
        *_figures(notebook),
        *_ending(notebook),
    ]


def _tags(cell: Any) -> set[str]:
    return set(cell.metadata.get("tags", ()))


def _magic(cell: Any) -> bool:
    return any(line.lstrip().startswith(("%", "!")) for line in cell.source.splitlines())


def _metadata(notebook: Any) -> list[str]:
    problems = []
    if not notebook.metadata.get("title"):
        problems.append("metadata has no title")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        problems.append("kernel is not python3")
    return problems


def _header(notebook: Any) -> list[str]:
    first = notebook.cells[0]
    if first.cell_type != "markdown" or not first.source.startswith("# "):
        return ["the first cell is no markdown title"]
    said = first.source.lower()
    wanted = ("question", "input", "output", "run")
    return [f"the first cell does not tell: {word}" for word in wanted if word not in said]


def _parameters(path: Path, notebook: Any) -> list[str]:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if "parameters" in _tags(cell)]
    if len(tagged) != 1 or tagged[0] is not code[0]:
        return ["the first code cell is not the one and only cell tagged parameters"]
    lines = [line for line in tagged[0].source.splitlines() if line.strip()]
    problems = [f"parameter line: {line}" for line in lines if not PARAMETER_LINE.match(line)]
    try:
        found = declared(path)
    except BadData as error:
        return [*problems, str(error)]
    if len(found) != len(lines):
        problems.append(f"papermill reads {len(found)} parameters in {len(lines)} lines")
    return problems


def _code(code: list[Any]) -> list[str]:
    problems = []
    if len(code) > CODE_CELLS_MAX:
        problems.append(f"{len(code)} code cells")
    for number, cell in enumerate(code, start=1):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if len(lines) > CODE_LINES_MAX:
            problems.append(f"code cell {number} has {len(lines)} lines")
        if _magic(cell):
            problems.append(f"code cell {number} uses a magic")
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
                problems.append(f"code cell {number} defines something")
            if isinstance(node, ast.Constant) and SQL.search(str(node.value)):
                problems.append(f"code cell {number} holds SQL")
        if "raises-exception" in _tags(cell):
            problems.append(f"code cell {number} may raise unseen")
    published = sum(cell.source.count("publish_metrics(") for cell in code)
    return problems if published == 1 else [*problems, f"metrics are published {published} times"]


def _outputs(code: list[Any]) -> list[str]:
    """nbval skips what is not stored: a compared cell without output compares nothing."""
    problems = []
    compared = [cell for cell in code if COMPARED in _tags(cell)]
    if not compared:
        problems.append("no cell is compared by nbval")
    for number, cell in enumerate(code, start=1):
        if cell not in compared:
            if cell.outputs or cell.execution_count is not None:
                problems.append(f"code cell {number} is not stripped")
            continue
        if "keep_output" not in _tags(cell):
            problems.append(f"compared code cell {number} would lose its output to nbstripout")
        text = "".join(output.get("text", "") for output in cell.outputs)
        if not re.search(r"\d", text) or cell.execution_count is None:
            problems.append(f"compared code cell {number} has no stored number (make golden)")
    return problems


def _figures(notebook: Any) -> list[str]:
    """A cell that shows a figure is followed by one sentence of what to see."""
    problems, charts = [], set()
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        if _magic(cell):
            continue
        tree = ast.parse(cell.source)
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom):
                continue
            if f"{node.module}.".startswith("analysis.charts."):
                charts |= {alias.asname or alias.name for alias in node.names}
            elif node.module == "analysis":
                charts |= {a.asname or a.name for a in node.names if a.name == "charts"}
        last = tree.body[-1] if tree.body else None
        shown = (
            isinstance(last, ast.Expr)
            and {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & charts
        )
        if not shown:
            continue
        after = notebook.cells[number + 1] if number + 1 < len(notebook.cells) else None
        words = after.source.strip() if after and after.cell_type == "markdown" else ""
        if not words.split("\n\n")[0].endswith(".") or words.startswith("#"):
            problems.append(f"cell {number} shows a figure without a sentence after it")
    return problems


def figures_without_words(executed: Any) -> list[str]:
    """Return the figures of an executed notebook after which nothing says what to see.

    Words come as the next cell (markdown, not a heading) or, when they depend on the data, as a
    later output of the same cell.
    """
    problems = []
    for number, cell in enumerate(executed.cells):
        outputs = cell.get("outputs", [])
        for position, output in enumerate(outputs):
            if FIGURE_MIME not in output.get("data", {}):
                continue
            after = [o for o in outputs[position:] if FIGURE_MIME not in o.get("data", {})]
            said = bool(after) and "text/html" in after[0].get("data", {})
            if not after and number + 1 < len(executed.cells):
                following = executed.cells[number + 1]
                said = following.cell_type == "markdown" and not following.source.startswith("#")
            if not said:
                problems.append(f"cell {number}, output {position}: a figure without a sentence")
    return problems


def _ending(notebook: Any) -> list[str]:
    if notebook.cells[-1].source.lstrip().startswith("#"):
        return ["the notebook ends with a bare heading"]
    last = "\n".join(cell.source for cell in notebook.cells[-6:]).lower()
    return [f"the last cells have no {word}" for word in ("finding", "caveat") if word not in last]
