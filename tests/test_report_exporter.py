"""Pages: nothing unescaped, nothing from outside, fixed ids, contents, folded header."""

from __future__ import annotations

import json
import re

import nbformat
import numpy as np
import plotly.graph_objects as go
import pytest

from analysis.report.exporter import PLOTLY_MIME, assets, body_of, page
from analysis.report.metrics import MIME
from runlog.errors import BadData

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028&"


def _notebook(
    *outputs: dict, text: str = "# Title\n\nWhy?\n\nHow to run it."
) -> nbformat.NotebookNode:
    cells = [
        nbformat.v4.new_markdown_cell(text),
        nbformat.v4.new_code_cell(
            "1", outputs=[nbformat.v4.new_output("display_data", data=data) for data in outputs]
        ),
    ]
    return nbformat.v4.new_notebook(cells=cells, metadata={"title": "Title"})


def test_hostile_text_in_a_figure_cannot_leave_its_data():
    figure = {
        "data": [{"type": "bar", "name": HOSTILE, "y": [1]}],
        "layout": {"title": {"text": HOSTILE}},
    }
    body = body_of(_notebook({PLOTLY_MIME: figure}))
    assert body.figures == 1
    assert body.html.count("<script") == 1
    assert "<img" not in body.html
    content = re.search(r'<script type="application/json">(.*?)</script>', body.html, re.DOTALL)
    assert content
    assert json.loads(content[1])["data"][0]["name"] == HOSTILE


@pytest.mark.parametrize("kind", ["text/html", "text/markdown", "text/plain"])
def test_hostile_output_is_shown_not_run(kind):
    body = body_of(_notebook({kind: HOSTILE, "text/plain": HOSTILE}))
    assert "<script" not in body.html
    assert "<img" not in body.html
    assert "alert(1)" in body.html


def test_event_handlers_and_foreign_styles_are_removed():
    markup = '<p onclick="x()" style="position:fixed;color:red">words</p><style>p{}</style>'
    html = body_of(_notebook({"text/html": markup})).html
    assert "onclick" not in html
    assert "position" not in html
    assert "<style" not in html
    assert "words" in html


def test_javascript_output_is_dropped():
    html = body_of(_notebook({"application/javascript": "alert(1)", "text/plain": "p"})).html
    assert "alert" not in html


def test_no_external_url_remains_but_the_source_stays_readable():
    text = "# T\n\n[Notice](https://example.org/n?a=1&b=2), <http://example.org/x>, //example.org/y"
    body = body_of(_notebook({"text/html": "<p>https://example.org/z</p>"}, text=text))
    assert "http" not in body.html
    assert 'href="//' not in body.html
    assert "Notice" in body.html
    assert "example.org/x" in body.html


def test_code_and_parameters_do_not_show():
    notebook = _notebook({"text/plain": "seen"})
    notebook.cells[1].source = "secret_code()"
    injected = nbformat.v4.new_code_cell("run = 'x'", metadata={"tags": ["injected-parameters"]})
    notebook.cells.insert(1, injected)
    html = body_of(notebook).html
    assert "secret_code" not in html
    assert "run =" not in html
    assert "seen" in html


def test_cloud_button_is_off_in_every_figure():
    html = body_of(_notebook({PLOTLY_MIME: {"data": [], "layout": {}}})).html
    assert '"showSendToCloud":false' in html


def test_same_notebook_gives_the_same_bytes():
    notebook = _notebook({PLOTLY_MIME: {"data": [], "layout": {}}}, {"text/plain": "a"})
    assert body_of(notebook).html == body_of(notebook).html
    assert 'id="fig-1-0"' in body_of(notebook).html


def test_contents_list_headings_with_their_permalinks():
    text = "# T\n\nWhy?\n\n## First *part*\n\ntext\n\n### Detail & more"
    body = body_of(_notebook(text=text))
    assert [(level, words) for level, _, words in body.contents] == [
        (2, "First part"),
        (3, "Detail & more"),
    ]
    for _, anchor, _ in body.contents:
        assert f'id="{anchor}"' in body.html


def test_metrics_are_taken_out_of_the_page():
    body = body_of(_notebook({MIME: {"metrics": {"a": 1}}, "text/plain": "1 metrics published"}))
    assert body.metrics == {"metrics": {"a": 1}}
    assert "published" not in body.html


def test_metrics_published_twice_are_bad_data():
    with pytest.raises(BadData, match="metrics published more than once"):
        body_of(_notebook({MIME: {}}, {MIME: {}}))


def _render(**changes: object) -> str:
    content = {
        "base": "../", "index": "../index.html", "title": "T", "subtitle": "", "group": "G",
        "links": [], "contents": [], "body": "<p>b</p>", "figures": 1, "failure": None,
        "provenance": [("Built", "now")],
    }  # fmt: skip
    return page("page.html.j2", **{**content, **changes})


def test_page_loads_its_own_assets_only():
    loaded = re.findall(r'(?:src|href)="([^"]+)"', _render())
    wanted = {"../assets/style.css", "../assets/plotly.min.js", "../assets/report.js"}
    assert wanted <= set(loaded)
    assert wanted <= {f"../assets/{name}" for name in assets()}
    assert not [link for link in loaded if "//" in link]


def test_single_file_page_needs_no_other_file():
    html = _render(single_file=True)
    assert "assets/" not in re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert len(html) > 4_000_000


def test_titles_and_errors_are_escaped_in_the_frame():
    html = _render(title="<b>T</b>", subtitle="<i>", provenance=[("<u>", "<s>")])
    for tag in ("<b>", "<i>", "<u>", "<s>"):
        assert tag not in html


def test_last_bits_of_floats_do_not_reach_the_page():
    def html_of(value: float, table: list[list[float]]) -> str:
        figure = go.Figure(go.Scatter(y=np.array([value, 2.0, np.nan])))
        figure.add_trace(go.Heatmap(z=np.array(table)))
        return body_of(_notebook({PLOTLY_MIME: json.loads(figure.to_json())})).html

    first = html_of(0.1 + 0.2, [[1.0, 2.0, 1 / 3]])
    assert first == html_of(0.3, [[1.0, 2.0, 0.3333333333333]])
    assert '"y":[0.3,2.0,null]' in first
    assert '"z":[[1.0,2.0,0.333333333]]' in first
    assert first != html_of(0.3001, [[1.0, 2.0, 1 / 3]])
