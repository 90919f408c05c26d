"""Building blocks of figures: axes with units, incident bands, event marks, series, lanes.

Every helper takes plain frames, series or lists and changes or returns a plotly figure. Times are
given in UTC and drawn in Japan's time, because that is how the incidents were told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.charts import fitting, theme

JST = "Asia/Tokyo"
TIME_TITLE = "Time (JST)"
_LABEL_LEVELS = 5
_LABEL_PX = 15
_ROW_TITLE_PX = 22
_LEGEND_LINE_PX = 20
_DARK = (theme.BLUE, theme.BLACK)
# darker twins for words: the palette's light colours are for areas and lines
_TEXT_COLOURS = {
    theme.ORANGE: "#8A5F00",
    theme.REDDISH_PURPLE: "#8F3F6C",
    theme.BLUISH_GREEN: "#00694D",
    theme.GREY: "#595959",
}


def new_figure(
    title: str,
    *,
    x_title: str,
    y_title: str,
    size: str = "normal",
    height_px: int | None = None,
) -> go.Figure:
    """Return an empty figure in the house template; axis titles carry their unit in brackets."""
    theme.install()
    figure = go.Figure(layout={"template": theme.template()})
    height = height_px or theme.HEIGHTS_PX[size]
    figure.update_layout(title_text=title, height=height)
    figure.update_xaxes(title_text=x_title)
    figure.update_yaxes(title_text=fitting.wrapped(y_title, height - 130))
    return figure


def new_rows(
    title: str,
    y_titles: Sequence[str],
    *,
    x_title: str = TIME_TITLE,
    row_px: int = 230,
    row_titles: Sequence[str] | None = None,
    weights: Sequence[float] | None = None,
) -> go.Figure:
    """Return a figure of rows that share their x axis, one y axis title (with unit) a row."""
    theme.install()
    count = len(y_titles)
    height = row_px * count + 130
    figure = make_subplots(
        rows=count,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=min(0.09, 42 / height),
        subplot_titles=list(row_titles) if row_titles else None,
        row_heights=list(weights) if weights else None,
    )
    figure.update_layout(template=theme.template(), title_text=title, height=height)
    shares = [w / sum(weights) for w in weights] if weights else [1 / count] * count
    for row, (y_title, share) in enumerate(zip(y_titles, shares, strict=True), start=1):
        figure.update_yaxes(
            title_text=fitting.wrapped(y_title, row_px * count * share), row=row, col=1
        )
    figure.update_xaxes(title_text=x_title, row=count, col=1)
    # the subplot titles are annotations made before the template: give them its left alignment
    figure.update_annotations(x=0, xanchor="left", font_size=13, name="row-title")
    return figure


def jst(times: Any) -> Any:
    """Return times (UTC or any zone) as naive Japan time, the only form plotly draws as given.

    Takes a Series, an index, a list or a single time; a naive time is taken as UTC.
    """
    if isinstance(times, str | dt.datetime | pd.Timestamp):
        stamp = pd.Timestamp(times)
        stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp
        return stamp.tz_convert(JST).tz_localize(None).to_pydatetime()
    converted = pd.to_datetime(pd.Series(times), utc=True)
    return converted.dt.tz_convert(JST).dt.tz_localize(None)


def incident_time(
    times: Any, scenario_start: dt.datetime | None, wall_start: dt.datetime, compression: float
) -> Any:
    """Return run times (UTC) on the incident's clock, for display; without one they stay as is."""
    single = isinstance(times, str | dt.datetime | pd.Timestamp)
    moments = pd.to_datetime(pd.Series([times] if single else times), utc=True)
    if scenario_start is not None:
        passed = (moments - pd.Timestamp(wall_start)) * compression
        moments = (pd.Timestamp(scenario_start).tz_convert("UTC") + passed).astype(moments.dtype)
    return moments.iloc[0] if single else moments


def add_line(
    figure: go.Figure,
    x: Any,
    y: Any,
    name: str,
    *,
    index: int = 0,
    row: int | None = None,
    hover: str = "%{y:,.3~g}",
    markers: bool = True,
    **style: Any,
) -> go.Figure:
    """Add the index-th series as a line that also differs by dash and marker."""
    look = theme.line_style(index)
    look["line"] = {**look["line"], **style.pop("line", {})}
    trace = go.Scatter(
        x=_plain(x),
        y=_plain(y),
        name=name,
        mode="lines+markers" if markers else "lines",
        hovertemplate=hover,
        connectgaps=False,
        **{**look, **style},
    )
    return _add(figure, trace, row)


