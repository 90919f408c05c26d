"""Figures and tables of the capacity report, ready to be shown by a notebook cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis import tables
from analysis.capacity import answers, counterfactual, effects, scale, usl
from analysis.capacity.report import CapacityReport, busiest
from analysis.charts import capacity as charts


def effects_figure(report: CapacityReport) -> Any:
    """Return the figure of effects."""
    return charts.effects(report.effects)


def scalability_figure(report: CapacityReport) -> Any:
    """Return measured points and fitted laws."""
    results = report.sweep.results
    points = results[results["purpose"] == "scalability"].sort_values("pool_size")
    curves = {}
    for design, law in report.laws.items():
        steps = np.geomspace(1, law.n_max, 40)  # the law is not drawn where nothing was measured
        curves[design] = pd.DataFrame({"n": steps, "throughput_per_s": law.throughput(steps)})
    return charts.scalability(points, curves)


def validation_figure(report: CapacityReport) -> Any:
    """Return predicted against measured latencies; a model that failed is marked."""
    believed = report.validation["design"].map(report.trusted).astype("bool")
    return charts.validation(report.validation.assign(believed=believed))


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
            "knee": _interval(law.knee_n, 1),
            "peak": "none shown" if law.peak_n is None else f"{law.peak_n:.0f}",
            "ceiling": _interval(law.ceiling, 1),
            "residual": law.residual_share,
        }
        for design, law in report.laws.items()
    ]
    labels = {
        "rate": "One connection alone (requests/s)",
        "sigma": "σ, contention",
        "kappa": "κ, coherency",
        "knee": "Knee (connections)",
        "peak": "Peak (connections)",
        "ceiling": "Ceiling (requests/s)",
        "residual": "Residual (share of mean)",
    }
    return tables.table(
        pd.DataFrame(rows, columns=["design", *labels]),
        "laws",
        labels=labels,
        formats={"residual": "percent"},
        caption="Universal Scalability Law, with 95 % intervals",
    )


def _interval(estimate: usl.Estimate, digits: int) -> str:
    value, low, high = (
        f"{v:,.{digits}f}" if np.isfinite(v) else "no bound"
        for v in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} ({low} to {high})"


def measured_table(report: CapacityReport) -> tables.Html:
    """Return throughput, goodput and p99 of every experiment, with intervals."""
    frame = effects.interval_by_experiment(report.sweep.results)
    frame = frame.sort_values("experiment", key=_by_number)
    shown = pd.DataFrame({"experiment": frame["experiment"], "repetitions": frame["repetitions"]})
    for column, label in (
        ("throughput_per_s", "Throughput (/s)"),
        ("goodput_per_s", "Goodput (/s)"),
        ("latency_ms_p99", "p99 from intended arrival (ms)"),
    ):
        values, lows, highs = (frame[f"{column}{end}"] for end in ("", "_low", "_high"))
        shown[label] = [_mean(*v) for v in zip(values, lows, highs, strict=True)]
    return tables.table(shown, "measured", caption="Means with 95 % intervals (Student's t)")


def _by_number(names: pd.Series) -> pd.Series:
    """Sort keys that put `connections-2` before `connections-16`."""
    return names.str.replace(r"\d+", lambda digits: digits[0].zfill(6), regex=True)


def _mean(value: float, low: float, high: float) -> str:
    if pd.isna(value):
        return tables.UNKNOWN
    return f"{value:.0f} ({low:.0f} to {high:.0f})" if np.isfinite(high) else f"{value:.0f} (once)"


def validation_table(report: CapacityReport) -> tables.Html:
    """Return prediction beside measurement, load by load, with the error of each."""
    labels = {
        "offered_per_s": "Offered (/s)",
        "busy_share": "Row busy",
        "below_knee": "Below the knee",
        "done": "Done, and predicted (/s)",
        "throughput_error": "Error",
        "measured": "p95, and its windows (ms)",
        "latency_ms_p95_predicted": "Predicted (ms)",
        "latency_error": "Error of p95",
    }
    shares = dict.fromkeys(("busy_share", "throughput_error", "latency_error"), "percent")
    frame = report.validation
    windows = frame[["latency_ms_p95", "latency_ms_p95_low", "latency_ms_p95_high"]]
    words = [f"{p95:,.0f} ({low:,.0f} to {high:,.0f})" for p95, low, high in windows.to_numpy()]
    rates = frame[["throughput_per_s", "throughput_predicted"]].to_numpy()
    done = [f"{measured:,.1f}, {predicted:,.1f}" for measured, predicted in rates]
    frame = frame.assign(measured=words, done=done)
    return tables.table(frame[["design", *labels]], "validation", formats=shares, labels=labels)


def scale_view(report: CapacityReport) -> tables.Html:
    """Return what 20,000 payments a second would ask, or why nothing is said."""
    frame = scale.internet_scale(report.models, report.trusted, report.errors)
    if frame.empty:
        return tables.paragraph(
            "**No prediction is shown**: no model passed its validation on this sweep."
        )
    labels = {
        "payments_per_s": "Payments (/s)",
        "row_ms": "Row busy for one payment (ms)",
        "one_row_per_s": "One row carries at most (/s)",
        "rows_needed": "Settlement rows needed at 70 % busy",
        "hottest_wallet_per_s": "Hottest of 10 million wallets (/s)",
        "hottest_wallet_busy": "Its row locked (share of time)",
        "model_error": "Model error (median, p95)",
    }
    shares = {"hottest_wallet_busy": "percent", "model_error": "percent"}
    tested = ", ".join(f"{design} {busiest(report, design)}" for design in frame["design"])
    caption = f"By the utilisation law; tested with the row busy at most: {tested}"
    left_out = sorted(set(report.sweep.results["design"]) - set(frame["design"]))
    if left_out:
        caption += "; not shown, because no model of it passed: " + ", ".join(left_out)
    return tables.table(frame, "scale", labels=labels, formats=shares, caption=caption)


def findings(report: CapacityReport) -> list[tables.Finding]:
    """Return the findings table's rows."""
    items = []
    for row in report.effects[report.effects["pairs"] >= 2].to_dict("records"):
        word = "raises goodput" if row["difference"] > 0 else "lowers goodput"
        shown = word if row["shown"] else "shows no difference"
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
        "The scale view counts settlement rows and the hottest wallet only, which is taken to be "
        "locked as long as the settlement row; disks, replicas and the network of such a system "
        "are not in the model. A model tested while the row was little busy has hardly been tested "
        "on queueing at it."
    )
    short = "A sweep's runs are short: a slow drift (dead rows, a filling cache) does not show."
    many = (
        f"{len(report.effects)} differences are asked for, each with an interval of its own: one "
        "in twenty of those that are none would show as one by chance."
    )
    laws = (
        "The intervals of the scalability law are of the repetitions only, and rather too narrow; "
        f"above {max((law.n_max for law in report.laws.values()), default=0):g} connections, the "
        "most that were measured, it is an extrapolation."
    )
    counted = (
        "Goodput is counted by arrival, throughput by end: over a short window the one may exceed "
        "the other. The p99 of a window of some hundred requests is nearly the slowest of them."
    )
    front = (
        "A front brings its own connections: more fronts are more connections, too. Fewer "
        "processors for the server leave more to fronts and gateway."
    )
    held_out = (
        "The percentile of a load is the median of the percentiles of its windows, so that one "
        "window in which the machine did something else does not decide; few loads are held out, "
        "and the median of their errors is itself uncertain. That figures and calibration go by "
        "window was decided after pooled requests had failed on earlier sweeps. Below the knee the "
        "model's throughput is what arrives: only its latency is put to the test."
    )
    return [
        machine,
        hypothesis,
        short,
        many,
        front,
        counted,
        laws,
        held_out,
        beyond,
        f"Runs lost, left out: {lost}.",
        *_measured_later(report),
        *report.not_done,
    ]


def _measured_later(report: CapacityReport) -> list[str]:
    """Say that a sweep was put together from several, and which of it came later."""
    later = report.sweep.manifest.get("measured_later", [])
    if not later:
        return []
    listed = ", ".join(later)
    said = f"Not all of this sweep was measured in one go. Measured later: {listed}."
    return [f"{said} The machine's mood may have been another."]
