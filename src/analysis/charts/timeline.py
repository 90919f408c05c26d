"""Figures of a measured run on the incident's clock: outcomes, functions, latency, burn rates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from analysis import tables
from analysis.charts import kit, theme

_OUTCOMES = ("approved", "declined", "failed", "timed_out", "shed")
_PHASE_INDEX = {"before": 2, "during": 1, "mitigated": 3, "after": 0, "whole run": 0}
_BURN_FLOOR = 0.1


def outcomes_and_functions(
    intervals: pd.DataFrame,
    functions: pd.DataFrame,
    events: pd.DataFrame,
    *,
    interval_words: str,
    x_title: str = kit.TIME_TITLE,
) -> go.Figure:
    """Return attempts by outcome over time, above the share answered of each function.

    Args:
        intervals: at (UTC), one column an outcome, one row an interval.
        functions: at, label, offered, availability: one row a function and interval.
        events: at (UTC), kind, label, important.
        interval_words: the width of an interval in words, for the axis.
    """
    figure = kit.new_rows(
        "How attempts ended, and the share answered of each function",
        [f"Attempts per {interval_words}", "Answered (%)"],
        x_title=x_title,
        row_px=260,
        row_titles=["By outcome, at their intended arrival", "By function"],
    )
    series = {n.replace("_", " "): intervals[n] for n in _OUTCOMES if intervals[n].sum()}
    colours = {n.replace("_", " "): theme.OUTCOME_COLOURS[n] for n in _OUTCOMES}
    kit.add_stacked_areas(figure, intervals["at"], series, colours=colours, row=1)
    for index, (label, group) in enumerate(functions.groupby("label")):
        enough = group["offered"] >= 3
        share = (100 * group["availability"]).where(enough)
        kit.add_line(figure, group["at"], share, str(label), index=index, row=2, hover="%{y:.0f} %")
    figure.update_yaxes(range=[-3, 105], row=2, col=1)
    figure.update_layout(legend_traceorder="normal")
    return kit.add_events(figure, events)


def latency_over_time(
    latency: pd.DataFrame,
    heatmap: pd.DataFrame,
    events: pd.DataFrame,
    *,
    threshold_ms: float,
    x_title: str = kit.TIME_TITLE,
) -> go.Figure:
    """Return latency percentiles over time above a heat map of all latencies, both logarithmic.

    Args:
        latency: at, response_us_p50, _p90, _p99 and service_us_p99 (microseconds).
        heatmap: index latency_ms (lower edge of a band), columns times (UTC), cells attempts.
        threshold_ms: what counts as late, drawn as a dashed line.
    """
    figure = kit.new_rows(
        "Latency over time",
        ["Latency (ms)", "Latency (ms)"],
        x_title=x_title,
        row_px=280,
        row_titles=["Percentiles, from the intended arrival", "Every attempt that was not shed"],
    )
    for index, (column, name) in enumerate(
        (
            ("response_us_p50", "p50 from the intended arrival"),
            ("response_us_p90", "p90 from the intended arrival"),
            ("response_us_p99", "p99 from the intended arrival"),
            ("service_us_p99", "p99 from the start of work"),
        )
    ):
        kit.add_line(
            figure,
            latency["at"],
            latency[column] / 1000,
            name,
            index=index,
            row=1,
            hover="%{y:,.0f} ms",
        )
    kit.log_latency_axis(figure, row=1)
    kit.add_threshold(figure, threshold_ms, f"late above {threshold_ms:,.0f} ms", row=1)
    if not heatmap.empty:
        filled = [[None if v == 0 else int(v) for v in row] for row in heatmap.to_numpy().tolist()]
        kit.add_heatmap(
            figure,
            kit.jst(pd.Series(heatmap.columns)),
            heatmap.index.tolist(),
            filled,
            colour_title="Attempts",
            row=2,
            hover="%{x}<br>from %{y:,.0f} ms<br>%{z:,} attempts<extra></extra>",
        )
        figure.data[-1].colorbar.update(len=0.45, y=0.0, yanchor="bottom")
        kit.log_latency_axis(figure, row=2)
    figure.update_layout(legend_traceorder="normal")
    return kit.add_events(figure, events)


def ecdf(distribution: pd.DataFrame, *, threshold_ms: float) -> go.Figure:
    """Return the share of attempts answered within a latency, one line a phase.

    Args:
        distribution: phase, quantile (0 to 1), response_us.
    """
    figure = kit.new_figure(
        "Share of attempts finished within a latency, by phase",
        x_title="Latency from the intended arrival (ms)",
        y_title="Finished within (%)",
    )
    for phase, group in distribution.groupby("phase", sort=False):
        kit.add_line(
            figure,
            group["response_us"] / 1000,
            100 * group["quantile"],
            str(phase),
            index=_PHASE_INDEX.get(str(phase), 4),
            hover="%{y:.0f} % within %{x:,.0f} ms",
        )
    ticks = [1, 10, 100, 1_000, 10_000, 60_000]
    names = ["1 ms", "10 ms", "100 ms", "1 s", "10 s", "1 min"]
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=names)
    figure.update_yaxes(range=[-2, 103])
    figure.add_vline(
        x=threshold_ms,
        line={"color": theme.BLACK, "width": 1.2, "dash": "dash"},
        annotation={"text": f"late above {threshold_ms:,.0f} ms", "font": {"size": 11}},
    )
    return figure


def burn_and_changes(
    rates: pd.DataFrame,
    rules: Sequence[tuple[str, float, int, int]],
    changes: Sequence[dt.datetime],
    events: pd.DataFrame,
    *,
    objective_pct: float,
    x_title: str = kit.TIME_TITLE,
) -> go.Figure:
    """Return burn rates in every window, when each rule fires, and the change points found.

    Args:
        rates: at, burn_<window>min and fires_<rule>, one row a minute of the incident clock.
        rules: (label, burn rate at which it fires, long window, short window in minutes, in order).
        changes: detected change points (UTC).
    """
    figure = kit.new_rows(
        f"Error budget burn against an objective of {objective_pct:g} %, and changes found",
        ["Burn rate (× allowed)", ""],
        x_title=x_title,
        row_px=250,
        row_titles=["Burn rate by window", "When each alert fires, and change points"],
        weights=[0.7, 0.3],
    )
    windows = sorted({w for _, _, long, short in rules for w in (long, short)})
    for index, window in enumerate(windows):
        values = rates[f"burn_{window}min"].clip(lower=_BURN_FLOOR)
        kit.add_line(
            figure,
            rates["at"],
            values,
            f"over {tables.whole_minutes(window)}",
            index=index,
            row=1,
            markers=False,
        )
    figure.update_yaxes(type="log", row=1, col=1)
    for burn in sorted({burn for _, burn, _, _ in rules}):
        kit.add_threshold(figure, burn, f"{burn:g}×", row=1)
    columns = [c for c in rates.columns if c.startswith("fires_")]
    for (label, _, _, _), column in zip(rules, columns, strict=True):
        firing = rates[rates[column]]
        _dots(figure, kit.jst(firing["at"]), label, theme.VERMILION, "square", "alert fires")
    _dots(
        figure, kit.jst(pd.Series(list(changes), dtype="datetime64[us, UTC]")), "change point",
        theme.BLUE, "diamond", "behaviour changes",
    )  # fmt: skip
    order = [label for label, _, _, _ in rules] + ["change point"]
    figure.update_yaxes(categoryorder="array", categoryarray=order[::-1], row=2, col=1)
    figure.update_layout(legend_traceorder="normal")
    return kit.add_events(figure, events)


def _dots(
    figure: go.Figure, times: pd.Series, row: str, colour: str, symbol: str, what: str
) -> None:
    trace = go.Scatter(
        x=times,
        y=[row] * len(times),
        mode="markers",
        name=row,
        showlegend=False,
        marker={"color": colour, "symbol": symbol, "size": 9},
        hovertemplate=f"{kit.escape(what)}<extra></extra>",
    )
    figure.add_trace(trace, row=2, col=1)
