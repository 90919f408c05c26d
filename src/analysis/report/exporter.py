"""From an executed notebook to one HTML page: no code cells, no network, nothing unescaped."""

from __future__ import annotations

import base64
import copy
import html
import json
import math
import re
import sys
from array import array
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from nbconvert import HTMLExporter
from nbconvert.preprocessors.sanitize import SanitizeHTML
from nbformat import v4

from analysis.charts.config import CONFIG
from analysis.report.metrics import MIME as METRICS_MIME
from analysis.report.runner import Failure
from runlog.errors import BadData

PLOTLY_MIME = "application/vnd.plotly.v1+json"
FOLDER = Path(__file__).parent
OUTPUTS = FOLDER.parent / "outputs.css"  # of tables and tiles, in notebooks as well
_DROPPED_TAGS = {"parameters", "injected-parameters", "remove-cell", "papermill-error-cell-tag"}
_WORDS = """a abbr b br caption code col colgroup dd details div dl dt em figcaption figure h2 h3
h4 h5 hr i li ol p pre section small span strong sub summary sup table tbody td tfoot th thead tr
ul"""
_TAGS = _WORDS.split()
_ATTRIBUTES = ["class", "colspan", "href", "id", "lang", "role", "rowspan", "scope", "style"]
_STYLES = ["background-color", "color", "font-weight", "min-width", "text-align", "width"]


@dataclass(frozen=True)
class Body:
    """The inside of a page: its HTML, headings for the table of contents, figures, metrics."""

    title: str
    html: str
    contents: list[tuple[int, str, str]]
    figures: int
    metrics: dict[str, Any] | None


def body_of(node: Any, failure: Failure | None = None) -> Body:
    """Return the page body of an executed notebook.

    Raises BadData when the notebook published its metrics more than once.
    """
    node = copy.deepcopy(node)
    metrics = _take_metrics(node)
    title = str(node.metadata.get("title", "")) or "Report"
    node.cells = [c for c in node.cells if not _DROPPED_TAGS & set(c.metadata.get("tags", ()))]
    node.cells = _until_error(node.cells)
    _fold_header(node)
    figures = 0
    for number, cell in enumerate(node.cells):
        if cell.cell_type == "code":
            figures += _safe_outputs(cell, number, failed=failure is not None)
    page, _ = _exporter().from_notebook_node(node)
    page = _without_urls(page)
    return Body(title, page, _headings(page), figures, metrics)


def _until_error(cells: list[Any]) -> list[Any]:
    """Return the cells up to the one that failed: headings without content would only puzzle."""
    for number, cell in enumerate(cells):
        if any(output.output_type == "error" for output in cell.get("outputs", ())):
            return cells[: number + 1]
    return cells


def _take_metrics(node: Any) -> dict[str, Any] | None:
    """Remove the published metrics from the outputs and return them."""
    found = []
    for cell in node.cells:
        outputs = cell.get("outputs", [])
        found += [o.data[METRICS_MIME] for o in outputs if METRICS_MIME in o.get("data", {})]
        if cell.cell_type == "code":
            cell.outputs = [o for o in outputs if METRICS_MIME not in o.get("data", {})]
    if len(found) > 1:
        raise BadData("metrics published more than once", len(found), "call publish_metrics once")
    return found[0] if found else None


def _fold_header(node: Any) -> None:
    """Show the question of the first cell; fold inputs, outputs and how to re-run away.

    The page has its title already, and the executive summary is to be on the first screen.
    """
    first = node.cells[0] if node.cells else None
    if first is None or first.cell_type != "markdown":
        return
    parts = re.split(r"\n\s*\n", re.sub(r"\A\s*# .*\n?", "", first.source).strip())
    rest = "\n\n".join(parts[1:])
    about = (
        '<details class="wl-about"><summary>About this report, and how to run it again</summary>'
        f"\n\n{rest}\n\n</details>"
    )
    first.source = parts[0] + (f"\n\n{about}" if rest else "")


def _safe_outputs(cell: Any, number: int, *, failed: bool) -> int:
    """Turn the outputs of a cell into safe HTML in place; return how many figures it has."""
    figures, kept = 0, []
    for position, output in enumerate(cell.outputs):
        data = output.get("data")
        if output.output_type == "error" or (output.output_type == "stream" and failed):
            continue  # the error has its own box, with the trace escaped
        if data is None:
            kept.append(output)
            continue
        if PLOTLY_MIME in data:
            output.data = {"text/html": _figure(data[PLOTLY_MIME], f"fig-{number}-{position}")}
            figures += 1
        elif "text/html" in data:
            output.data = {"text/html": _clean(data["text/html"])}
        else:
            output.data = {"text/html": f"<pre>{html.escape(data.get('text/plain', ''))}</pre>"}
        output.metadata = {}
        kept.append(output)
    cell.outputs = kept
    return figures


