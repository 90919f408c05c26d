"""Builds the site: executes the pages, exports them, collects their metrics, writes the index."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from analysis.report import folder, provenance
from analysis.report.kernels import Kernels
from analysis.report.metrics import to_bytes
from analysis.report.runner import Failure, Job, Outcome, execute_all
from analysis.report.site import GROUPS, Page
from runlog.errors import BadData, LabError
from runlog.manifest import read_manifest
from runlog.writer import space_guard

if TYPE_CHECKING:
    from analysis.report.exporter import Body

# A side file of a report: given page and metrics, returns (link text, file name, content) or None.
Extra = Callable[[Page, dict[str, Any]], tuple[str, str, str] | None]
PAGE, METRICS, EXECUTED = "report.html", "metrics.json", "executed.ipynb"


@dataclass(frozen=True)
class Entry:
    """One report as the index shows it."""

    slug: str
    title: str
    group: str
    facts: list[tuple[str, str]]
    headline: list[dict[str, str]]
    links: list[tuple[str, str]]
    failure: Failure | None


@dataclass(frozen=True)
class Site:
    """A finished site: where its index is, and which reports failed."""

    index: Path
    entries: list[Entry]

    @property
    def failed(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.failure]


def build(
    pages: Sequence[Page],
    out: Path,
    *,
    subtitle: str,
    single_file: bool = False,
    extras: Sequence[Extra] = (),
    echo: Callable[[str], None] = lambda _: None,
    workers: int | None = None,
    kernels: Kernels | None = None,
) -> Site:
    """Execute and export every page into `out`, which is replaced only when all is written.

    `kernels` may hold some that were started ahead. A failed notebook is listed in red with its
    error and its partial report. Raises UsageFault or EnvironmentFault when `out` cannot be taken.
    """
    with folder.replaced(out) as building:
        jobs = []
        for page in pages:
            (building / page.slug).mkdir()
            target = building / page.slug / EXECUTED
            jobs.append(Job(page.slug, page.notebook, page.parameters, target))
        by_slug = {page.slug: page for page in pages}
        entries: dict[str, Entry] = {}

        def finished(outcome: Outcome) -> None:
            page = by_slug[outcome.job.name]
            with space_guard(out):
                entry = _write_page(page, outcome, building, single_file, extras)
            entries[page.slug] = entry
            state = f"FAILED: {entry.failure.error}" if entry.failure else "done"
            echo(f"[{len(entries)}/{len(pages)}] {page.slug}: {state} ({outcome.seconds:.1f} s)")

        with ThreadPoolExecutor(1) as meanwhile:
            meanwhile.submit(_prepare)
            execute_all(jobs, workers=workers, finished=finished, kernels=kernels)
        ordered = [entries[page.slug] for page in pages]
        with space_guard(out):
            _write_index(building, pages, ordered, subtitle, single_file)
    return Site(out.absolute() / "index.html", ordered)


def _prepare() -> None:
    """Load what the export needs while the kernels are at work."""
    from analysis.report import exporter

    exporter.prepare()
    provenance.source_version()
    provenance.facts_sha256()


def _write_page(
    page: Page, outcome: Outcome, building: Path, single_file: bool, extras: Sequence[Extra]
) -> Entry:
    from analysis.report import exporter

    place = building / page.slug
    failure = outcome.failure
    try:
        body = exporter.body_of(outcome.node, failure)
    except BadData as error:
        failure = Failure(None, str(error))
        body = exporter.Body(page.notebook.stem, "", [], 0, None)
    document = _document(page, body, failure)
    (place / METRICS).write_bytes(to_bytes(document))
    links = [("Metrics (JSON)", METRICS), ("Executed notebook", EXECUTED)]
    try:
        links += _side_files(page, document, place, extras if failure is None else ())
    except LabError as error:
        failure = Failure(None, str(error))
    facts = _facts(page, document)
    html = exporter.page(
        "page.html.j2",
        single_file=single_file,
        base="../",
        index="../index.html",
        title=document["title"],
        subtitle=" · ".join(f"{label}: {value}" for label, value in facts),
        group=page.group,
        links=links,
        contents=body.contents,
        body=body.html,
        figures=body.figures,
        failure=failure,
        provenance=provenance.describe(page.runs, page.sweeps),
    )
    (place / PAGE).write_text(html, "utf-8")
    links = [("Report", PAGE), *links]
    return Entry(
        page.slug, document["title"], page.group, facts, document["headline"], links, failure
    )


def _side_files(
    page: Page, document: dict[str, Any], place: Path, extras: Sequence[Extra]
) -> list[tuple[str, str]]:
    """Write what the extras make beside the page; return (link text, file name) of each."""
    links = []
    for extra in extras:
        made = extra(page, document)
        if made is not None:
            words, name, content = made
            (place / name).write_text(content, "utf-8")
            links.append((words, name))
    return links


def _document(page: Page, body: Body, failure: Failure | None) -> dict[str, Any]:
    """The content of metrics.json: what the notebook published, and under which parameters.

    A run is named, not located, so that the same run gives the same bytes in every place.
    """
    published = body.metrics or {}
    places = {str(run): read_manifest(run).run_id for run in page.runs}
    places |= {str(sweep): sweep.name for sweep in page.sweeps}
    return {
        "notebook": page.notebook.stem,
        "title": published.get("title") or body.title,
        "parameters": {name: places.get(str(v), v) for name, v in page.parameters.items()},
        "headline": published.get("headline", []),
        "incident": published.get("incident") or page.parameters.get("incident", ""),
        "window": published.get("window", {"start": None, "end": None}),
        "metrics": published.get("metrics", {}),
        "error": failure.error if failure else None,
    }


def _facts(page: Page, document: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("Incident", document["incident"])] if document["incident"] else []
    for run in page.runs[:1]:
        manifest = read_manifest(run)
        facts.append(
            ("Run", run.name if manifest.kind == "engine" else f"{run.name} ({manifest.kind})")
        )
        if manifest.design:
            facts.append(("Design", manifest.design))
    facts += [("Beside", run.name) for run in page.runs[1:]]
    facts += [("Sweep", sweep.name) for sweep in page.sweeps]
    window = _window(document["window"])
    return [*facts, ("Window", window)] if window else facts


def _window(window: Mapping[str, str | None]) -> str:
    """Return a window of ISO times in Japan's time, the date only once when it is the same.

    >>> _window({"start": "2018-10-09T01:00:00Z", "end": "2018-10-09T04:36:00Z"})
    '2018-10-09 10:00 to 13:36 JST'
    """
    start, end = window.get("start"), window.get("end")
    if not start or not end:
        return ""
    zone = ZoneInfo("Asia/Tokyo")
    first, last = (dt.datetime.fromisoformat(t).astimezone(zone) for t in (start, end))
    tail = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M}"
    return f"{first:%Y-%m-%d %H:%M} to {tail} JST"


def _write_index(
    building: Path,
    pages: Sequence[Page],
    entries: Sequence[Entry],
    subtitle: str,
    single_file: bool,
) -> None:
    from analysis.report import exporter

    runs = list(dict.fromkeys(run for page in pages for run in page.runs))
    sweeps = list(dict.fromkeys(sweep for page in pages for sweep in page.sweeps))
    html = exporter.page(
        "index.html.j2",
        single_file=single_file,
        base="",
        title="Reports",
        subtitle=subtitle,
        figures=0,
        groups=[(g, [e for e in entries if e.group == g]) for g in GROUPS if _any(entries, g)],
        count=len(entries),
        failed=sum(1 for entry in entries if entry.failure),
        provenance=provenance.describe(runs, sweeps),
    )
    (building / "index.html").write_text(html, "utf-8")
    if not single_file:
        (building / "assets").mkdir()
        for name, content in exporter.assets().items():
            (building / "assets" / name).write_text(content, "utf-8")


def _any(entries: Sequence[Entry], group: str) -> bool:
    return any(entry.group == group for entry in entries)
