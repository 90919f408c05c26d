"""The chart kit: Japan's time, safe labels, bands in words, differences beyond colour."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import plotly.io as pio
import pytest

from analysis.charts import kit, theme

TIMES = pd.Series(pd.date_range("2018-10-09T05:00Z", periods=10, freq="min"))


def _figure():
    figure = kit.new_figure("T", x_title=kit.TIME_TITLE, y_title="Latency (ms)")
    return kit.add_line(figure, TIMES, pd.Series(range(10)), "p99")


def test_palette_is_okabe_and_ito():
    named = (
        theme.ORANGE, theme.SKY_BLUE, theme.BLUISH_GREEN, theme.YELLOW, theme.BLUE,
        theme.VERMILION, theme.REDDISH_PURPLE, theme.BLACK,
    )  # fmt: skip
    assert named == (
        "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000",
    )  # fmt: skip
    assert theme.YELLOW not in theme.LINE_COLOURS


def test_lines_differ_by_more_than_colour():
    looks = [theme.line_style(n) for n in range(7)]
    shapes = {(look["line"]["dash"], look["marker"]["symbol"]) for look in looks}
    assert len(shapes) == 7


def test_notebook_renderer_has_no_cloud_button():
    theme.install()
    bundle = pio.renderers["plotly_mimetype"].to_mimebundle(_figure().to_dict())
    config = bundle["application/vnd.plotly.v1+json"]["config"]
    assert config["showSendToCloud"] is False
    assert pio.renderers.default == "plotly_mimetype"


@pytest.mark.parametrize(
    "moment",
    [
        "2018-10-09T05:14:00Z",
        pd.Timestamp("2018-10-09T05:14:00"),
        dt.datetime(2018, 10, 9, 14, 14, tzinfo=dt.timezone(dt.timedelta(hours=9))),
    ],
)
def test_times_are_drawn_in_japan_time(moment):
    assert kit.jst(moment) == dt.datetime(2018, 10, 9, 14, 14)  # noqa: DTZ001


def test_series_of_times_keeps_its_rows_and_unknowns():
    converted = kit.jst(pd.Series(["2018-10-09T05:00:00Z", None]))
    assert converted.iloc[0] == pd.Timestamp("2018-10-09 14:00")
    assert pd.isna(converted.iloc[1])


def test_run_time_is_mapped_to_the_incident_clock():
    start = dt.datetime(2018, 10, 9, 14, 0, tzinfo=dt.timezone(dt.timedelta(hours=9)))
    wall = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    later = pd.Series([wall + dt.timedelta(seconds=30)])
    assert kit.incident_time(later, start, wall, 120).iloc[0] == pd.Timestamp("2018-10-09T06:00Z")
    assert kit.incident_time(later, None, wall, 1).iloc[0] == pd.Timestamp(later[0])


def test_band_is_named_in_words():
    figure = kit.add_band(_figure(), TIMES[2], TIMES[5], "outage <1>")
    assert [a.text for a in figure.layout.annotations] == ["outage &lt;1&gt;"]
    assert figure.layout.shapes[0].x0 == dt.datetime(2018, 10, 9, 14, 2)  # noqa: DTZ001


def _events(count: int, **changes: object) -> pd.DataFrame:
    base = {
        "at": TIMES[:count],
        "kind": "notice",
        "label": "<b>notice</b> to all customers",
        "important": True,
    }
    return pd.DataFrame({**base, **changes})


def test_event_labels_are_escaped_and_do_not_share_a_level_when_close():
    figure = kit.add_events(_figure(), _events(3))
    labels = figure.layout.annotations
    assert all("<b>" not in label.text for label in labels)
    assert len({label.yshift for label in labels}) == 3


def test_only_important_events_are_marked():
    figure = kit.add_events(_figure(), _events(2, important=[True, False]))
    assert len(figure.layout.annotations) == 1
    assert len(kit.add_events(_figure(), _events(2, important=False)).layout.annotations) == 0


def test_label_at_the_right_edge_stays_inside():
    figure = kit.add_events(_figure(), _events(10).iloc[9:])
    assert figure.layout.annotations[0].xanchor == "right"


def test_threshold_is_at_its_value_on_a_log_axis():
    figure = _figure()
    kit.log_latency_axis(figure)
    kit.add_threshold(figure, 300, "objective")
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.shapes[0].y0 == 300
    assert figure.layout.shapes[0].label.text == "objective"


def test_axis_titles_carry_their_unit_and_figures_the_house_template():
    figure = _figure()
    assert figure.layout.yaxis.title.text == "Latency (ms)"
    assert figure.layout.template == theme.template()


def test_rows_share_one_time_axis():
    figure = kit.new_rows("T", ["A (1)", "B (1)"], row_titles=["a", "b"])
    assert figure.layout.xaxis.matches == "x2"
    assert figure.layout.yaxis2.title.text == "B (1)"


def test_areas_differ_by_pattern():
    figure = kit.new_figure("T", x_title=kit.TIME_TITLE, y_title="n (1)")
    kit.add_stacked_areas(figure, TIMES, {"a": [1] * 10, "b": [2] * 10})
    assert len({trace.fillpattern.shape for trace in figure.data}) == 2
