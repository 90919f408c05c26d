"""The verdict in words: sentences for the command line and for the report, all from the data."""

from __future__ import annotations

import math
import re

from analysis.bottleneck.series import MEASURES
from analysis.bottleneck.verdict.diagnose import Diagnosis, headline
from analysis.bottleneck.verdict.finding import Evidence, Finding
from analysis.tables import decimal, duration, percent, time_jst

_EVIDENCE_SHOWN = 6


def verdict_lines(diagnosis: Diagnosis) -> list[str]:
    """Return the diagnosis as lines of text for a terminal."""
    lines = [headline(diagnosis), window_sentence(diagnosis), ""]
    for number, finding in enumerate(
        (f for f in diagnosis.findings if f.kind != "no_problem"), start=1
    ):
        lines += _finding_lines(number, finding)
    clear = [f for f in diagnosis.findings if f.kind == "no_problem"]
    if clear:
        lines += ["Looked for and not found:"]
        lines += [f"  {f.cause}: {f.headline}" for f in clear]
    if diagnosis.cannot_tell:
        lines += ["Cannot tell from these records:"]
        lines += [f"  {q['question']}; to know: {q['switch_on']}" for q in diagnosis.cannot_tell]
    return lines


def _finding_lines(number: int, finding: Finding) -> list[str]:
    lines = [
        f"{number}. {finding.cause} ({_kind(finding)}, {impact(finding)}, {_sure(finding)})",
        f"   {finding.headline}",
    ]
    lines += [f"   - {evidence_sentence(e)}" for e in finding.evidence[:_EVIDENCE_SHOWN]]
    lines += [f"   not {cause}: {how}" for cause, how in finding.told_from.items()]
    return [*lines, f"   do: {finding.advice}", ""]


def _sure(finding: Finding) -> str:
    return f"confidence {finding.confidence:.2f}"


def _kind(finding: Finding) -> str:
    return f"symptom of {finding.because_of}" if finding.because_of else finding.kind


def impact(finding: Finding) -> str:
    """Impact in words, such as '71 % of DB time'."""
    part = "DB time" if finding.impact_of == "db_time" else "request time"
    if math.isnan(finding.impact_pct):
        return f"share of {part} not recorded"
    return f"{finding.impact_pct:.0f} % of {part}"


def evidence_sentence(evidence: Evidence) -> str:
    """One row of evidence in words."""
    text = f"{evidence.what}: {amount(evidence.during, evidence.unit)}"
    known = isinstance(evidence.reference, float) and not math.isnan(evidence.reference)
    if known:
        text += f" (outside: {amount(evidence.reference, evidence.unit)})"
    return text


def amount(value: float | str | None, unit: str) -> str:
    """A value with its unit, as a reader would say it."""
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return "–"
    if unit == "us":
        return duration(value)
    if unit == "share":
        return percent(value, 0)
    return f"{decimal(float(value))} {unit}".strip()


def window_sentence(diagnosis: Diagnosis) -> str:
    """When it went wrong, and which measures stood out."""
    window = diagnosis.window
    if not window.found:
        return "The whole record was looked at: nothing stands out against the rest of it."
    how = {"given": "as given", "refined": "as given, edges moved to the data",
           "detected": "found in the data"}[window.origin]  # fmt: skip
    length_s = (window.end - window.start).total_seconds()
    top = ", ".join(MEASURES[name].words for name in list(window.scores)[:3])
    text = f"Window {how}: {time_jst(window.start)} to {time_jst(window.end)} ({length_s:.0f} s)"
    return text + (f"; most unusual: {top}." if top else ".")


def brief_statement(text: object) -> str:
    """A statement short enough for a label: its column list gives way to its tables and functions.

    >>> brief_statement("SELECT account_id, state FROM accounts WHERE id = $1")
    'SELECT … FROM accounts WHERE id = $1'
    """
    flat = " ".join(str(text).split()) if isinstance(text, str) else "(text not recorded)"
    return re.sub(r"^(SELECT) .{12,}? (FROM)\b", r"\1 … \2", flat, flags=re.IGNORECASE)
