"""Swim lanes of an incident: functions as bars, events as marks, doubt as faded ends."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import plotly.graph_objects as go

from analysis.charts import kit, theme

# state -> colour, hatching, words; the words stand in the bar, so colour never stands alone
STATE_LOOKS = {
    "up": (theme.BLUISH_GREEN, "", "up"),
    "degraded": (theme.SKY_BLUE, "\\", "degraded"),
    "partly_down": (theme.ORANGE, "/", "partly down"),
    "down": (theme.VERMILION, "x", "down"),
    "unknown": ("#D9D9D9", ".", "not on record"),
}
_LANE_LOOKS = {
    "cause": (theme.BLACK, "x"),
    "impact": (theme.VERMILION, "triangle-down"),
    "communication": (theme.BLUE, "circle"),
    "mitigation": (theme.REDDISH_PURPLE, "square"),
    "recovery": (theme.BLUISH_GREEN, "triangle-up"),
    "evidence": (theme.GREY, "diamond-open"),
}
_ROW_PX = 30
_FADED = 0.35
_PLOT_CHARACTERS = 78  # how many characters of a mark's words fit into the plot's width
_APART = "\u200b"  # a mark of no width


def swim_lanes(
    title: str,
    bars: pd.DataFrame,
    marks: pd.DataFrame,
    *,
    zone: str,
    window: tuple[dt.datetime, dt.datetime],
) -> go.Figure:
    """Return the lanes of one window of time.

    Args:
        bars: lane, state, starts_earliest, starts_latest, ends_earliest, ends_latest (UTC, NaT
            where unknown), hover. A bar without an end fades out at the window's end.
        marks: lane, label, at, earliest, latest (UTC), used (False for a time that is not used).
        zone: IANA name of the local time on the axis.
        window: start and end (UTC); what lies outside is left out.
    """
    name = "JST" if zone == kit.JST else zone
    figure = kit.new_figure(title, x_title=f"Time ({name})", y_title="", size="normal")
    start, end = window
    shown = marks[(marks["at"] >= start) & (marks["at"] <= end)]
    rows = list(dict.fromkeys(bars["lane"]))
    for bar in bars.itertuples():
        _bar(figure, bar, zone, window)
    for number, mark in enumerate(shown.itertuples()):
        row = f"{mark.lane} {_APART * number}"  # equal lane names stay apart
        rows.append(row)
        _mark(figure, mark, row, zone, window)
    _legend(figure, list(dict.fromkeys(bars["state"])))
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=rows,
        autorange="reversed",
        type="category",
        tickvals=rows,
        ticktext=[kit.escape(r.strip(_APART + " ")) for r in rows],
        showgrid=True,
    )
    figure.update_xaxes(type="date", range=[_local(start, zone), _local(end, zone)])
    figure.update_layout(
        barmode="overlay",
        hovermode="closest",
        bargap=0.25,
        height=190 + _ROW_PX * max(1, len(rows)),
    )
    return figure


def _legend(figure: go.Figure, states: list[str]) -> None:
    for state in (s for s in STATE_LOOKS if s in states):
        colour, pattern, words = STATE_LOOKS[state]
        figure.add_trace(
            go.Bar(
                x=[None],
                y=[None],
                orientation="h",
                name=words,
                marker={"color": colour, "pattern": {"shape": pattern, "solidity": 0.2}},
            )
        )


def _bar(figure: go.Figure, bar: Any, zone: str, window: tuple[dt.datetime, dt.datetime]) -> None:
    """A solid part that is certain, and a faded part at each end as wide as the doubt."""
    state = str(bar.state)
    colour, pattern, words = STATE_LOOKS[state]
    low, high = bar.starts_earliest, bar.starts_latest
    end_low, end_high = bar.ends_earliest, bar.ends_latest
    open_end = pd.isna(end_high)
    sure_end = high if open_end else end_low
    parts = [(high, sure_end, 0.9, words), (low, high, _FADED, "")]
    parts.append(
        (high, window[1], _FADED, f"{words}, end not on record")
        if open_end
        else (end_low, end_high, _FADED, "")
    )
    for left, right, opacity, text in parts:
        if pd.isna(left) or pd.isna(right) or right <= left:
            continue
        left_in, right_in = max(left, window[0]), min(right, window[1])
        if right_in <= left_in:
            continue
        first, last = _local(left_in, zone), _local(right_in, zone)
        figure.add_trace(
            go.Bar(
                base=[first],
                x=[(last - first).total_seconds() * 1000],
                y=[bar.lane],
                orientation="h",
                showlegend=False,
                marker={"color": colour, "pattern": {"shape": pattern, "solidity": 0.2}},
                opacity=opacity,
                text=[text if (right_in - left_in) > (window[1] - window[0]) / 14 else ""],
                textposition="inside",
                insidetextanchor="start",
                textangle=0,
                insidetextfont={"color": "#1B1B1B", "size": 12},
                hovertemplate=kit.escape(str(bar.hover)) + "<extra></extra>",
            )
        )


def _mark(
    figure: go.Figure, mark: Any, row: str, zone: str, window: tuple[dt.datetime, dt.datetime]
) -> None:
    """One mark with its words beside it, and a line as long as the doubt about its time."""
    colour, symbol = _LANE_LOOKS.get(str(mark.lane), (theme.GREY, "circle"))
    low = window[0] if pd.isna(mark.earliest) else max(mark.earliest, window[0])
    high = window[1] if pd.isna(mark.latest) else min(mark.latest, window[1])
    hover = kit.escape(str(mark.hover)) + "<extra></extra>"
    if high > low:
        figure.add_trace(
            go.Scatter(
                x=[_local(low, zone), _local(high, zone)],
                y=[row, row],
                mode="lines+markers",
                showlegend=False,
                line={"color": colour, "width": 2},
                marker={"symbol": "line-ns", "size": 9, "line": {"color": colour, "width": 2}},
                hovertemplate=hover,
            )
        )
    share = (mark.at - window[0]) / (window[1] - window[0])
    words, side = _beside(str(mark.label) + ("" if mark.used else " (not used)"), share)
    wide = (high - low) > (window[1] - window[0]) / 25
    height = "top" if wide else "middle"  # words above the line, not on it
    figure.add_trace(
        go.Scatter(
            x=[_local(mark.at, zone)],
            y=[row],
            mode="markers+text",
            showlegend=False,
            text=[kit.escape(words)],
            textposition=f"{height} {side}",
            textfont={"size": 12},
            cliponaxis=False,
            marker={
                "color": colour if mark.used else "#FFFFFF",
                "symbol": symbol,
                "size": 11,
                "line": {"color": colour, "width": 1.5},
            },
            hovertemplate=hover,
        )
    )


def _beside(words: str, share: float) -> tuple[str, str]:
    """Words cut to the room there is on the better side of a mark, and that side."""
    rooms = {"right": (1 - share) * _PLOT_CHARACTERS, "left": share * _PLOT_CHARACTERS}
    side = "right" if len(words) <= rooms["right"] else max(rooms, key=lambda s: rooms[s])
    room = max(12, int(rooms[side]))
    return (words if len(words) <= room else words[: room - 1] + "…"), side


def _local(moment: dt.datetime, zone: str) -> dt.datetime:
    """Local time without its zone, the only form plotly draws as given."""
    stamp = pd.Timestamp(moment).tz_convert(ZoneInfo(zone))
    return stamp.tz_localize(None).to_pydatetime().replace(tzinfo=None)
