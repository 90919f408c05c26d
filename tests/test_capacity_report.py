"""What the capacity report says of sweeps that measured little, or whose model fails."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analysis import paths
from analysis.capacity import answers, report, show
from analysis.capacity.store import Sweep, read_sweep, write_sweep


@pytest.fixture(scope="module")
def recorded() -> Sweep:
    return read_sweep(paths.data("recorded", "sweep"))


def written(folder: Path, sweep: Sweep, **changed: pd.DataFrame) -> report.CapacityReport:
    """The report of a sweep with some of its tables changed."""
    tables = {
        "results": sweep.results,
        "service_times": sweep.service_times,
        "outcomes": sweep.outcomes,
        "timelines": sweep.timelines,
    }
    write_sweep(folder, tables | changed, {"cpu_count": 2, "runs_lost": 0})
    return report.capacity_report(str(folder))


def everything_said(case: report.CapacityReport) -> str:
    """Every sentence, table and figure of the report; none may fail."""
    shown = [
        show.effects_figure(case),
        show.scalability_figure(case),
        show.validation_figure(case),
        show.mitigation_figure(case),
        show.metastability_figure(case),
    ]
    tables = [
        show.laws_table(case),
        show.measured_table(case),
        show.validation_table(case),
        show.scale_view(case),
    ]
    said = [
        *report.summary_sentences(case),
        *report.answer_sentences(case),
        *answers.study_sentences(case.mitigation, case.goodput),
        report.little_sentence(case),
        report.short_text(case),
        *show.caveats(case),
        *(f.finding for f in show.findings(case)),
    ]
    assert all(figure.layout.title.text for figure in shown)
    assert report.metrics(case)
    return "\n".join([*said, *(t.text for t in tables)])


def test_a_sweep_of_studies_only_says_that_nothing_else_was_measured(tmp_path, recorded):
    none = recorded.results.head(0)
    times = recorded.service_times.head(0)
    case = written(tmp_path / "s", recorded, results=none, service_times=times)
    said = everything_said(case)
    assert "not measured often enough to say" in said
    assert "No prediction is shown" in said
    assert "Little's law could not be checked" in said
    assert "Auto-charge off at" in said
    assert case.validation.empty


def phased(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["experiment"].str.startswith("phased")]


def test_one_repetition_answers_no_question_and_has_no_interval(tmp_path, recorded):
    once = recorded.results[recorded.results["repetition"] == 0]
    once = once[once["purpose"] != "validation"]
    nothing = {n: getattr(recorded, n).head(0) for n in ("service_times", "outcomes", "timelines")}
    case = written(tmp_path / "s", recorded, results=once, **nothing)
    said = everything_said(case)
    assert "**Not known**" in said
    assert not case.effects["shown"].any()
    assert "**Yes**" not in said
    assert not re.search(r"[-+( ]inf\b", said)
    assert "(once)" in said
    assert "Metastability was not measured." in said


def test_a_sweep_put_together_says_what_was_measured_later(tmp_path, recorded):
    nothing = {n: getattr(recorded, n).head(0) for n in ("results", "service_times", "outcomes")}
    case = written(tmp_path / "s", recorded, **nothing)
    assert not any("in one go" in sentence for sentence in show.caveats(case))
    manifest = case.sweep.manifest | {"measured_later": ["phased-load-30"]}
    later = replace(case, sweep=replace(case.sweep, manifest=manifest))
    assert any("phased-load-30" in sentence for sentence in show.caveats(later))


def test_steps_that_served_all_they_were_offered_give_no_law(tmp_path, recorded):
    results = phased(recorded.results)
    results = results[results["purpose"] == "scalability"]
    results = results.assign(throughput_per_s=results["offered_per_s"] * 0.98)
    case = written(tmp_path / "s", recorded, results=results)
    assert "phased" not in case.laws
    assert any("nearly all that was offered was served" in words for words in case.not_done)


def test_no_prediction_is_shown_of_a_model_that_misses_its_held_out_loads(tmp_path, recorded):
    results = phased(recorded.results).astype({"latency_us_p95": "float64"})
    loads = results[results["purpose"] == "validation"].sort_values("offered_per_s")
    calibrating = loads["experiment"].drop_duplicates().head(2)
    held_out = loads.index[~loads["experiment"].isin(calibrating)]
    results.loc[held_out, "latency_us_p95"] *= 4
    case = written(
        tmp_path / "s", recorded, results=results, service_times=phased(recorded.service_times)
    )
    assert case.trusted == {"phased": False}
    said = everything_said(case)
    assert "The model of `phased` **failed its validation**" in said
    assert "No prediction is shown" in said
    names = [trace.name for trace in show.validation_figure(case).data]
    assert "phased: predicted (failed)" in names
