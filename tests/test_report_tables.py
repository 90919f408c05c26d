"""Tables, tiles, summary: escaped, byte-stable, unknown shown as unknown; metrics as JSON."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from analysis import tables
from analysis.report.metrics import plain, to_bytes
from runlog.errors import BadData

FRAME = pd.DataFrame(
    {
        "operation": ["card_payment", "<b>x</b>"],
        "amount_jpy": pd.array([1200, None], dtype="Int64"),
        "share": [0.5, float("nan")],
        "at": pd.to_datetime(["2018-10-09T05:14:00Z", None]),
    }
)


def _html() -> str:
    formats = {"amount_jpy": "yen", "share": "percent"}
    return tables.table(FRAME, "t1", formats=formats, caption="<i>c</i>").to_html()


def test_table_shows_formats_and_unknown_values():
    html = _html()
    for words in ("¥1,200", "50.0 %", "2018-10-09 14:14:00 JST", "Amount jpy"):
        assert words in html
    assert html.count(f">{tables.UNKNOWN}<") == 3


def test_table_escapes_cells_headers_and_caption():
    frame = pd.DataFrame({"<u>h</u>": ["<b>x</b>"]})
    html = tables.table(frame, "t1", caption="<i>c</i>").to_html()
    for tag in ("<u>", "<b>", "<i>"):
        assert tag not in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html


def test_table_is_byte_stable():
    assert _html() == _html()
    assert 'id="T_t1"' in _html()


def test_empty_table_keeps_its_headers():
    html = tables.table(FRAME.iloc[:0], "t1").to_html()
    assert "Operation" in html


def test_tiles_and_summary_escape_their_words():
    tile = tables.Tile("<b>l</b>", "<b>v</b>", "<b>n</b>", "bad")
    for html in (tables.tiles([tile])._repr_html_(), tables.summary(["<b>s</b>"])._repr_html_()):
        assert "<b>" not in html


def test_summary_without_a_sentence_is_refused():
    with pytest.raises(ValueError, match="at least one sentence"):
        tables.summary([""])


def test_metrics_are_plain_json_with_sorted_keys():
    document = {
        "z": np.int64(3),
        "a": np.float64(0.1) + 0.2,
        "nan": float("nan"),
        "nat": pd.NaT,
        "na": pd.NA,
        "at": pd.Timestamp("2018-10-09T14:14:00+09:00"),
        "for": dt.timedelta(minutes=3),
        "list": pd.Series([1, 2]),
        "yes": np.bool_(True),
    }
    read = json.loads(to_bytes(document))
    assert list(read) == sorted(document)
    assert read["a"] == 0.3
    assert read["nan"] is read["nat"] is read["na"] is None
    assert read["at"] == "2018-10-09T05:14:00Z"
    assert read["for"] == 180.0
    assert read["list"] == [1, 2]
    assert read["yes"] is True


@pytest.mark.parametrize("value", [object(), dt.datetime(2018, 10, 9)])  # noqa: DTZ001
def test_metric_that_cannot_be_told_is_refused(value):
    with pytest.raises(BadData):
        plain({"metric": value})


def test_two_columns_with_one_header_are_refused():
    frame = pd.DataFrame({"low": [1], "high": [2]})
    with pytest.raises(ValueError, match="two columns with the header 'Error'"):
        tables.table(frame, "t", labels={"low": "Error", "high": "error"})
