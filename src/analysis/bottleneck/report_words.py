"""Sentences of the bottleneck report; each takes its numbers from the view, none is fixed text."""

from __future__ import annotations

import math

from analysis.bottleneck import blocking
from analysis.bottleneck.requests import rank_correlation, state_shares
from analysis.bottleneck.verdict.diagnose import headline
from analysis.bottleneck.verdict.finding import CAUSES
from analysis.bottleneck.view import View
from analysis.bottleneck.words import evidence_sentence, impact, window_sentence
from analysis.tables import Finding, Tile, decimal, duration, percent, time_jst

NOT_RECORDED = "Not recorded in this run."


def summary(view: View) -> list[str]:
    """The executive summary: verdict, window, evidence, who blocked, the comparison, doubts."""
    found = view.diagnosis
    said = [f"**{headline(found)}**", window_sentence(found) + _on_display_clock(view)]
    for finding in found.problems[:2]:
        rows = "; ".join(evidence_sentence(e) for e in finding.evidence[:3])
        said.append(
            f"{finding.cause} ({impact(finding)}, confidence {finding.confidence:.2f}): {rows}."
        )
    said.append(blocked(view))
    if view.other is not None:
        said.append(comparison(view))
    symptoms = [f for f in found.findings if f.kind == "symptom"]
    if symptoms:
        names = ", ".join(f"{f.cause} (of {f.because_of})" for f in symptoms)
        said.append(f"Symptoms, not causes: {names}.")
    if found.cannot_tell:
        said.append(f"These records cannot tell {found.cannot_tell[0]['question']}.")
    return said


def _on_display_clock(view: View) -> str:
    """The window on the incident's clock, where the scenario has one."""
    window, clock = view.window, view.case.manifest.clock
    if window is None or clock.scenario_start is None:
        return ""
    start, end = (time_jst(moment) for moment in window)
    return (
        f" On the clock of the incident, which passes {clock.compression:g} times as "
        f"fast: {start} to "
        f"{end}."
    )


def tiles(view: View) -> list[Tile]:
    """The big values at the top of the report."""
    found = view.diagnosis
    first = found.problems[0] if found.problems else None
    aas = found.features.during("aas")
    cpu = view.case.manifest.cpu_count
    shown = [
        Tile("Verdict", first.cause.replace("_", " ") if first else "no anomaly",
             f"confidence {first.confidence:.2f}" if first else "",
             "bad" if first else "good"),
        Tile("Impact",
             f"{first.impact_pct:.0f} %" if first and not math.isnan(first.impact_pct) else "–",
             impact(first).partition(" % of ")[2] if first else ""),
    ]  # fmt: skip
    if not math.isnan(aas):
        note = f"on {cpu} processors" if cpu else ""
        shown.append(Tile("Active sessions in the window", decimal(aas), note))
    share = found.features.facts.get("idle_root_share")
    if share is not None and not math.isnan(share):
        shown.append(
            Tile("Waiting behind an idle transaction", percent(share, 0), "of all waiting")
        )
    return shown


def blocked(view: View) -> str:
    """Who was at the root of the waiting, with numbers."""
    roots = view.diagnosis.features.frames["roots"]
    if not view.case.has("samples"):
        return _blocked_by_log(view)
    if roots.empty or not roots["waiter_s"].sum():
        return "Nobody was seen blocked in the window."
    total = float(roots["waiter_s"].sum())
    idle = blocking.idle_root_share(roots)
    called = float(roots["client_waiter_s"].sum())
    crowd = view.diagnosis.features.fact("waiters")
    return (
        f"Sessions waited {total:.0f} s in all behind others ({crowd:.1f} at a time); "
        f"{percent(idle, 0)} of it had a root blocker that was idle in transaction, "
        "waiting for its "
        f"client, and {called:.0f} s ({percent(called / total, 0)}) a root that had been idle for "
        "10 ms or more: no lock is held that long between two statements, unless the "
        "client is busy "
        "elsewhere."
    )


def _blocked_by_log(view: View) -> str:
    roots = view.diagnosis.features.frames["log_roots"]
    if roots.empty:
        return "The log shows no lock waits; a wait shorter than deadlock_timeout leaves no line."
    top = roots.iloc[0]
    threshold = view.case.setting("deadlock_timeout") or "not recorded"
    return (
        f"From the log alone: the root most waited for is process {top['pid']} "
        f"({percent(float(top['waiter_share']), 0)} of the logged waiting, {int(top['victims'])} "
        f"sessions). Waits shorter than deadlock_timeout ({threshold}) leave no line."
    )


def comparison(view: View) -> str:
    """The other run beside this one: waiting behind idle transactions, and the verdict."""
    assert view.other is not None
    here, there = idle_waiting(view), idle_waiting(view.other)
    offered = [_offered(v) for v in (view, view.other)]
    design = view.other.case.manifest.design or view.other.name
    text = (
        f"The same load on the design {design} ({view.other.name}): {there[0]:.1f} s of "
        "waiting behind "
        f"a root idle in transaction for 10 ms or more, against {here[0]:.1f} s here"
    )
    if all(offered):
        text += f" (new requests: {offered[1]:,} there, {offered[0]:,} here)"
    verdict = view.other.diagnosis.problems[0].cause if view.other.diagnosis.problems else "none"
    return f"{text}; its own first problem: {verdict}."