def _figure(figure: dict[str, Any], div_id: str) -> str:
    """Return a figure as data in the page; the shared script draws it. The id is fixed."""
    layout = figure.get("layout", {})
    title = layout.get("title", {})
    words = title.get("text", "") if isinstance(title, dict) else str(title)
    height = int(layout.get("height") or 380)
    content = {"data": figure.get("data", []), "layout": layout, "config": CONFIG}
    text = json.dumps(_rounded(content), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return (
        f'<figure class="wl-figure" id="{div_id}" role="img" '
        f'aria-label="{html.escape(html.unescape(words), quote=True)}">'
        f'<div class="wl-plot" style="height:{height}px"></div>'
        f'<script type="application/json">{text}</script></figure>'
    )


def _rounded(value: Any) -> Any:
    """Return figure data with floats to 9 digits, plotly's packed float arrays unpacked.

    Sums over several threads differ in their last bits; no reader sees that, but bytes do.
    """
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        if value.get("dtype") in ("f8", "f4") and "bdata" in value:
            return _rounded(_unpacked(value))
        return {name: _rounded(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    return value


def _unpacked(value: dict[str, Any]) -> list[Any]:
    """Return the numbers of a packed array: little-endian, row by row, of one dimension or two."""
    numbers = array("d" if value["dtype"] == "f8" else "f")
    numbers.frombytes(base64.b64decode(value["bdata"]))
    if sys.byteorder == "big":
        numbers.byteswap()
    flat, shape = numbers.tolist(), str(value.get("shape", ""))
    if "," not in shape:
        return flat
    width = int(shape.rsplit(",", 1)[1])
    return [flat[start : start + width] for start in range(0, len(flat), width)]


@cache
def _sanitizer() -> SanitizeHTML:
    return SanitizeHTML(tags=_TAGS, attributes=_ATTRIBUTES, styles=_STYLES)


def _clean(markup: str) -> str:
    """Return markup with everything escaped that is not plain structure."""
    markup = re.sub(r"<style\b.*?</style>", "", markup, flags=re.DOTALL)
    return str(_sanitizer().sanitize_html_tags(markup))


def _without_urls(page: str) -> str:
    """Return the page with its sources readable and nothing that leads out of it.

    Citations keep host and path as words; a page that cannot be left works the same for ever.
    """
    outside = r'<a\b[^>]*href="(?:https?:)?//[^"]*"[^>]*>(.*?)</a>'
    return re.sub(r"https?://", "", re.sub(outside, r"\1", page, flags=re.DOTALL))


def _headings(page: str) -> list[tuple[int, str, str]]:
    """Return (level, id, words) of the second and third level headings."""
    found = re.findall(r'<h([23]) id="([^"]+)"[^>]*>(.*?)</h\1>', page, flags=re.DOTALL)
    contents = []
    for level, anchor, inner in found:
        words = re.sub(r'<a class="anchor-link".*?</a>', "", inner, flags=re.DOTALL)
        words = html.unescape(re.sub(r"<[^>]+>", "", words)).strip()
        contents.append((int(level), anchor, words))
    return contents


@cache
def _exporter() -> HTMLExporter:
    return HTMLExporter(
        template_name="walletlab",
        extra_template_basedirs=[str(FOLDER / "templates")],
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        embed_images=False,
    )


@cache
def _pages() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def prepare() -> None:
    """Make the exporter and the page frame ready, so that the first page does not wait for them."""
    output = v4.new_output("display_data", {"text/html": "<p>one</p>"})
    cells = [v4.new_markdown_cell("## One"), v4.new_code_cell(outputs=[output])]
    body_of(v4.new_notebook(cells=cells))  # what is compiled at its first use is compiled now
    for template in ("page.html.j2", "index.html.j2"):
        _pages().get_template(template)


def assets() -> dict[str, str]:
    """Return the shared files of a site by name: stylesheet, script, plotly.js."""
    return {
        "style.css": "".join(
            place.read_text("utf-8") for place in (FOLDER / "assets" / "style.css", OUTPUTS)
        ),
        "report.js": (FOLDER / "assets" / "report.js").read_text("utf-8"),
        "plotly.min.js": (files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8"),
    }


def page(template: str, *, single_file: bool = False, **content: Any) -> str:
    """Return one page of the site from its Jinja template; `single_file` puts the assets inside."""
    inline = assets() if single_file else {}
    return _pages().get_template(template).render(inline=inline, **content)
