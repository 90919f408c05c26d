"""Figures and tables of the capacity report, ready to be shown by a notebook cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis import tables
from analysis.capacity import answers, counterfactual, effects, scale, usl
from analysis.capacity.report import CapacityReport
from analysis.charts import capacity as charts


def effects_figure(report: CapacityReport) -> Any:
    """Return the figure of effects."""
    return charts.effects(report.effects)


def scalability_figure(report: CapacityReport) -> Any:
    """Return measured points and fitted laws."""
    results = report.sweep.results
    points = results[results["purpose"] == "scalability"].sort_values("pool_size")
    steps = np.geomspace(1, 64, 40)
    curves = {
        design: pd.DataFrame({"n": steps, "throughput_per_s": law.throughput(steps)})
        for design, law in report.laws.items()
    }
    return charts.scalability(points, curves)


def validation_figure(report: CapacityReport) -> Any:
    """Return predicted against measured latencies."""
    return charts.validation(report.validation)


def mitigation_figure(report: CapacityReport) -> Any:
    """Return what an earlier switch-off would have done."""
    return charts.mitigation(report.mitigation)


def metastability_figure(report: CapacityReport) -> Any:
    """Return goodput second by second under each retry policy."""
    frame = report.sweep.timelines
    frame = frame[frame["study"] == counterfactual.METASTABILITY]
    grouped = frame.groupby(["variant", "second"], sort=False, as_index=False)[
        ["good", "intentions"]
    ].sum()
    grouped["share"] = grouped["good"] / grouped["intentions"]
    order = {name: place for place, name in enumerate(counterfactual.POLICIES)}
    grouped = grouped.sort_values(["variant", "second"], key=lambda c: c.map(order).fillna(c))
    start_s, end_s = counterfactual.TRIGGER_START_S, counterfactual.TRIGGER_END_S
    return charts.metastability(grouped, start_s, end_s)


def laws_table(report: CapacityReport) -> tables.Html:
    """Return the fitted laws with their intervals."""
    rows = [
        {
            "design": design,
            "rate": _interval(law.rate, 1),
            "sigma": _interval(law.sigma, 3),
            "kappa": _interval(law.kappa, 5),
            "knee": law.knee_n,
            "ceiling": law.ceiling,
            "residual": law.residual_share,
        }
        for design, law in report.laws.items()
    ]
    labels = {
        "rate": "One connection alone (payments/s)",
        "sigma": "σ, contention",
        "kappa": "κ, coherency",
        "knee": "Knee (connections)",
        "ceiling": "Ceiling (payments/s)",
        "residual": "Residual (share of mean)",
    }
    return tables.table(
        pd.DataFrame(rows, columns=["design", *labels]),
        "laws",
        labels=labels,
        formats={"residual": "percent"},
        caption="Universal Scalability Law, values with 95 % intervals (bootstrap of repetitions)",
    )


def _interval(estimate: usl.Estimate, digits: int) -> str:
    low, high = f"{estimate.low:.{digits}f}", f"{estimate.high:.{digits}f}"
    return f"{estimate.value:.{digits}f} ({low} to {high})"


def measured_table(report: CapacityReport) -> tables.Html:
    """Return throughput, goodput and p99 of every experiment, with intervals."""
    frame = effects.interval_by_experiment(report.sweep.results).sort_values("experiment")
    shown = pd.DataFrame({"experiment": frame["experiment"], "repetitions": frame["repetitions"]})
    for column, label in (
        ("throughput_per_s", "Throughput (/s)"),
        ("goodput_per_s", "Goodput (/s)"),
        ("latency_ms_p99", "p99 from intended arrival (ms)"),
    ):
        shown[label] = [
            f"{v:.0f} ({low:.0f} to {high:.0f})"
            for v, low, high in zip(
                frame[column], frame[f"{column}_low"], frame[f"{column}_high"], strict=True
            )
        ]
    return tables.table(shown, "measured", caption="Means with 95 % intervals over repetitions")


def validation_table(report: CapacityReport) -> tables.Html:
    """Return prediction beside measurement, load by load, with the error of each."""
    columns = [
        *("design", "offered_per_s", "busy_share", "below_knee", "throughput_per_s"),
        *("throughput_predicted", "throughput_error", "latency_ms_p95"),
        *("latency_ms_p95_predicted", "latency_error"),
    ]
    shares = dict.fromkeys(("busy_share", "throughput_error", "latency_error"), "percent")
    frame = report.validation if len(report.validation) else pd.DataFrame(columns=columns)
    return tables.table(frame[columns], "validation", formats=shares)


def scale_view(report: CapacityReport) -> tables.Html:
    """Return what 20,000 payments a second would ask, or why nothing is said."""
    frame = scale.internet_scale(report.models, report.trusted, report.errors)
    if frame.empty:
        return tables.paragraph(
            "**No prediction is shown**: no model passed its validation on this sweep."
        )
    labels = {
        "payments_per_s": "Payments (/s)",
        "row_ms": "Row busy for one arrival (ms)",
        "one_row_per_s": "One row carries at most (/s)",
        "rows_needed": "Settlement rows needed at 70 % busy",
        "hottest_wallet_per_s": "Hottest of 10 million wallets (/s)",
        "hottest_wallet_busy": "Its row locked (share of time)",
        "model_error": "Model error (median, p95)",
    }
    shares = {"hottest_wallet_busy": "percent", "model_error": "percent"}
    return tables.table(frame, "scale", labels=labels, formats=shares)


def findings(report: CapacityReport) -> list[tables.Finding]:
    """Return the findings table's rows."""
    items = []
    for row in report.effects[report.effects["pairs"] >= 2].to_dict("records"):
        shown = "changes goodput" if row["shown"] else "shows no difference"
        items.append(
            tables.Finding(
                f"{row['question']} in {row['design']} {shown}",
                f"{row['difference']:+.1f}/s ({row['low']:+.1f} to {row['high']:+.1f})",
                "measured",
                f"95 % interval, {row['pairs']} repetitions",
            )
        )
    for design, trusted in report.trusted.items():
        items.append(
            tables.Finding(
                f"Model of {design} is {'believed' if trusted else 'not believed'}",
                f"median error of p95 {tables.percent(report.errors[design], 0)}",
                "computed",
                "held-out loads below the knee",
            )
        )
    items.append(
        tables.Finding(
            answers.policy_sentence(report.goodput),
            "goodput after the trigger",
            "measured",
            "the test of OSDI 2022",
        )
    )
    return items


def caveats(report: CapacityReport) -> list[str]:
    """Return what a reader must keep in mind."""
    cpus = report.sweep.manifest["cpu_count"]
    lost = report.sweep.manifest.get("runs_lost", 0)
    machine = (
        f"Measured on one machine with {cpus} processors, shared by fronts, gateway, database: "
        "rates are those of this machine; differences and shapes are the result."
    )
    hypothesis = (
        "Rates, balances and the gateway's latency are assumptions. That a row held "
        "during the card call was the cause in 2018 is a **hypothesis**: the answers say what "
        "would have helped **if** it was."
    )
    beyond = (
        "The scale view counts settlement rows and the hottest wallet only; disks, replicas and "
        "the network of such a system are not in the model."
    )
    short = "A sweep's runs are short: a slow drift (dead rows, a filling cache) does not show."
    held_out = (
        "Percentiles of a load are medians over its windows, so that one window in which the "
        "machine did something else does not decide; few loads are held out, and the median of "
        "their errors is itself uncertain."
    )
    return [
        machine,
        hypothesis,
        short,
        held_out,
        beyond,
        f"Runs lost, left out: {lost}.",
        *report.not_done,
    ]
