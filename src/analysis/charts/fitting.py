"""How words and marks are made to fit into a figure: free levels, wrapped titles, legend lines."""

from __future__ import annotations

import textwrap

import pandas as pd
import plotly.graph_objects as go

LABEL_LENGTH = 44
CHARACTER_PX = 6.6
PLOT_PX = 940


def time_range(figure: go.Figure, moments: list[pd.Timestamp]) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last time drawn so far (events included), never equal."""
    ends = list(moments)
    for trace in figure.data:
        x = trace.base if trace.type == "bar" and trace.base is not None else trace.x
        if x is None or not len(x) or isinstance(x[0], int | float):
            continue
        ends += [pd.Timestamp(x[0]), pd.Timestamp(x[-1])]
        if trace.type == "bar" and trace.base is not None:
            ends.append(pd.Timestamp(x[0]) + pd.Timedelta(milliseconds=float(trace.x[0])))
    left, right = min(ends), max(ends)
    return left, right if right > left else left + pd.Timedelta(minutes=1)


def free_level(taken: list[list[tuple[float, float]]], extent: tuple[float, float]) -> int:
    """Lowest level on which `extent` (start, end in pixels) meets no other; else the last one."""
    start, end = extent
    for level, extents in enumerate(taken):
        if all(end < s or start > e for s, e in extents):
            return level
    return len(taken) - 1


def wrapped(title: str, height_px: float) -> str:
    """Break an axis title that is longer than its axis."""
    return "<br>".join(textwrap.wrap(title, max(12, int((height_px - 40) / 7.5)))) or title


def shortened(words: str) -> str:
    """Return the words of a label, cut at LABEL_LENGTH characters."""
    return words if len(words) <= LABEL_LENGTH else words[: LABEL_LENGTH - 1] + "…"


def legend_lines(figure: go.Figure) -> int:
    """About how many lines the legend takes on a page of usual width."""
    names = [t.name for t in figure.data if t.name and t.showlegend is not False]
    widest = max((len(name) for name in names), default=0) * CHARACTER_PX + 50
    per_line = max(1, int(PLOT_PX / widest))
    return -(-len(names) // per_line)