def add_stacked_areas(
    figure: go.Figure,
    x: Any,
    series: Mapping[str, Any],
    *,
    colours: Mapping[str, str] | None = None,
    row: int | None = None,
    group: str = "stack",
    hover: str = "%{y:,.3~g}",
) -> go.Figure:
    """Add series stacked as areas, told apart by colour and by hatching."""
    for index, (name, values) in enumerate(series.items()):
        colour = (colours or {}).get(name, theme.AREA_COLOURS[index % len(theme.AREA_COLOURS)])
        pattern = theme.PATTERNS[index % len(theme.PATTERNS)]
        trace = go.Scatter(
            x=_plain(x),
            y=_plain(values),
            name=name,
            mode="lines",
            stackgroup=group,
            line={"width": 0.8, "color": colour},
            fillcolor=colour,
            fillpattern={"shape": pattern, "fgcolor": "rgba(255,255,255,0.55)", "size": 6},
            hovertemplate=hover,
        )
        _add(figure, trace, row)
    return figure


def add_bars(
    figure: go.Figure,
    labels: Any,
    values: Any,
    name: str,
    *,
    index: int = 0,
    horizontal: bool = True,
    row: int | None = None,
    text: Any = None,
    colour: str | None = None,
) -> go.Figure:
    """Add bars; horizontal by default, first on top, because labels are words."""
    categories, amounts = _plain(labels), _plain(values)
    figure.update_layout(hovermode="closest")
    if horizontal and row is None and not figure.data:
        figure.update_layout(height=150 + 34 * max(2, len(categories)))
        figure.update_yaxes(autorange="reversed")
    trace = go.Bar(
        x=amounts if horizontal else categories,
        y=categories if horizontal else amounts,
        orientation="h" if horizontal else "v",
        name=name,
        text=None if text is None else list(text),
        textposition="auto",
        textangle=0,
        marker={
            "color": colour or theme.LINE_COLOURS[index % len(theme.LINE_COLOURS)],
            "pattern": {"shape": theme.PATTERNS[index % len(theme.PATTERNS)], "solidity": 0.25},
        },
    )
    return _add(figure, trace, row)


def add_heatmap(
    figure: go.Figure,
    x: Any,
    y: Any,
    z: Any,
    *,
    colour_title: str,
    row: int | None = None,
    hover: str = "%{x}<br>%{y}<br>%{z:,}<extra></extra>",
) -> go.Figure:
    """Add a heat map in cividis; z is one list of x-values for each y."""
    trace = go.Heatmap(
        x=_plain(x),
        y=_plain(y),
        z=z,
        colorscale=theme.HEATMAP_SCALE,
        colorbar={"title": {"text": colour_title, "side": "right"}, "thickness": 14},
        hovertemplate=hover,
    )
    figure.update_layout(hovermode="closest")
    return _add(figure, trace, row)


def log_latency_axis(
    figure: go.Figure, *, row: int | None = None, title: str = "Latency (ms)"
) -> None:
    """Make the y axis logarithmic milliseconds with ticks a reader can say aloud."""
    where = {} if row is None else {"row": row, "col": 1}
    ticks = [0.1, 1, 10, 100, 1_000, 10_000, 60_000]
    names = ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "1 min"]
    figure.update_yaxes(type="log", title_text=title, tickvals=ticks, ticktext=names, **where)


def add_band(
    figure: go.Figure,
    start: Any,
    end: Any,
    label: str,
    *,
    colour: str = theme.VERMILION,
    opacity: float = 0.10,
    position: str = "top left",
) -> go.Figure:
    """Shade a window of time (given in UTC) on every row, with a text label, never colour alone."""
    left, right = jst(start), jst(end)
    figure.add_vrect(
        x0=left, x1=right, fillcolor=colour, opacity=opacity, line_width=0, layer="below"
    )
    for edge in (left, right):
        figure.add_vline(x=edge, line={"color": colour, "width": 1, "dash": "dot"})
    anchor = "left" if "left" in position else "right"
    figure.add_annotation(
        x=left if anchor == "left" else right,
        y=1,
        xref="x",
        yref="paper",
        yanchor="top",
        xanchor=anchor,
        text=escape(label),
        showarrow=False,
        font={"size": 11, "color": colour},
        bgcolor="rgba(255,255,255,0.8)",
    )
    return figure


