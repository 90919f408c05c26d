"""A draft post-mortem in Markdown, pre-filled from the record and the run; people finish it.

The headings follow the common blameless form (Google, Site Reliability Engineering, 2016, appendix
D: summary, impact, root causes, trigger, resolution, detection, lessons, timeline). What is not
known is written as not known, so that nobody fills a gap by accident. Text from sources and logs is
escaped: a label may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from analysis import slo, tables
from analysis.incidents import duties
from analysis.incidents.schema import Claim
from analysis.outage import frames, words
from analysis.outage.case import Outage, open_outage

NOTEBOOK = "01_outage_timeline"
FILE = "postmortem.md"
TODO = "_to be written_"
_TIMES = {
    "started_at": "START OF OUTAGE",
    "mitigated_at": "MITIGATED",
    "restored_at": "END OF OUTAGE, full function back",
}


class Report(Protocol):
    """What this module needs to know of a page of the site: its notebook and parameters."""

    @property
    def notebook(self) -> Any:
        """Path of the notebook."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters the page was made with; one left out has the notebook's default."""


def extra(report: Report, _document: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return (words, file name, content) of the draft for a timeline report, None for another one.

    The report builder writes it beside the HTML.
    """
    if report.notebook.stem != NOTEBOOK:
        return None
    from analysis.report.parameters import declared

    given = {name: p.default for name, p in declared(report.notebook).items()}
    given |= dict(report.parameters)
    named = {n: given[n] for n in ("about_min", "bucket_s", "objective_pct", "slow_ms")}
    outage = open_outage(str(given["incident"]), str(given["run"]), **named)
    try:
        return "Draft post-mortem", FILE, draft(outage)
    finally:
        if outage.measured is not None:
            outage.measured.run.close()


def draft(outage: Outage) -> str:
    """Return the draft post-mortem of an outage as Markdown."""
    sections = [
        ("Summary", _bullets(words.summary(outage))),
        ("Impact", _impact(outage)),
        ("Timeline", _timeline(outage)),
        ("Detection", _detection(outage)),
        ("Response", _response(outage)),
        ("Causes, with their evidence", _causes(outage)),
        ("What is unknown", _bullets(_unknown(outage))),
        ("What went well", TODO),
        ("What went badly", TODO),
        ("Where we were lucky", TODO),
        ("Actions", _actions()),
        ("Sources", _sources(outage)),
    ]
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections)
    return f"# Post-mortem (draft): {_plain(_title(outage))}\n\n{_head(outage)}\n\n{body}\n"


def _title(outage: Outage) -> str:
    if outage.incident is not None:
        return outage.incident.title
    return f"run {outage.measured.run.manifest.run_id}" if outage.measured else ""


def _head(outage: Outage) -> str:
    rows = [("Status", "draft, made from data; owners and review are to be filled in")]
    if outage.record is not None:
        incident = outage.record.incident
        start = frames.when_words(outage.record.time("started_at"), outage.zone)
        rows += [("Incident", incident.id), ("Company", incident.company)]
        rows += [("Product", incident.product), ("Start", f"{start} ({outage.zone})")]
        length = frames.minutes_words(outage.record.affected_minutes())
        rows.append(("Some function affected", length))
    if outage.measured is not None:
        manifest = outage.measured.run.manifest
        rows.append(("Run beside it", f"{manifest.run_id} ({manifest.kind})"))
    return _table(("", ""), rows)


def _impact(outage: Outage) -> str:
    parts = []
    matrix = frames.function_matrix(outage)
    if len(matrix.columns) > 1:
        header = [str(c) for c in matrix.columns]
        rows = [[_cell(v) for v in row] for row in matrix.itertuples(index=False)]
        parts.append(_table(header, rows))
    if outage.incident is not None:
        rows = [
            [f.label, _value(f.claims[0].value), f.unit, f.claims[0].confidence]
            for f in outage.incident.figures
        ]
        if rows:
            parts.append(_table(("Figure", "Value", "Unit", "Confidence"), rows))
        money = [f"{r.funded_by.replace('_', ' ')}: {r.rule[0].value}" for r in _refunds(outage)]
        if money:
            parts.append(
                "Refund rules on record, by how the payment was funded:\n\n" + _bullets(money)
            )
    return "\n\n".join(parts) or "Which functions were affected is not on record."


def _refunds(outage: Outage) -> list[Any]:
    return list(outage.incident.refund_rules) if outage.incident else []


def _timeline(outage: Outage) -> str:
    """Named times, events and run events in order; a time that is not used says so."""
    rows: list[tuple[Any, list[str]]] = []
    if outage.record is not None:
        record = outage.record
        for name, label in _TIMES.items():
            for position, claim in enumerate(getattr(record.incident, name) or []):
                at, offset = record.moment(claim), "" if position == 0 else "not used"
                clock = frames.when_words(at, outage.zone)
                rows.append((at.middle, [clock, offset, "record", label, claim.confidence]))
        for dated in record.events():
            clock, what = frames.when_words(dated.at, outage.zone), dated.event.what
            offset = f"+{frames.minutes_words(dated.offset)}"
            lane = dated.event.lane
            rows.append((dated.at.middle, [clock, offset, lane, what, dated.confidence]))
            for claim, other in dated.alternatives:
                clock = frames.when_words(other, outage.zone)
                rows.append((other.middle, [clock, "not used", lane, what, claim.confidence]))
    if outage.measured is not None:
        for event in outage.events.to_dict("records"):
            at = event["at"].to_pydatetime()
            clock, label = frames.local(at, outage.zone), str(event["label"])
            rows.append((at, [clock, "", f"run, {event['kind']}", label, "as recorded"]))
    ordered = [cells for _, cells in sorted(rows, key=lambda r: (r[0], r[1]))]
    return _table(("Time", "After the start", "Lane", "What", "Confidence"), ordered)


def _detection(outage: Outage) -> str:
    said = ["When the operator noticed is not on record."] if outage.record is not None else []
    if outage.measured is not None:
        span, rule = slo.time_to_detect(outage.measured, outage.rates)
        early = slo.false_pages(outage.measured, outage.rates)
        said.append(
            f"In the run a burn-rate page ({rule}) would fire {frames.minutes_words(span)} after "
            f"onset; minutes with a page before onset: {early}."
            if rule
            else "In the run no burn-rate page would fire."
        )
    return _bullets(said)


def _response(outage: Outage) -> str:
    if outage.record is None:
        return TODO
    said = [
        f"{dated.event.what} ({frames.minutes_words(dated.offset)} after the start)"
        for dated in outage.record.events("mitigation")
    ]
    first = outage.record.duration("start_to_first_notice")
    said.append(f"First notice to customers: {frames.minutes_words(first)}")
    parts = [_bullets(said)]
    if outage.record.incident.kind == "outage":
        columns = ["duty", "article", "verdict"]
        scored = duties.score(outage.record)[columns].itertuples(index=False)
        parts.append(f"Announcements, {duties.LABEL} ({duties.CAUTION})")
        parts.append(_table([c.capitalize() for c in columns], ([*row] for row in scored)))
    return "\n\n".join(parts)


def _causes(outage: Outage) -> str:
    if outage.incident is None:
        return TODO
    found = outage.incident.causes
    rows = [["stated", *_claim(c)] for c in found.stated]
    for kind in ("hypothesis", "inferred"):
        chosen = [c for c in found.inferred if (c.basis == "hypothesis") == (kind == "hypothesis")]
        rows += [[kind, *_claim(c)] for c in chosen]
    rows += [["later evidence", *_claim(c)] for c in outage.incident.later_evidence]
    parts = [_table(("Kind", "Cause", "Sources", "Confidence"), rows)] if rows else []
    hypothesis = " ".join(str(outage.scenario.get("hypothesis", "")).split())
    if hypothesis:
        parts.append(f"What the run beside it assumes: {_plain(hypothesis)}")
    return "\n\n".join(parts) or "No cause is on record."


def _claim(claim: Claim) -> list[str]:
    return [_value(claim.value), ", ".join(claim.sources), claim.confidence]


def _unknown(outage: Outage) -> list[str]:
    said = words.caveats(outage)
    if outage.incident is not None:
        said = [f"{c.value}." for c in outage.incident.causes.unknown] + said
    return said


def _actions() -> str:
    kinds = ("prevent", "detect", "mitigate", "process", "fix")
    return _table(("Kind", "Action", "Owner", "Due"), [[k, TODO, "", ""] for k in kinds])


def _sources(outage: Outage) -> str:
    if outage.incident is None:
        return "The run directory itself."
    return _bullets(
        f"{s.title}{' (official)' if s.official else ''}: {s.url or s.reference}"
        for s in outage.incident.sources.values()
    )


def _value(value: object) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:,}" if number else str(value)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return tables.percent(value)
    return tables.text(value)


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {_plain(item, bold=True)}" for item in items)


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = [_plain(h) for h in header]
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(_plain(c) for c in row) + " |" for row in rows]
    return "\n".join(lines)


def _plain(text: str, *, bold: bool = False) -> str:
    """Text that Markdown shows as it is: no HTML, links, emphasis, cells or line breaks of its own.

    >>> _plain("<img src=x> [a](b) | `c` *d*")
    '&lt;img src=x&gt; \\\\[a\\\\](b) \\\\| \\\\`c\\\\` \\\\*d\\\\*'
    """
    flat = " ".join(str(text).split())
    escaped = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = re.sub(r"([\\`*\[\]|])", r"\\\1", escaped)
    if flat == TODO:
        return TODO
    return re.sub(r"\\\*\\\*(.+?)\\\*\\\*", r"**\1**", escaped) if bold else escaped
