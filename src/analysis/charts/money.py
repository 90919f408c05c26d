"""Figures of the money report: money over time, what went wrong, refunds due, money in limbo."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from analysis.charts import kit, theme

_OUTCOMES = {
    "approved_jpy": ("approved", theme.OUTCOME_COLOURS["approved"]),
    "declined_jpy": ("declined", theme.OUTCOME_COLOURS["declined"]),
    "failed_jpy": ("failed", theme.OUTCOME_COLOURS["failed"]),
    "abandoned_jpy": ("timed out or shed", theme.OUTCOME_COLOURS["timed_out"]),
}


def money_over_time(frame: pd.DataFrame, events: pd.DataFrame, bucket: str) -> go.Figure:
    """Yen asked for by outcome, and below it the yen owed back, on the incident's clock.

    `frame`: at (UTC), the `_jpy` columns of `impact.money_over_time`. `events`: at, kind, label,
    important. `bucket` names the width of a bucket for the axis titles.
    """
    figure = kit.new_rows(
        "Money asked for, by how it ended, and the part owed back",
        [f"Yen asked for ({bucket})", f"Yen owed back ({bucket})"],
        row_titles=["asked for", "owed back to customers"],
        weights=[0.62, 0.38],
    )
    series = {words: frame[column] for column, (words, _) in _OUTCOMES.items()}
    colours = dict(_OUTCOMES.values())
    kit.add_stacked_areas(figure, frame["at"], series, colours=colours, row=1, hover="¥%{y:,}")
    kit.add_line(
        figure, frame["at"], frame["due_jpy"], "owed back", index=1, row=2, hover="¥%{y:,}"
    )
    return kit.add_events(figure, events)


def refunds_by_reason(frame: pd.DataFrame) -> go.Figure:
    """Yen to give back by reason and part. `frame`: reason, card_jpy, balance_jpy."""
    figure = kit.new_figure("Refunds due by reason", x_title="Refunds due (yen)", y_title="Reason")
    kit.add_bars(figure, frame["reason"], frame["card_jpy"], "card part: cancel", index=0)
    kit.add_bars(figure, frame["reason"], frame["balance_jpy"], "balance part: return", index=3)
    figure.update_layout(barmode="stack")
    return figure


def limbo_shares(frame: pd.DataFrame) -> go.Figure:
    """Share of intentions in limbo at most so long. `frame`: limbo_us, given_back."""
    figure = kit.new_figure(
        "How long money was charged or held for a purchase that failed",
        x_title="Time in limbo (s, run time)",
        y_title="Share of intentions (%)",
    )
    for index, (given_back, words) in enumerate(
        ((True, "given back by the wallet itself"), (False, "still out at the end of the books"))
    ):
        seconds = (frame.loc[frame["given_back"] == given_back, "limbo_us"] / 1e6).sort_values()
        if len(seconds):
            shares = [100 * (n + 1) / len(seconds) for n in range(len(seconds))]
            kit.add_line(
                figure,
                seconds.astype("float64").tolist(),
                shares,
                words,
                index=index,
                hover="%{y:.0f} %",
            )
    return figure


def hits_per_wallet(frame: pd.DataFrame) -> go.Figure:
    """How many wallets were hit how often. `frame`: hits, wallets."""
    figure = kit.new_figure(
        "Customers hit once, and again and again",
        x_title="Wallets",
        y_title="Failures of one wallet",
    )
    labels = [f"{n}×" for n in frame["hits"]]
    return kit.add_bars(figure, labels, frame["wallets"], "wallets", text=frame["wallets"])
