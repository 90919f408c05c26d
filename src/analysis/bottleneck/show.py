"""What the cells of the bottleneck notebook show: figures, tables, and the
sentences between them.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis import tables
from analysis.bottleneck import report_words as words
from analysis.bottleneck.blocking_log import deadlock_graphs, wait_outcomes
from analysis.bottleneck.verdict.finding import CAUSES
from analysis.bottleneck.view import View
from analysis.bottleneck.words import amount, brief_statement, impact
from analysis.charts import bottleneck as charts
from analysis.tables import display

_TIMES = {"p50_us": "duration", "p95_us": "duration", "p99_us": "duration", "p999_us": "duration",
          "max_us": "duration", "total_us": "duration"}  # fmt: skip
_TIME_LABELS = {"p50_us": "p50", "p95_us": "p95", "p99_us": "p99", "p999_us": "p99.9",
                "max_us": "max", "total_us": "total"}  # fmt: skip


def summary(view: View) -> None:
    """Display the big values and the executive summary."""
    display(tables.tiles(words.tiles(view)), tables.summary(words.summary(view)))


def verdict(view: View) -> None:
    """Display the ranking, then the evidence of each problem with look-alikes and advice."""
    named = [f for f in view.diagnosis.findings if f.kind != "no_problem"]
    if named:
        ranking = pd.DataFrame({
            "cause": [f.cause for f in named],
            "in words": [f"{CAUSES[f.cause]}: {f.headline}" for f in named],
            "kind": [f"symptom of {f.because_of}" if f.because_of else f.kind for f in named],
            "impact": [impact(f) for f in named],
            "confidence": [f"{f.confidence:.2f}" for f in named],
        })  # fmt: skip
        display(tables.table(ranking, "verdict", caption="Ranking"))
    else:
        display(tables.paragraph("No problem was found."))
    for finding in view.diagnosis.problems:
        rows = [
            (e.what, amount(e.during, e.unit), amount(e.reference, e.unit), e.source)
            for e in finding.evidence
        ]
        columns = ["what was seen", "in the window", "outside", "source"]
        evidence = pd.DataFrame(rows, columns=columns)
        display(
            tables.table(evidence, f"why-{finding.cause}", caption=f"Evidence: {finding.cause}")
        )
        told = "; ".join(f"not {cause}: {how}" for cause, how in finding.told_from.items())
        display(tables.paragraph(f"{told}. **What to do:** {finding.advice}"))
    clear = [f"{f.cause} ({f.headline})" for f in view.diagnosis.findings if f.kind == "no_problem"]
    if clear:
        display(tables.paragraph("Looked for and not found: " + "; ".join(clear) + "."))


def sessions(view: View) -> None:
    """Display average active sessions by wait event against the processors."""
    cpu = view.case.manifest.cpu_count
    display(charts.active_sessions(view.sessions(), cpu, view.window, view.events()))


def statements(view: View) -> None:
    """Display DB time by statement, and exact percentiles."""
    display(charts.statement_time(view.statements()))
    timed = view.timed_statements()
    caption = "Statements and commits as clients measured them, inside the window"
    if "statement" in timed:
        caption = "Statements in the server log, inside the window"
    _table(timed, "timed", caption, _TIMES, _TIME_LABELS, "no statement was timed in the window")


def blocking(view: View) -> None:
    """Display who was at the root of the waiting, the comparison, and the episodes."""
    roots = view.roots().copy()
    sampled = "root_state" in roots
    if sampled:
        roots["label"] = roots["root_state"] + ", " + roots["root_wait"].replace("", "not waiting")
        grouped = roots.groupby("label", sort=False)[["waiter_s", "waiter_share"]].sum()
        grouped = grouped.sort_values("waiter_s", ascending=False).reset_index()
    else:
        roots["label"] = "process " + roots["pid"].astype(str)
        grouped = roots
    display(charts.root_blockers(grouped))
    display(tables.paragraph(words.blocked(view)))
    if view.other is not None:
        display(tables.paragraph(words.comparison(view)))
    if sampled:
        columns = {"root_state": "root is", "root_wait": "root waits for",
                   "application_name": "application", "waiter_s": "others waited (s)",
                   "waiter_share": "share", "victims": "waiting sessions", "roots": "roots",
                   "held_us_p50": "open for (median)",
                   "idle_us_p50": "idle for (median)"}  # fmt: skip
        formats = {"waiter_share": "percent", "held_us_p50": "duration", "idle_us_p50": "duration"}
    else:
        columns = {"pid": "process", "session_id": "session", "waiter_s": "others waited (s)",
                   "waiter_share": "share", "victims": "waiting sessions", "waits": "waits",
                   "waiting_statement": "longest waiter wanted"}  # fmt: skip
        formats = {"waiter_share": "percent", "pid": "text"}
    _table(roots[list(columns)].head(8), "roots", "Root blockers", formats, columns,
           "nobody was seen blocked")  # fmt: skip


def hot_rows(view: View) -> None:
    """Display hot rows, how lock waits ended, and deadlock graphs, from the server log."""
    labels = {"wait_s": "waited (s)", "wait_share": "share", "relation_share": "share of the table",
              "victims": "waiting sessions", "longest_us": "longest"}  # fmt: skip
    formats = {"wait_share": "percent", "relation_share": "percent", "longest_us": "duration"}
    empty = "no lock wait reached the log" if view.case.has("logs") else "no server log"
    _table(view.hot_rows(), "hotrows", "Hot rows and tables", formats, labels, empty)
    if not view.case.has("logs"):
        return
    ended = wait_outcomes(view.case)
    _table(ended, "ended", "How logged lock waits ended, victims included",
           {"wait_us": "duration", "max_us": "duration"},
           {"wait_us": "waited", "max_us": "longest"}, "no lock wait reached the log")  # fmt: skip
    edges = deadlock_graphs(view.case)
    if len(edges):
        formats = dict.fromkeys(("victim_pid", "waiter_pid", "blocker_pid"), "text")
        _table(edges, "deadlocks", "Deadlock graphs, one line an edge", formats, {}, "")


def pool(view: View) -> None:
    """Display waiting at the pool against latency."""
    display(charts.pool_and_latency(view.pool(), view.window, view.events()))
    display(tables.paragraph(words.pool(view)))


def states(view: View) -> None:
    """Display what requests were doing over time."""
    display(charts.request_states(view.states(), view.window, view.events()))
    display(tables.paragraph(words.states(view)))


def phases(view: View) -> None:
    """Display before, during and after, and the data-quality test by Little's law."""
    frame = view.phases()
    if not view.diagnosis.window.found:
        display(tables.paragraph("Nothing stands out, so there is no before and after."))
    else:
        milli = frame["unit"] == "us"
        for column in ("before", "during", "after", "change", "change_low", "change_high"):
            frame[column] = frame[column].where(~milli, frame[column] / 1000)
        frame["unit"] = frame["unit"].where(~milli, "ms")
        labels = {"words": "measure (median over time)", "change_low": "change, low (95 %)",
                  "change_high": "change, high (95 %)"}  # fmt: skip
        _table(frame.drop(columns="measure"), "phases", "Before, during, after", {}, labels, "")
    display(tables.paragraph(words.quality(view)))


