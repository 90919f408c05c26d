"""Figures of the license report: what a user can count on, licenses over time, money set aside."""

from __future__ import annotations

import datetime as dt
import math
import textwrap
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from analysis.charts import kit, theme

_LEVELS = {
    "no": ("#F3C9B5", "✕"),
    "partly": ("#FBE6B5", "◐"),
    "yes": ("#BFE3D5", "✓"),
    "unknown": ("#E4E4E4", "?"),
}
_REGIMES = {
    "prepaid_third_party": "#B5DFF6",
    "funds_transfer": "#A9DFCE",
    "bank": "#F6D592",
    "none": "#DCDCDC",
}
# each bar says its license in words, beside it where it is too short to hold them
_LABELS = {"textposition": "auto", "textfont": {"size": 12, "color": "#1B1B1B"}, "textangle": 0}
_NOON_UTC = dt.time(3, tzinfo=dt.UTC)  # noon in Japan, so that a day is drawn as that day


def user_answers(answers: pd.DataFrame, on: str) -> go.Figure:
    """Return a grid: a row a question, a column a license, the answer as colour, mark and words.

    Args:
        answers: question, regime_short, level (yes, partly, no, unknown), text, articles.
        on: the day, for the title.
    """
    questions = list(dict.fromkeys(answers["question"]))
    regimes = list(dict.fromkeys(answers["regime_short"]))
    figure = kit.new_figure(
        f"What a user can count on under each license, {on}",
        x_title="",
        y_title="",
        height_px=170 + 62 * len(questions),
    )
    order = list(_LEVELS)
    levels = _grid(answers, "level")
    levels = levels.loc[questions, regimes]
    texts = _grid(answers, "text")
    places = _grid(answers, "articles")
    shown = [[_two_lines(levels, texts, q, r) for r in regimes] for q in questions]
    hover = [[kit.escape(str(places.loc[q, r])) for r in regimes] for q in questions]
    scale = []
    for index, level in enumerate(order):
        scale += [[index / 4, _LEVELS[level][0]], [(index + 1) / 4, _LEVELS[level][0]]]
    figure.add_trace(
        go.Heatmap(
            x=["<br>".join(_wrapped(regime, len(regimes))) for regime in regimes],
            y=["<br>".join(_wrapped(question, 1)) for question in questions],
            z=[[order.index(levels.loc[q, r]) for r in regimes] for q in questions],
            text=shown,
            texttemplate="%{text}",
            textfont={"size": 12, "color": "#1B1B1B"},
            customdata=hover,
            hovertemplate="%{y}<br>%{x}: %{text}<br>%{customdata}<extra></extra>",
            colorscale=scale,
            zmin=-0.5,
            zmax=3.5,
            showscale=False,
            xgap=3,
            ygap=3,
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="")
    figure.update_xaxes(side="top", showgrid=False, ticks="", tickangle=0)
    figure.update_layout(hovermode="closest", margin_t=120)
    return figure


def service_lanes(spans: pd.DataFrame, marks: list[tuple[str, str]]) -> go.Figure:
    """Return one lane a service with a bar per license held, and marked days.

    Args:
        spans: service, regime, start, end (dates), start_known, label.
        marks: (ISO day, label) of the days the report compares.
    """
    figure = kit.new_figure(
        "Licenses of the services over time",
        x_title="Year",
        y_title="",
        height_px=140 + 46 * spans["service"].nunique(),
    )
    held = spans.groupby("service", sort=False)["regime"].transform("size").tolist()
    place = spans.groupby("service", sort=False).cumcount().tolist()
    for span, count, number in zip(_records(spans), held, place, strict=True):
        since = f"{span['start']}" if span["start_known"] else f"{span['start']} at the latest"
        kit.add_lane_bar(
            figure,
            span["service"],
            _moment(span["start"]),
            _moment(span["end"]),
            span["label"],
            colour=_REGIMES.get(span["regime"], _REGIMES["none"]),
            opacity=1.0,
            hover=f"{span['service']}: {span['label']}, from {since} to {span['end']}",
        )
        # two licenses of one service overlap in time: each has its own part of the lane
        width = 0.84 / count
        figure.data[-1].update(width=width, offset=-0.42 + number * width, **_LABELS)
    _mark_days(figure, marks)
    return figure


def regime_lanes(spans: pd.DataFrame, marks: list[tuple[str, str]], on: str) -> go.Figure:
    """Return one lane a license with the span in which it existed, and the days the law changed.

    Args:
        spans: regime, name, start, end (dates), examined_before.
        marks: (ISO day, label) of the amendments.
        on: the day of the report.
    """
    figure = kit.new_figure(
        "Which licenses existed when, and the days the law changed",
        x_title="Year",
        y_title="",
        height_px=170 + 32 * len(spans),
    )
    for span in _records(spans):
        label = "" if span["examined_before"] else "examined from here"
        kit.add_lane_bar(
            figure,
            span["name"],
            _moment(span["start"]),
            _moment(span["end"]),
            label,
            colour=_REGIMES["prepaid_third_party"],
            opacity=1.0,
            hover=f"{span['name']}: {span['start']} to {span['end']}",
        )
        figure.data[-1].update(**_LABELS)
    _mark_days(figure, [*marks, (on, "asked about")])
    return figure


def set_aside(curves: pd.DataFrame, names: tuple[str, str], given_jpy: int, on: str) -> go.Figure:
    """Return the share of users' money that must be set aside, over the money in the wallet.

    Args:
        curves: balance_jpy, prepaid_pct, funds_pct (unknown is left out).
        names: what the two curves are called, prepaid first.
        given_jpy: the balance of the report's parameter, marked.
        on: the day whose rules are drawn.
    """
    figure = kit.new_figure(
        f"Share of users' money that must be set aside, by the rules of {on}",
        x_title="Users' money in the wallet (yen, logarithmic)",
        y_title="Set aside (% of it)",
    )
    for index, column in enumerate(("prepaid_pct", "funds_pct")):
        known = curves.dropna(subset=[column])
        kit.add_line(
            figure,
            known["balance_jpy"].tolist(),
            known[column].tolist(),
            names[index],
            index=index,
            hover="%{y:,.4~g} %",
            markers=False,
        )
    kit.add_threshold(figure, 100, "all of users' money")
    if given_jpy > 0:
        figure.add_vline(x=given_jpy, line={"color": theme.BLACK, "dash": "dot", "width": 1.2})
        figure.add_annotation(
            x=math.log10(given_jpy),
            y=1.0,
            yref="paper",
            yanchor="bottom",
            text=f"¥{given_jpy:,}",
            showarrow=False,
            font={"size": 11},
        )
    names_of_ticks = ["¥1 million", "¥10 million", "¥100 million", "¥1 billion"]
    figure.update_xaxes(type="log", tickvals=[1e6, 1e7, 1e8, 1e9], ticktext=names_of_ticks)
    figure.update_yaxes(range=[-5, 220])
    return figure


def _grid(answers: pd.DataFrame, values: str) -> pd.DataFrame:
    return answers.set_index(["question", "regime_short"])[values].unstack()  # noqa: PD010


def _two_lines(levels: pd.DataFrame, texts: pd.DataFrame, question: str, regime: str) -> str:
    mark = _LEVELS[str(levels.loc[question, regime])][1]
    words = str(texts.loc[question, regime])
    if words == "unknown":
        return mark
    return "<br>".join(kit.escape(line) for line in _wrapped(f"{mark} {words}", texts.shape[1]))


def _wrapped(words: str, columns: int) -> list[str]:
    """Break words to the width of a cell of a grid with so many columns."""
    return textwrap.wrap(words, width=22 if columns <= 5 else 13, break_long_words=False)


def _mark_days(figure: go.Figure, marks: list[tuple[str, str]]) -> None:
    frame = pd.DataFrame(
        [
            {
                "at": _moment(dt.date.fromisoformat(day)),
                "kind": "deploy",
                "label": f"{day} {label}",
                "important": True,
            }
            for day, label in marks
        ]
    )
    kit.add_events(figure, frame)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in r.items()} for r in frame.to_dict("records")]


def _moment(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, _NOON_UTC)
