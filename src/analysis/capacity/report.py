"""The capacity report of one sweep: what the notebook `05_capacity_what_if` shows and says."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis import tables
from analysis.capacity import answers, counterfactual, effects, model, queueing, usl
from analysis.capacity.store import Sweep, read_sweep
from analysis.paths import find_run
from runlog.errors import BadData

SERVED_ALL = 0.9  # a step that served more than this of its load shows no limit of its own


@dataclass(frozen=True)
class CapacityReport:
    """A sweep and what follows from it. Designs that could not be fitted are missing, with why."""

    sweep: Sweep
    effects: pd.DataFrame
    laws: dict[str, usl.UslFit]
    models: dict[str, model.Model]
    validation: pd.DataFrame
    trusted: dict[str, bool]
    errors: dict[str, float]
    mitigation: pd.DataFrame
    goodput: pd.DataFrame
    not_done: list[str] = field(default_factory=list)


def capacity_report(name: str) -> CapacityReport:
    """Return the report of a sweep folder, or of the recorded sweep by name.

    Raises UsageFault when there is none, BadData when the folder is no sweep.
    """
    sweep = read_sweep(find_run(name))
    results = sweep.results
    laws: dict[str, usl.UslFit] = {}
    models: dict[str, model.Model] = {}
    checks: dict[str, pd.DataFrame] = {}
    not_done: list[str] = []
    for design in sorted(results["design"].unique()):
        steps = results[(results["purpose"] == "scalability") & (results["design"] == design)]
        try:
            laws[design] = _law(steps)
        except BadData as fault:
            not_done.append(f"no scalability law for {design}: {fault.what} ({fault.value})")
        try:
            models[design], checks[design] = _modelled(sweep, design)
        except BadData as fault:
            not_done.append(f"no model for {design}: {fault.what} ({fault.value})")
    return CapacityReport(
        sweep=sweep,
        effects=effects.goodput_effects(results),
        laws=laws,
        models=models,
        validation=_together(checks),
        trusted={d: model.believed(check) for d, check in checks.items()},
        errors={d: _median_error(check) for d, check in checks.items()},
        mitigation=counterfactual.mitigation_effects(sweep.outcomes),
        goodput=counterfactual.goodput_after(sweep.timelines),
        not_done=not_done,
    )


def _law(steps: pd.DataFrame) -> usl.UslFit:
    """Fit the scalability law to steps that were all offered more than they could serve.

    Raises BadData when some step served what it was offered: that is the load, not a capacity.
    """
    served = steps["throughput_per_s"] / steps["offered_per_s"]
    if len(steps) and served.max() > SERVED_ALL:
        what = f"{served.max():.0%} of {steps['offered_per_s'].max():g} per second"
        raise BadData("nearly all that was offered was served", what, "offer more")
    return usl.fit_usl(steps["pool_size"], steps["throughput_per_s"])


def _modelled(sweep: Sweep, design: str) -> tuple[model.Model, pd.DataFrame]:
    """Calibrate on the two lowest loads of a design and validate on the others."""
    results = sweep.results
    loads = results[(results["purpose"] == "validation") & (results["design"] == design)]
    if loads.empty:
        raise BadData("no validation loads were measured", design, "walletlab sweep")
    in_order = loads.sort_values("offered_per_s")["experiment"].drop_duplicates()
    lowest = tuple(str(name) for name in in_order.head(2))
    fitted = model.fit(sweep.service_times, results, design, lowest)
    return fitted, model.validate(fitted, results)


def _together(checks: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """All held-out loads in one frame, the design in front."""
    parts = [check.assign(design=design) for design, check in checks.items() if len(check)]
    columns = ["design", *model.VALIDATED]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _median_error(part: pd.DataFrame) -> float:
    """Median absolute error of p95 below the knee; NaN where no load was held out there."""
    return float(part.loc[part["below_knee"].astype("bool"), "latency_error"].median())


def answer_sentences(report: CapacityReport) -> list[str]:
    """Return every question about the design that holds locks across the call, answered."""
    locked = report.effects[report.effects["design"] == "lock_across_call"]
    asked = locked[locked["question"].isin(answers.QUESTIONS)]
    return [answers.answer(row) for _, row in asked.iterrows()]


def summary_sentences(report: CapacityReport) -> list[str]:
    """Return the executive summary."""
    said = [answers.fronts_sentence(report.effects)]
    locked = report.effects[report.effects["design"] == "lock_across_call"]
    said += [
        answers.answer(row)
        for _, row in locked.iterrows()
        if row["question"] in ("processors 1 → 2", "the other design", "shedding on")
    ]
    earlier = report.mitigation[report.mitigation["variant"] == "15:10"]
    said += answers.mitigation_sentences(earlier)
    said.append(answers.policy_sentence(report.goodput))
    return said + _model_sentences(report)


def _model_sentences(report: CapacityReport) -> list[str]:
    said = []
    for design, trusted in report.trusted.items():
        error = tables.percent(report.errors[design], 0)
        if math.isnan(report.errors[design]):
            said.append(
                f"The model of `{design}` could not be validated, because no load below its knee "
                "was held out: nothing is predicted from it."
            )
        elif trusted:
            said.append(
                f"The model of `{design}` predicts held-out loads below the knee (the row "
                f"{busiest(report, design)} busy at most) with a median error of {error} of the "
                "95th percentile, and is used beyond this machine."
            )
        else:
            said.append(
                f"The model of `{design}` **failed its validation** (median error {error} of the "
                "95th percentile), so nothing is predicted from it."
            )
    return said


def busiest(report: CapacityReport, design: str) -> str:
    """Return how busy the row was, in percent, at the busiest load that the model was tested on.

    Where that is little, queueing at the row was hardly tested.
    """
    loads = report.validation[report.validation["design"] == design]
    return tables.percent(loads.loc[loads["below_knee"].astype("bool"), "busy_share"].max(), 0)


def little_sentence(report: CapacityReport) -> str:
    """Return how well Little's law holds between two ways of counting what is in flight.

    Compared are the means of each load's windows; loads with less than half a request in flight
    are left out, because a share of so little says nothing.
    """
    calm = report.sweep.results
    calm = calm[calm["purpose"] == "validation"]
    law = queueing.littles_law(calm).groupby("experiment")[["sampled", "by_law"]].mean()
    law = law[law["by_law"] >= 0.5]
    if law.empty:
        return "Little's law could not be checked: no calm window had enough in flight."
    error = ((law["sampled"] - law["by_law"]).abs() / law["by_law"]).median()
    return (
        "Little's law as a check of the instruments: sampled and computed numbers in flight differ "
        f"by {tables.percent(float(error), 0)} (median of {len(law)} loads)."
    )


def metrics(report: CapacityReport) -> dict[str, Any]:
    """Return the figures of the report for machines."""
    return {
        "effects": [
            {k: row[k] for k in ("question", "design", "difference", "low", "high", "pairs")}
            for row in report.effects.to_dict("records")
        ],
        "scalability": {
            d: {
                name: {"value": e.value, "low": e.low, "high": e.high}
                for name, e in (("rate", f.rate), ("sigma", f.sigma), ("kappa", f.kappa))
            }
            for d, f in report.laws.items()
        },
        "model_believed": report.trusted,
        "model_error_share": report.errors,
        "mitigation": report.mitigation.to_dict("records"),
        "goodput_after_trigger": {
            str(k): float(v) for k, v in report.goodput.groupby("variant")["after"].mean().items()
        },
    }


def short_text(report: CapacityReport) -> str:
    """Return a few rounded lines that a recorded sweep reproduces exactly."""
    lines = []
    for row in report.effects.to_dict("records"):
        interval = f"{row['low']:+.1f} to {row['high']:+.1f}" if row["pairs"] > 1 else "once"
        lines.append(f"{row['design']}: {row['question']}: {row['difference']:+.1f} ({interval})")
    lines += [f"{d} sigma {f.sigma.value:.2f}" for d, f in report.laws.items()]
    lines += [f"{d} model believed {t}" for d, t in report.trusted.items()]
    return "\n".join(lines) or "0 comparisons"


def headline(report: CapacityReport) -> list[tuple[str, str]]:
    """Return up to four figures for the index page."""
    found = []
    for question, label in (
        ("the other design", "Other design"),
        ("fronts 2 → 4", "Fronts 2 → 4"),
        ("shedding on", "Shedding"),
        ("processors 1 → 2", "Processors 1 → 2"),
    ):
        rows = report.effects[
            (report.effects["design"] == "lock_across_call")
            & (report.effects["question"] == question)
        ]
        if len(rows):
            found.append((label, f"{rows.iloc[0]['difference']:+.1f} requests/s"))
    return found