def idle_waiting(view: View) -> tuple[float, float]:
    """Return seconds waited behind roots idle for 10 ms and more, and in all (whole record)."""
    roots = blocking.root_blockers(view.case)
    if roots.empty:
        return 0.0, 0.0
    return float(roots["client_waiter_s"].sum()), float(roots["waiter_s"].sum())


def _offered(view: View) -> int:
    arrivals = view.diagnosis.frame["arrivals"].fillna(0).sum()
    return round(float(arrivals) * view.case.bucket_s)


def pool(view: View) -> str:
    """How waiting at the pool and latency move together."""
    frame = view.pool()
    if frame.empty:
        return NOT_RECORDED
    together = rank_correlation(frame["pool_waiting"], frame["latency_us_p95"])
    most = frame["pool_waiting"].max()
    text = f"At most {most:.0f} requests waited for a connection"
    if math.isnan(together):
        return text + "; waiting and latency do not vary enough to be compared."
    return text + f"; the rank correlation with 95th percentile latency is {together:.2f}."


def states(view: View) -> str:
    """Where request time goes inside the window, largest first."""
    found = view.states()
    if len(found.columns) < 2:
        return NOT_RECORDED
    shares = state_shares(found, view.diagnosis.window)
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{name} {percent(share, 0)}" for name, share in ranked if share >= 0.01)
    return f"Request time in the window: {parts}."


def quality(view: View) -> str:
    """What Little's law says about the completeness of the records."""
    found = view.littles_law()
    if found.empty:
        return "Little's law needs two independent records (pool statistics, or samples and spans)."
    parts = [
        f"{row.what}: {row.agree} of {row.windows} windows agree to a quarter (median ratio "
        f"{row.ratio_median:.2f})"
        for row in found.itertuples()
    ]
    return "Little's law, counted sessions over rate times mean time: " + "; ".join(parts) + "."


def findings(view: View) -> list[Finding]:
    """The findings table: problems and symptoms with their strongest evidence."""
    rows = []
    for finding in view.diagnosis.findings:
        if finding.kind == "no_problem":
            continue
        what = f"{finding.cause}: {CAUSES[finding.cause]}"
        if finding.because_of:
            what += f" (symptom of {finding.because_of})"
        proof = "; ".join(evidence_sentence(e) for e in finding.evidence[:2])
        rows.append(
            Finding(what, f"{impact(finding)}; {proof}", "measured", f"{finding.confidence:.2f}")
        )
    if not rows:
        rows.append(Finding("no anomaly stands out", headline(view.diagnosis), "measured", ""))
    return rows


def caveats(view: View) -> list[str]:
    """What the reader must keep in mind, some of it only where it applies."""
    said = []
    if view.case.manifest.kind == "engine":
        said.append(
            "This is a run of the reference wallet. That a real outage had this cause is a "
            "**hypothesis**: the wallet's operator never published what was overloaded inside."
        )
    if view.not_compared:
        said.append(f"Not compared with {view.not_compared}: it had another load.")
    said += [f"Cannot tell {q['question']}. To know: {q['switch_on']}." for q in
             view.diagnosis.cannot_tell]  # fmt: skip
    if view.case.has("samples"):
        said.append(
            "Samples see what lasts: a state shorter than the sampling interval is met by chance."
        )
    threshold = view.case.setting("deadlock_timeout")
    said.append(
        "Lock waits reach the log only beyond deadlock_timeout"
        + (f" ({threshold} here)." if threshold else ", which this run did not record.")
    )
    minimum = view.case.setting("log_min_duration_statement")
    if minimum and minimum not in ("0", "0ms"):
        said.append(f"Durations reach the log only from log_min_duration_statement ({minimum}) on.")
    return said


def check_lines(view: View) -> str:
    """Short rounded lines of the main figures, for comparison with a stored output."""
    found, features = view.diagnosis, view.diagnosis.features
    named = [f"{f.cause} ({f.kind})" for f in found.findings if f.kind != "no_problem"]
    length_s = (found.window.end - found.window.start).total_seconds()
    lines = ["causes: " + ", ".join(named), f"window: {length_s:.0f} s, {found.window.origin}"]
    for name, unit in (("aas", "sessions"), ("aas_rowlock", "sessions"), ("idle_tx", "sessions")):
        lines.append(f"{name}: {features.during(name):.1f} {unit}")
    called, total = idle_waiting(view)
    lines.append(f"waiting behind a root idle for 10 ms or more: {called:.0f} of {total:.0f} s")
    if view.other is not None:
        called, total = idle_waiting(view.other)
        lines.append(f"in the other run: {called:.1f} of {total:.1f} s")
    p99 = view.timed_statements().head(1)
    lines += [f"costliest statement: p50 {duration(r.p50_us)}, p99 {duration(r.p99_us)}, "
              f"max {duration(r.max_us)}" for r in p99.itertuples()]  # fmt: skip
    return "\n".join(lines)
