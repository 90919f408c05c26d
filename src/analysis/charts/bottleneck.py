"""Figures of the bottleneck report: sessions, statements, blockers, pool, request states."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import plotly.graph_objects as go

from analysis.charts import kit, theme

Span = tuple[dt.datetime, dt.datetime] | None

# One kind of waiting, one colour, whatever else is in the chart.
WAIT_COLOURS = {
    "CPU": theme.BLUISH_GREEN,
    "Lock: transactionid": theme.VERMILION,
    "Lock: tuple": theme.ORANGE,
    "Lock: advisory": theme.REDDISH_PURPLE,
    "Lock: relation": theme.YELLOW,
    "lock waits in the log": theme.VERMILION,
    "other statement time in the log": theme.BLUISH_GREEN,
}
STATE_COLOURS = {
    "queue": theme.GREY,
    "pool": theme.ORANGE,
    "lock": theme.VERMILION,
    "other database": theme.BLUISH_GREEN,
    "commit": theme.BLUE,
    "gateway": theme.REDDISH_PURPLE,
    "front": theme.YELLOW,
}
_STATEMENT_LETTERS = 70
_IDLE = "Idle in transaction"


def active_sessions(
    sessions: pd.DataFrame, cpu_count: int | None, window: Span, events: pd.DataFrame
) -> go.Figure:
    """Average active sessions by wait event, stacked, against the number of processors.

    `sessions`: `at` (UTC) and one column an event, in sessions; 'Idle in transaction' is a line.
    """
    figure = kit.new_figure(
        "Average active sessions by what they wait for",
        x_title=kit.TIME_TITLE, y_title="Sessions (mean)", size="tall",
    )  # fmt: skip
    columns = [c for c in sessions.columns if c not in ("at", _IDLE)]
    if not columns:
        return not_recorded(figure, "neither activity samples nor logged durations")
    kit.add_stacked_areas(
        figure, sessions["at"], {c: sessions[c] for c in columns}, colours=_colours(columns)
    )
    if _IDLE in sessions:
        kit.add_line(
            figure, sessions["at"], sessions[_IDLE], "idle in transaction (no DB time)", index=6,
            markers=False,
        )  # fmt: skip
    if cpu_count:
        kit.add_threshold(figure, cpu_count, f"{cpu_count} processors")
    return _marked(figure, window, events)


def _colours(columns: list[str]) -> dict[str, str]:
    """A fixed colour for the usual events, the palette's others for the rest."""
    colours = {c: WAIT_COLOURS[c] for c in columns if c in WAIT_COLOURS}
    free = [c for c in (*theme.AREA_COLOURS, theme.GREY) if c not in colours.values()]
    for column in columns:
        if column not in colours:
            colours[column] = free.pop(0) if free else theme.GREY
    return colours


def statement_time(statements: pd.DataFrame) -> go.Figure:
    """DB time by statement (columns statement, db_time_s, db_time_share), the costliest on top."""
    figure = kit.new_figure(
        "Database time by statement, inside the window",
        x_title="Database time (s)", y_title="Statement (literals masked)",
    )  # fmt: skip
    if statements.empty:
        return not_recorded(figure, "no statement was seen")
    top = statements.head(10)
    labels = [
        kit.escape(f"{number}. {_shortened(text)}")
        for number, text in enumerate(top["statement"], start=1)
    ]
    shares = [f"{share:.0%}" for share in top["db_time_share"]]
    kit.add_bars(figure, labels, top["db_time_s"], "DB time", text=shares)
    return figure


def root_blockers(roots: pd.DataFrame) -> go.Figure:
    """Time spent waiting, by who was at the root of it (columns label, waiter_s, waiter_share)."""
    figure = kit.new_figure(
        "Who was at the root of the waiting",
        x_title="Time others waited (s, summed over waiters)", y_title="Root blocker",
    )  # fmt: skip
    if roots.empty:
        return not_recorded(figure, "nobody was seen blocked in the window")
    top = roots.head(8)
    shares = [f"{share:.0%}" for share in top["waiter_share"]]
    labels = [kit.escape(_shortened(label)) for label in top["label"]]
    kit.add_bars(figure, labels, top["waiter_s"], "waiting", text=shares, colour=theme.VERMILION)
    return figure


def pool_and_latency(pool: pd.DataFrame, window: Span, events: pd.DataFrame) -> go.Figure:
    """Requests waiting at the pool above, latency below, on one time axis."""
    figure = kit.new_rows(
        "Waiting for the connection pool, and latency", ["Requests", "Latency (ms)"],
        row_titles=["waiting for a connection, and in work", "latency from the intended arrival"],
    )  # fmt: skip
    if pool.empty:
        return not_recorded(figure, "no pool statistics, or no request log")
    kit.add_line(figure, pool["at"], pool["pool_waiting"], "waiting at the pool", index=1, row=1)
    kit.add_line(figure, pool["at"], pool["in_flight"], "in work", index=0, row=1)
    for index, (column, name) in enumerate(
        (("latency_us_p50", "median"), ("latency_us_p95", "95th percentile")), start=2
    ):
        kit.add_line(figure, pool["at"], pool[column] / 1000, name, index=index, row=2)
    kit.log_latency_axis(figure, row=2)
    return _marked(figure, window, events)


def request_states(states: pd.DataFrame, window: Span, events: pd.DataFrame) -> go.Figure:
    """Mean number of requests in each state at a time, stacked (columns at, then the states)."""
    figure = kit.new_figure(
        "What requests are doing", x_title=kit.TIME_TITLE, y_title="Requests (mean)", size="tall"
    )
    columns = [c for c in states.columns if c != "at"]
    if not columns:
        return not_recorded(figure, "no spans")
    series = {c: states[c] for c in columns}
    kit.add_stacked_areas(figure, states["at"], series, colours=STATE_COLOURS)
    return _marked(figure, window, events)


def not_recorded(figure: go.Figure, what: str) -> go.Figure:
    """Say in the figure itself that there is nothing to draw, and why."""
    figure.add_annotation(
        text=kit.escape(f"not recorded: {what}"), x=0.5, y=0.5, xref="paper", yref="paper",
        showarrow=False, font={"size": 16, "color": theme.GREY},
    )  # fmt: skip
    figure.update_layout(height=200)
    return figure


def _marked(figure: go.Figure, window: Span, events: pd.DataFrame) -> go.Figure:
    if window is not None:
        kit.add_band(figure, *window, "anomaly window")
    return kit.add_events(figure, events)


def _shortened(text: str) -> str:
    flat = " ".join(str(text).split())
    return flat if len(flat) <= _STATEMENT_LETTERS else flat[: _STATEMENT_LETTERS - 1] + "…"
