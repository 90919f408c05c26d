"""Figures of the capacity report: effects, scalability, validation, mitigation, metastability."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.charts import kit, theme

DESIGN_INDEX = {"lock_across_call": 1, "phased": 0, "batched": 2}


def effects(frame: pd.DataFrame) -> go.Figure:
    """Goodput gained or lost by each single change, with its interval (none where measured once).

    `frame`: question, design, difference, low, high (per second), as from `goodput_effects`.
    """
    figure = kit.new_figure(
        "What one change did to goodput",
        x_title="Change of goodput (requests/s)",
        y_title="Change",
        height_px=170 + 34 * max(2, len(frame)),
    )
    for design, part in frame.groupby("design", sort=False):
        look = theme.line_style(DESIGN_INDEX.get(str(design), 3))
        labels = [f"{q} ({d})" for q, d in zip(part["question"], part["design"], strict=True)]
        trace = go.Scatter(
            x=part["difference"],
            y=labels,
            mode="markers",
            name=str(design),
            marker={**look["marker"], "color": look["line"]["color"], "size": 11},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": _finite(part["high"] - part["difference"]),
                "arrayminus": _finite(part["difference"] - part["low"]),
            },
            hovertemplate="%{x:.1f}/s<extra>%{y}</extra>",
        )
        figure.add_trace(trace)
    figure.add_vline(x=0, line={"color": theme.BLACK, "width": 1})
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(hovermode="closest")
    return figure


def scalability(points: pd.DataFrame, curves: dict[str, pd.DataFrame]) -> go.Figure:
    """Measured throughput by number of connections, and the fitted law of each design.

    `points`: design, pool_size, throughput_per_s (one row a run). `curves`: design to a frame with
    n and throughput_per_s.
    """
    figure = kit.new_figure(
        "Throughput by number of connections",
        x_title="Connections to the database (number)",
        y_title="Throughput (requests/s)",
    )
    for design, part in points.groupby("design", sort=False):
        index = DESIGN_INDEX.get(str(design), 3)
        look = theme.line_style(index)
        figure.add_trace(
            go.Scatter(
                x=part["pool_size"],
                y=part["throughput_per_s"],
                mode="markers",
                name=f"{design}: measured",
                marker={**look["marker"], "color": look["line"]["color"], "maxdisplayed": 0},
                hovertemplate="%{y:.1f}/s",
            )
        )
        curve = curves.get(str(design))
        if curve is not None:
            kit.add_line(
                figure,
                curve["n"],
                curve["throughput_per_s"],
                f"{design}: fitted law",
                index=index,
                markers=False,
                hover="%{y:.1f}/s",
            )
    figure.update_xaxes(type="log", tickvals=[1, 2, 4, 8, 16, 32, 64])
    return figure


def validation(frame: pd.DataFrame) -> go.Figure:
    """Predicted and measured p95 by offered load.

    `frame`: design, offered_per_s, latency_ms_p95, latency_ms_p95_predicted, believed (whether the
    model of the design passed).
    """
    figure = kit.new_figure(
        "The model against loads it has not seen",
        x_title="Offered load (requests/s)",
        y_title="Latency, 95th percentile (ms)",
    )
    for design, part in frame.groupby("design", sort=False):
        index = DESIGN_INDEX.get(str(design), 3)
        kit.add_line(
            figure,
            part["offered_per_s"],
            part["latency_ms_p95"],
            f"{design}: measured",
            index=index,
            line={"dash": "solid"},
            hover="%{y:.0f} ms",
        )
        kit.add_line(
            figure,
            part["offered_per_s"],
            part["latency_ms_p95_predicted"],
            f"{design}: predicted" + ("" if part["believed"].all() else " (failed)"),
            index=index,
            line={"dash": "dot"},
            hover="%{y:.0f} ms",
        )
    kit.log_latency_axis(figure, title="Latency, 95th percentile (ms)")
    return figure


def mitigation(frame: pd.DataFrame) -> go.Figure:
    """Payments saved, payments denied and refunds avoided by the moment of the switch-off."""
    figure = kit.new_figure(
        "Auto-charge switched off at another time",
        x_title="Auto-charge switched off at (JST of the scenario)",
        y_title="Payments, against never switching off (number)",
    )
    series = {
        "payments saved": frame["payments_saved"],
        "payments denied": frame["denied"],
        "refunds avoided": frame["refunds_avoided"],
    }
    for index, (name, values) in enumerate(series.items()):
        kit.add_bars(figure, frame["variant"], values, name, index=index, horizontal=False)
    figure.update_layout(barmode="group")
    figure.update_xaxes(type="category")
    return figure


def metastability(frame: pd.DataFrame, start_s: float, end_s: float) -> go.Figure:
    """Share of payments answered well in time, second by second, under each retry policy.

    `frame`: variant, second, share (mean of repetitions). The trigger is on from `start_s` to
    `end_s`.
    """
    figure = kit.new_figure(
        "Does goodput return when the trigger is gone?",
        x_title="Time in the run (s)",
        y_title="Answered in time (%)",
    )
    for index, (policy, part) in enumerate(frame.groupby("variant", sort=False)):
        kit.add_line(
            figure,
            part["second"],
            100 * part["share"],
            str(policy),
            index=index,
            hover="%{y:.0f} %",
        )
    figure.add_vrect(
        x0=start_s, x1=end_s, fillcolor=theme.VERMILION, opacity=0.12, line_width=0, layer="below"
    )
    figure.add_annotation(
        x=start_s,
        y=1,
        yref="paper",
        yanchor="bottom",
        xanchor="left",
        text="the gateway is slow (trigger)",
        showarrow=False,
        font={"size": 11, "color": theme.VERMILION},
    )
    return figure


def _finite(values: pd.Series) -> list[float]:
    numbers = values.to_numpy(dtype=np.float64)
    return [float(v) if np.isfinite(v) else 0.0 for v in numbers]
