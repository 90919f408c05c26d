"""The one look of every figure: palette, dashes, markers, sizes, plotly template `incident`.

The palette is Okabe and Ito's (jfly.uni-koeln.de/color, 2008), which stays apart under the common
forms of colour blindness. Colour never stands alone: series also differ by dash and marker.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

from analysis.charts.config import CONFIG

ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
BLUISH_GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILION = "#D55E00"
REDDISH_PURPLE = "#CC79A7"
BLACK = "#000000"
GREY = "#767676"

# Yellow is too faint for a line on white; areas may use it.
LINE_COLOURS = (BLUE, VERMILION, BLUISH_GREEN, ORANGE, REDDISH_PURPLE, SKY_BLUE, BLACK)
AREA_COLOURS = (BLUE, ORANGE, BLUISH_GREEN, VERMILION, SKY_BLUE, REDDISH_PURPLE, YELLOW, BLACK)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star")
PATTERNS = ("", "/", "x", ".", "\\", "-", "|", "+")
HEATMAP_SCALE = "cividis"

# One meaning, one colour, on every page.
OUTCOME_COLOURS = {
    "approved": BLUISH_GREEN,
    "declined": SKY_BLUE,
    "failed": VERMILION,
    "timed_out": ORANGE,
    "shed": REDDISH_PURPLE,
}
OPERATION_COLOURS = {
    "card_payment": BLUE,
    "p2p_transfer": BLUISH_GREEN,
    "top_up": ORANGE,
    "refund": REDDISH_PURPLE,
    "balance_inquiry": SKY_BLUE,
}
EVENT_COLOURS = {
    "load": GREY,
    "mitigation": BLUE,
    "deploy": REDDISH_PURPLE,
    "notice": ORANGE,
    "recovery": BLUISH_GREEN,
}

_ONE_AT_A_TIME = threading.Lock()  # a kernel gets the theme ready beside its first cell
HEIGHTS_PX = {"small": 280, "normal": 380, "tall": 540, "page": 760}
FONT = (
    'system-ui, -apple-system, "Segoe UI", "Hiragino Sans", "Noto Sans CJK JP", "Noto Sans JP", '
    '"Yu Gothic", Meiryo, sans-serif'
)


@cache
def template() -> go.layout.Template:
    """Return the template `incident`: simple_white with our fonts, colours and a light grid."""
    axis = {
        "showgrid": True,
        "gridcolor": "#E6E6E6",
        "gridwidth": 1,
        "zeroline": False,
        "linecolor": "#555555",
        "ticks": "outside",
        "automargin": True,
        "title": {"standoff": 10},
    }
    layout = {
        "font": {"family": FONT, "size": 13, "color": "#1B1B1B"},
        "title": {
            "font": {"size": 16},
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "pad_l": 12,
        },
        "colorway": list(LINE_COLOURS),
        "colorscale": {"sequential": HEATMAP_SCALE},
        "paper_bgcolor": "#FFFFFF",
        "plot_bgcolor": "#FFFFFF",
        "hovermode": "x unified",
        "hoverlabel": {"font": {"family": FONT, "size": 12}},
        # at the foot of the figure, whatever its height: there it meets no axis title
        "legend": {
            "orientation": "h",
            "yref": "container",
            "yanchor": "bottom",
            "y": 0,
            "xanchor": "left",
            "x": 0,
        },
        "margin": {"l": 70, "r": 24, "t": 64, "b": 60},
        "xaxis": axis,
        "yaxis": axis,
        "bargap": 0.12,
    }
    title = layout["title"]
    assert isinstance(title, dict)
    title["pad"] = {"l": title.pop("pad_l")}
    base = pio.templates["simple_white"].to_plotly_json()
    merged = {**base, "layout": {**base.get("layout", {}), **layout}}
    return go.layout.Template(merged)


def install() -> None:
    """Register the template and set the notebook renderer: mime bundle, no cloud button.

    Called by every helper that makes a figure, so that importing this module changes nothing.
    """
    with _ONE_AT_A_TIME:
        if "incident" not in pio.templates:
            pio.templates["incident"] = template()
        pio.renderers["plotly_mimetype"].config = dict(CONFIG)
        pio.renderers.default = "plotly_mimetype"


def line_style(index: int) -> dict[str, Any]:
    """Return colour, dash and marker of the index-th series; no two of the first 7 look alike."""
    return {
        "line": {
            "color": LINE_COLOURS[index % len(LINE_COLOURS)],
            "dash": DASHES[index % len(DASHES)],
            "width": 2,
        },
        "marker": {"symbol": MARKERS[index % len(MARKERS)], "size": 7, "maxdisplayed": 12},
    }