def log_tables(view: View) -> None:
    """Display the tables one expects of a log analyser, over the whole log."""
    if not view.case.has("logs"):
        display(tables.paragraph("Server log: not recorded."))
        return
    captions = {
        "errors": "Errors by SQLSTATE", "checkpoints": "Checkpoints by cause",
        "temp_files": "Temporary files by statement", "autovacuums": "Automatic vacuum and analyze",
        "connections": "Connections",
    }  # fmt: skip
    from analysis.bottleneck.statements import logged_statements

    logged = logged_statements(view.case, None, 10).drop(columns=["query_id", "mean_us"])
    logged["statement"] = [brief_statement(text) for text in logged["statement"]]
    _table(logged, "logged", "Statements in the log by total time (exact percentiles)",
           {**_TIMES, "share": "percent"}, _TIME_LABELS, "no durations in the log")  # fmt: skip
    for name, caption in captions.items():
        frame = view.log_table(name)
        formats = {c: "duration" for c in frame.columns if c.endswith("_us") or "_us_" in c}
        _table(frame, f"log{name}", caption, formats, {}, "none in the log")


def ending(view: View) -> None:
    """Display the findings table and the caveats."""
    display(tables.findings(words.findings(view)), tables.caveats(words.caveats(view)))


def metrics(view: View) -> dict[str, Any]:
    """Return the figures of the report for `metrics.json`."""
    found, features = view.diagnosis, view.diagnosis.features
    document = found.as_json()
    levels = {
        f"{name}_during": features.during(name)
        for name in ("aas", "aas_lock", "aas_rowlock", "idle_tx", "pool_waiting", "latency_us_p95",
                     "gateway_us_p50", "log_aas", "log_wait_sessions")
    }  # fmt: skip
    called, total = words.idle_waiting(view)
    return {
        "verdict": document["verdict"], "causes": found.causes,
        "findings": [
            {k: f[k] for k in ("cause", "kind", "impact_pct", "impact_of", "confidence")}
            for f in document["findings"] if f["kind"] != "no_problem"
        ],
        "idle_root_share": features.facts.get("idle_root_share"),
        "waiting_behind_idle_10ms_s": called, "waiting_s": total, **levels,
    }  # fmt: skip


def headline(view: View) -> list[tuple[str, str]]:
    """Return the pairs that the index page shows."""
    return [(tile.label, tile.value) for tile in words.tiles(view)]


def _table(
    frame: pd.DataFrame, key: str, caption: str, formats: Any, labels: Any, empty: str
) -> None:
    if frame.empty:
        display(tables.paragraph(f"{caption}: {empty or 'none'}."))
        return
    known = {name: how for name, how in formats.items() if name in frame.columns}
    display(tables.table(frame, key, formats=known, labels=labels, caption=caption))
