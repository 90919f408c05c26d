"""The whole diagnosis of a run: window, ranked findings, root blockers, hot rows,
open questions.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.bottleneck import blocking_log
from analysis.bottleneck.case import EVIDENCE, Case, open_case
from analysis.bottleneck.features import Features, extract
from analysis.bottleneck.series import MEASURES, series
from analysis.bottleneck.verdict import clear, rank
from analysis.bottleneck.verdict.finding import CAUSES, Finding
from analysis.bottleneck.window import Window, find_window
from runlog.reader import Run

# Root blockers of the log are listed for the whole record, session by session, up to this many.
MOST_ROOTS = 1000

# Causes that lie outside the database: when they lead, the database is innocent.
OUTSIDE = frozenset({
    "gateway_partition", "gateway_slow", "access_surge", "retry_storm", "front_stopped",
    "pool_exhaustion",
})  # fmt: skip


@dataclass
class Diagnosis:
    """A case with its series over time, its window, its features and its findings in order."""

    case: Case = field(repr=False)
    frame: pd.DataFrame = field(repr=False)
    window: Window
    features: Features = field(repr=False)
    findings: list[Finding]
    cannot_tell: list[dict[str, str]]

    @property
    def problems(self) -> list[Finding]:
        return [f for f in self.findings if f.kind == "problem"]

    @property
    def causes(self) -> list[str]:
        """Names of the problems and symptoms in order: the ranking that is scored."""
        return [f.cause for f in self.findings if f.kind != "no_problem"]

    @property
    def not_the_database(self) -> bool:
        """True when something is wrong, and none of the problems lies inside the database."""
        return bool(self.problems) and all(f.cause in OUTSIDE for f in self.problems)

    def as_json(self) -> dict[str, Any]:
        """The document that `walletlab diagnose --json` prints."""
        return {
            "run": self.case.manifest.run_id,
            "window": {
                "start": self.window.start, "end": self.window.end, "origin": self.window.origin,
                "stands_out": self.window.scores,
            },
            "verdict": headline(self),
            "findings": [f.as_json() for f in self.findings],
            "not_the_database": self.not_the_database,
            "cannot_tell": self.cannot_tell,
            "root_blockers": _records(
                self.features.frames["roots"],
                blocking_log.root_blockers(self.case, None, MOST_ROOTS),
            ),
            "hot_rows": _records(self.features.frames["hot_rows"]),
            "evidence_used": sorted(self.case.evidence),
        }  # fmt: skip


def diagnose(
    source: Path | str | Run | Case,
    *,
    window: tuple[dt.datetime, dt.datetime] | None = None,
    evidence: tuple[str, ...] = EVIDENCE,
) -> Diagnosis:
    """Return the diagnosis of a run directory, an open run or an open case.

    Without `window` it is found. A window given is a hint (see `find_window`). Where nothing stands
    out the rules still look at the whole record, but only for what no healthy system shows.
    """
    case = source if isinstance(source, Case) else open_case(source, evidence=evidence)
    frame = series(case)
    found = find_window(case, frame, window)
    features = extract(case, frame, found)
    findings = rank.findings(features)
    if not found.found:
        findings = [f for f in findings if _absolute(f, features)]
    findings = findings + clear.no_problems(features, findings)
    return Diagnosis(case, frame, found, features, findings, clear.cannot_tell(features))


def _absolute(finding: Finding, features: Features) -> bool:
    """True for what needs no comparison: facts of the log, and a server full of waiting sessions.

    A small part of a second spent on rows or on the log is how any busy database works; it is a
    problem by itself when far more sessions stand there than processors could serve.
    """
    facts = {"server_crash", "connection_limit", "deadlock", "serialization_failure"}
    compared = {
        "access_surge", "missing_index", "plan_flip", "gateway_slow", "pool_exhaustion",
        "long_transaction",
    }  # fmt: skip
    if finding.cause in compared or finding.cause in facts:
        return finding.cause in facts
    known = [features.during(name) for name in ("aas", "log_aas")]
    sessions = max((v for v in known if v == v), default=0.0)
    crowded = sessions * finding.impact_pct / 100 >= 2 * (features.case.manifest.cpu_count or 2)
    crowded = crowded or finding.impact_of == "request_time"
    return crowded and finding.impact_pct >= 50 and finding.confidence >= 0.7


def headline(diagnosis: Diagnosis) -> str:
    """The verdict in one sentence."""
    problems = diagnosis.problems
    if not problems:
        if harmless := [f for f in diagnosis.findings if f.kind == "no_problem" and f.impact_pct]:
            return f"No harm was done: {harmless[0].headline} ({harmless[0].cause})."
        if diagnosis.window.found:
            most = "; ".join(MEASURES[name].words for name in list(diagnosis.window.scores)[:2])
            what = f"Something changed ({most})" if most else "Something changed"
            return f"{what}, but no cause of the catalogue explains it with these records."
        return "No anomaly stands out in these records."
    first = problems[0]
    part = "DB time" if first.impact_of == "db_time" else "request time"
    text = f"{CAUSES[first.cause]} ({first.cause}): {first.headline}"
    known = not math.isnan(first.impact_pct)
    text += f"; {first.impact_pct:.0f} % of {part} in the window." if known else "."
    if diagnosis.not_the_database:
        text = "Not the database: " + text
    return text[0].upper() + text[1:]


def _records(*frames: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON objects, each telling its source; frames of samples come before
    those of logs.
    """
    rows: list[dict[str, Any]] = []
    for frame in frames:
        source = "samples" if "root_state" in frame.columns else "logs"
        rows += [
            {"source": source} | {str(k): _value(v) for k, v in record.items()}
            for record in frame.to_dict("records")
        ]
    return rows


def _value(value: Any) -> Any:
    if hasattr(value, "tolist") and getattr(value, "shape", None):
        return value.tolist()
    if value is None or value is pd.NaT or (not isinstance(value, str) and pd.isna(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    if hasattr(value, "item"):
        value = value.item()
    return float(f"{value:.6g}") if isinstance(value, float) else value
