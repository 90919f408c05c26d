"""Figures of the whole corpus: how long, and how much of the service."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from analysis.charts import kit, theme

_DATABASE_LOOKS = {
    "yes": ("database named as a cause", theme.VERMILION, "square"),
    "partly": ("database partly", theme.ORANGE, "diamond"),
    "no": ("no database named", theme.BLUE, "circle"),
    "unknown": ("not known", theme.GREY, "x"),
}
_MINUTE_TICKS = (10, 30, 60, 180, 360, 720, 1440, 10080, 43200, 259200)
_MINUTE_NAMES = ("10 min", "30 min", "1 h", "3 h", "6 h", "12 h", "1 d", "1 wk", "30 d", "180 d")


def durations_by_cause(corpus: pd.DataFrame) -> go.Figure:
    """Return one row an incident: minutes affected with their bounds, grouped by cause.

    Args:
        corpus: incident_id, cause_group, database, affected_min, affected_min_low,
            affected_min_high; rows without a duration are left out (the caller says how many).
    """
    known = corpus.dropna(subset=["affected_min"]).sort_values(["cause_group", "affected_min"])
    figure = kit.new_figure(
        "Minutes in which some function was affected, by group of causes",
        x_title="Duration (logarithmic)",
        y_title="",
        height_px=140 + 24 * max(1, len(known)),
    )
    groups = known["cause_group"].str.replace("_", " ")
    named = zip(known["incident_id"], groups, strict=True)
    labels = {incident: f"{group} · {incident}" for incident, group in named}
    for value, (words, colour, symbol) in _DATABASE_LOOKS.items():
        group = known[known["database"] == value]
        if group.empty:
            continue
        figure.add_trace(
            go.Scatter(
                x=group["affected_min"].tolist(),
                y=[labels[i] for i in group["incident_id"]],
                mode="markers",
                name=words,
                marker={"color": colour, "symbol": symbol, "size": 10},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": (group["affected_min_high"] - group["affected_min"]).tolist(),
                    "arrayminus": (group["affected_min"] - group["affected_min_low"]).tolist(),
                    "color": colour,
                    "width": 4,
                },
                hovertemplate="%{y}<br>%{x:,.0f} min<extra></extra>",
            )
        )
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=list(labels.values())[::-1]
    )
    _minute_axis(figure)
    figure.update_layout(hovermode="closest")
    return figure


def share_against_duration(corpus: pd.DataFrame) -> go.Figure:
    """Return the share of named functions affected against the duration, one mark an incident.

    Args:
        corpus: incident_id, database, affected_min, functions_named, functions_affected.
    """
    known = corpus.dropna(subset=["affected_min"])
    known = known[known["functions_named"] > 0]
    figure = kit.new_figure(
        "How much of the service, for how long",
        x_title="Duration (logarithmic)",
        y_title="Functions affected (% of named)",
    )
    for value, (words, colour, symbol) in _DATABASE_LOOKS.items():
        group = known[known["database"] == value]
        if group.empty:
            continue
        share = 100 * group["functions_affected"] / group["functions_named"]
        figure.add_trace(
            go.Scatter(
                x=group["affected_min"].tolist(),
                y=share.tolist(),
                text=group["incident_id"].tolist(),
                mode="markers",
                name=words,
                marker={"color": colour, "symbol": symbol, "size": 11, "opacity": 0.8},
                hovertemplate="%{text}<br>%{x:,.0f} min, %{y:.0f} %<extra></extra>",
            )
        )
    _minute_axis(figure)
    figure.update_yaxes(range=[-4, 108])
    figure.update_layout(hovermode="closest")
    return figure


def _minute_axis(figure: go.Figure) -> None:
    figure.update_xaxes(
        type="log", tickvals=list(_MINUTE_TICKS), ticktext=list(_MINUTE_NAMES), tickangle=0
    )
