"""What the cells of the timeline notebook show: figures with the sentence that says what to see.

Each function displays its figures and captions, or nothing at all when the report has no run: an
empty chart would pass for a quiet one.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis import slo, tables, timeline
from analysis.charts import kit, timeline_lanes
from analysis.charts import timeline as charts
from analysis.incidents import duties
from analysis.outage import frames, lanes, words
from analysis.outage.case import Outage
from analysis.tables import display


def summary(outage: Outage) -> None:
    """Display the big values and the executive summary."""
    display(tables.tiles(words.tiles(outage)), tables.summary(words.summary(outage)))


def record(outage: Outage) -> None:
    """Display the times on record with their bounds and sources."""
    if outage.record is None:
        display(tables.paragraph("No incident of the corpus is named: only the run is reported."))
        return
    frame = frames.record_times(outage.record)
    pairs = zip(frame["sources"], frame["remark"], strict=True)
    remarked = [f"{cited}. {remark}" if remark else cited for cited, remark in pairs]
    frame = frame.assign(sources=remarked).drop(columns=["remark"])
    labels = {"on_record": f"On record ({outage.zone})", "sources": "Sources, and why one is used"}
    display(tables.table(frame, "record", formats={"used": "yes_no"}, labels=labels))


def swim_lanes(outage: Outage) -> None:
    """Display the swim lanes of the acute hours, and of the whole when that is far longer."""
    bars = lanes.lane_bars(outage)
    marks = lanes.lane_marks(outage.record) if outage.record else _no_marks()
    drawn = lanes.windows(outage)
    titles = (
        ["Swim lanes"]
        if len(drawn) == 1
        else ["The acute hours", "The whole record, with what came after"]
    )
    for title, window in zip(titles, drawn, strict=True):
        inside = bars[
            (bars["starts_earliest"] < window[1])
            & (bars["ends_latest"].isna() | (bars["ends_latest"] > window[0]))
        ]
        if title.startswith("The whole"):
            inside = inside[~inside["lane"].str.startswith("Measured")]
        display(timeline_lanes.swim_lanes(title, inside, marks, zone=outage.zone, window=window))


def functions(outage: Outage) -> None:
    """Display the matrix of functions: state on record in each phase, share answered in the run."""
    frame = frames.function_matrix(outage)
    if len(frame.columns) < 2:
        display(tables.paragraph("Which functions were affected is not on record."))
        return
    display(tables.table(frame, "functions"))
    if outage.measured is not None:
        said = (
            "Run columns: attempts answered / approved. A declined payment was answered, so a "
            "mitigation that declines payments on purpose shows in the second figure only. An "
            "attempt that ended before its funding was looked at is in neither funded row but in "
            "a row of its own: read “any funding” first, the funded rows only of those that got "
            "that far."
        )
        display(tables.paragraph(said))


def milestones(outage: Outage) -> None:
    """Display the milestones, and the announcements set beside the guideline of 2026."""
    table = tables.table(
        frames.milestones(outage),
        "milestones",
        labels={
            "record": "On record, after the start",
            "run": "In the run, incident clock",
            "how": "How it is known",
        },
    )
    display(table)
    if outage.record is None or outage.record.incident.kind != "outage":
        return
    frame = duties.score(outage.record)
    spans = zip(frame["after_min_low"], frame["after_min"], frame["after_min_high"], strict=True)
    shown = pd.DataFrame(
        {
            "duty": frame["duty"],
            "article": frame["article"],
            "verdict": frame["verdict"],
            "after": [frames.minutes_words(_span(*s)) for s in spans],
            "evidence": frame["evidence"],
        }
    ).replace({"after": {frames.NOT_ON_RECORD: "–"}})
    caption = f"{duties.LABEL} (edition {duties.edition()})"
    labels = {"after": "After the start", "evidence": "Evidence on record"}
    display(
        tables.table(shown, "duties", labels=labels, caption=caption[0].upper() + caption[1:]),
        tables.paragraph(f"{duties.APPLIES_TO} {duties.CAUTION}"),
    )


def outcomes(outage: Outage) -> None:
    """Display attempts by outcome, the phases of the run, and the share answered by function."""
    run = outage.measured
    if run is None:
        display(tables.paragraph(outage.run_note))
        return
    figure = charts.outcomes_and_functions(
        timeline.intervals(run),
        lanes.drawn_functions(timeline.function_intervals(run)),
        outage.events,
        interval_words=tables.duration(run.bucket_us),
        x_title=_axis(outage),
    )
    said = words.caption(
        outage,
        "Above, everything that arrived, by how it ended; below, each function for itself (only "
        "intervals with three attempts or more; a line for one funding counts those that got that "
        "far): where lines part, one availability would mislead.",
    )
    display(figure, tables.paragraph(said), _phase_table(outage))


def latency(outage: Outage) -> None:
    """Display latency percentiles over time and the heat map of all latencies."""
    run = outage.measured
    if run is None:
        return
    figure = charts.latency_over_time(
        timeline.latency(run),
        timeline.heatmap(run),
        outage.events,
        threshold_ms=outage.settings.slow_ms,
        x_title=_axis(outage),
    )
    said = words.caption(
        outage,
        "The gap between the two p99 lines is time spent waiting before work began; the heat map "
        "shows whether all attempts slowed down or only some.",
    )
    display(figure, tables.paragraph(said))


def distribution(outage: Outage) -> None:
    """Display the distribution of latency before, during and after."""
    run = outage.measured
    if run is None:
        return
    figure = charts.ecdf(timeline.ecdf(run), threshold_ms=outage.settings.slow_ms)
    said = (
        "The further right a line lies, the slower that phase; where it meets the dashed line, the "
        "height is the share that was in time. An attempt that timed out counts with its wait."
    )
    display(figure, tables.paragraph(said))


def burn(outage: Outage) -> None:
    """Display burn rates, alerts and change points, and both scored against the run's events."""
    run = outage.measured
    if run is None:
        return
    rules = [(r.label, r.burn, r.long_min, r.short_min) for r in slo.RULES]
    changes = [run.incident_at(b * run.bucket_us) for b in outage.changes]
    figure = charts.burn_and_changes(
        outage.rates,
        rules,
        changes,
        outage.events,
        objective_pct=outage.settings.objective_pct,
        x_title=_axis(outage),
    )
    hour_s = slo.window_in_run(run, 60).total_seconds()
    said = (
        "An alert fires only while both of its windows burn above its rate. The windows are scaled "
        f"by the run's clock: one hour of them lasts {hour_s:,.1f} s of run."
    )
    formats = {"burn_max": "decimal", "covered_max": "percent"}
    labels = {
        "burn_max": "Highest burn, long window (×)",
        "covered_max": "Long window inside the run",
        "delay_s": "Delay (s of run)",
        "detected_at": "Detected at",
    }
    fired = tables.table(slo.firing(outage.rates), "alerts", formats=formats, labels=labels)
    scored = tables.table(outage.change_scores, "changes", labels=labels)
    display(figure, tables.paragraph(said), fired, scored)