def add_events(
    figure: go.Figure, events: pd.DataFrame, *, only_important: bool = True
) -> go.Figure:
    """Mark events (columns at [UTC], kind, label, important) on every row, named above the plot.

    Add them last: labels that would collide on the time range drawn so far go on levels of their
    own. The kind decides the colour; the full label is in the hover text.
    """
    if only_important and "important" in events.columns:
        events = events[events["important"]]
    if events.empty:
        return figure
    ordered = events.sort_values("at", kind="stable")
    moments = [pd.Timestamp(m) for m in jst(ordered["at"])]
    left, right = fitting.time_range(figure, moments)
    taken: list[list[tuple[float, float]]] = [[] for _ in range(_LABEL_LEVELS)]
    clear = _ROW_TITLE_PX if any(a.name == "row-title" for a in figure.layout.annotations) else 4
    for moment, kind, label in zip(moments, ordered["kind"], ordered["label"], strict=True):
        words = fitting.shortened(f"▼ {label}")
        at = (moment - left) / (right - left) * fitting.PLOT_PX
        width = len(words) * fitting.CHARACTER_PX
        to_left = at + width > fitting.PLOT_PX and at > width
        extent = (at - width, at) if to_left else (at, at + width)
        level = fitting.free_level(taken, extent)
        taken[level].append(extent)
        colour = theme.EVENT_COLOURS.get(kind, theme.GREY)
        figure.add_vline(x=moment, line={"color": colour, "width": 1.5, "dash": "dash"})
        figure.add_annotation(
            x=moment,
            y=1,
            xref="x",
            yref="paper",
            yshift=clear + level * _LABEL_PX,
            yanchor="bottom",
            xanchor="right" if to_left else "left",
            text=escape(words),
            hovertext=escape(f"{kind}: {label}"),
            showarrow=False,
            font={"size": 11, "color": _TEXT_COLOURS.get(colour, colour)},
        )
    used = sum(1 for level in taken if level)
    top = figure.layout.margin.t or theme.template().layout.margin.t
    figure.update_layout(margin_t=top + clear + used * _LABEL_PX)
    figure.update_layout(height=(figure.layout.height or 380) + used * _LABEL_PX)
    return figure


def add_threshold(
    figure: go.Figure, value: float, label: str, *, row: int | None = None
) -> go.Figure:
    """Draw a dashed horizontal line, such as an objective, with its label on it."""
    where = {} if row is None else {"row": row, "col": 1}
    # a label of the shape itself: an annotation would want the logarithm on a log axis
    figure.add_hline(
        y=value,
        line={"color": theme.BLACK, "width": 1.2, "dash": "dash"},
        label={
            "text": escape(label),
            "textposition": "end",
            "yanchor": "bottom",
            "font": {"size": 11},
        },
        **where,
    )
    return figure


def add_lane_bar(
    figure: go.Figure,
    lane: str,
    start: Any,
    end: Any,
    label: str,
    *,
    colour: str,
    pattern: str = "",
    opacity: float = 0.9,
    hover: str = "",
) -> go.Figure:
    """Add one bar to a swim lane (times in UTC); lanes appear in the order they are first used."""
    left, right = jst(start), jst(end)
    trace = go.Bar(
        base=[left],
        x=[(right - left).total_seconds() * 1000],
        y=[lane],
        orientation="h",
        name=label,
        text=[escape(fitting.shortened(label))],
        textposition="inside",
        insidetextanchor="start",
        insidetextfont={"color": "#FFFFFF" if colour in _DARK else "#1B1B1B"},
        marker={"color": colour, "pattern": {"shape": pattern, "solidity": 0.25}},
        opacity=opacity,
        showlegend=False,
        hovertemplate=(escape(hover or label)) + "<extra></extra>",
    )
    figure.add_trace(trace)
    figure.update_xaxes(type="date")
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(barmode="overlay", hovermode="closest")
    return figure


def escape(words: str) -> str:
    """Return text that plotly shows as it is: it understands a few HTML tags, so `<` and `&` go.

    >>> escape("<a href='x'>&</a>")
    "&lt;a href='x'&gt;&amp;&lt;/a&gt;"
    """
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(values: Any) -> Any:
    """Times with a zone are drawn in Japan's time; everything else goes as it is."""
    if isinstance(values, pd.Series | pd.Index) and isinstance(values.dtype, pd.DatetimeTZDtype):
        return jst(values)
    return values


def _add(figure: go.Figure, trace: Any, row: int | None) -> go.Figure:
    lines_before = fitting.legend_lines(figure)
    if row is None:
        figure.add_trace(trace)
    else:
        figure.add_trace(trace, row=row, col=1)
    # the legend takes its room from the plot: give it back
    more = fitting.legend_lines(figure) - max(1, lines_before)
    if more > 0 and figure.layout.height:
        figure.update_layout(height=figure.layout.height + more * _LEGEND_LINE_PX)
    return figure