def ending(outage: Outage) -> None:
    """Display the findings table and the caveats."""
    display(tables.findings(words.findings(outage)), tables.caveats(words.caveats(outage)))


def headline(outage: Outage) -> list[tuple[str, str]]:
    """Return the figures for the index page."""
    return [(t.label, t.value) for t in words.tiles(outage)]


def title(outage: Outage) -> str:
    """Return the title of the report: the incident's, or the run's name where there is none."""
    if outage.incident is not None:
        return outage.incident.title
    assert outage.measured is not None
    return f"Timeline of the run {outage.measured.run.manifest.run_id}"


def metrics(outage: Outage) -> dict[str, Any]:
    """Return the figures of the report: durations on record in minutes, measurements of the run."""
    found: dict[str, Any] = {}
    if outage.record is not None:
        spans = {**outage.record.durations(), "affected": outage.record.affected_minutes()}
        found["record_durations_min"] = {n: s.as_json() for n, s in spans.items()}
        found["record_conflicts"] = len(words.conflicts(outage.record))
    run = outage.measured
    if run is None:
        return found
    detected, rule = slo.time_to_detect(run, outage.rates)
    functions = outage.functions
    names = (functions["label"] + ", " + functions["phase"]).tolist()
    shares = functions["availability"].tolist()
    approved = functions["approved_share"].tolist()
    return found | {
        "attempts": outage.totals,
        "phases": outage.phases.drop(columns=["position"]).to_dict("records"),
        "availability_by_function": dict(zip(names, shares, strict=True)),
        "approved_by_function": dict(zip(names, approved, strict=True)),
        "objective_pct": outage.settings.objective_pct,
        "slow_ms": outage.settings.slow_ms,
        "minutes_breached": slo.minutes_breached(outage.rates),
        "false_page_minutes": slo.false_pages(run, outage.rates),
        "budget_30d_spent_share": slo.budget_spent(outage.minutes, outage.settings.objective),
        "time_to_detect_min": detected.as_json(),
        "time_to_detect_rule": rule,
        "time_to_recover_min": slo.time_to_recover(run, outage.rates).as_json(),
        "change_points": outage.change_scores["verdict"].value_counts().sort_index().to_dict(),
    }


def check_lines(outage: Outage) -> str:
    """Return a few rounded figures as text: what the notebook test compares."""
    lines = []
    if outage.record is not None:
        spans = outage.record.durations()
        lines += [f"{name}: {frames.minutes_words(span)}" for name, span in spans.items()]
    if outage.measured is not None:
        lines.append("attempts: " + ", ".join(f"{k} {v}" for k, v in outage.totals.items()))
        p99_ms = (outage.phases["response_us_p99"] / 1000).round().tolist()
        lines += [
            f"p99 {n}: {v:.0f} ms" for n, v in zip(outage.phases["phase"], p99_ms, strict=True)
        ]
        detected, rule = slo.time_to_detect(outage.measured, outage.rates)
        page = f"{frames.minutes_words(detected)}, {rule}" if rule else "no page fires"
        lines.append(f"detected: {page}")
        lines.append(f"minutes breached: {slo.minutes_breached(outage.rates)}")
    return "\n".join(lines)


def _phase_table(outage: Outage) -> Any:
    shown = outage.phases.drop(columns=["position", "response_us_p90"])
    latencies = [c for c in shown.columns if c.endswith(("p50", "p90", "p99"))]
    labels = {c: c.replace("_us_", " ").replace("_", " ") for c in latencies}
    labels["seconds"] = "Length (s of run)"
    return tables.table(
        shown, "phases", formats=dict.fromkeys(latencies, "duration"), labels=labels
    )


def _axis(outage: Outage) -> str:
    return "Incident time (JST)" if outage.replays else kit.TIME_TITLE


def _span(low: float, written: float, high: float) -> Any:
    values = [None if v != v else float(v) for v in (low, high, written)]
    return frames.Span(*values)


def _no_marks() -> pd.DataFrame:
    columns = ["lane", "label", "at", "earliest", "latest", "used", "hover"]
    frame = pd.DataFrame(columns=columns)
    return frame.astype(dict.fromkeys(columns[2:5], "datetime64[us, UTC]"))
