"""What a site consists of: which notebook with which parameters, in which group and order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis import paths
from analysis.report.parameters import Parameter, checked, declared
from runlog.errors import BadData, UsageFault, did_you_mean
from runlog.schema import MANIFEST

CASE = "The case"
HAPPENED = "What happened"
LICENSE = "What the license required"
BOTTLENECK = "Where the bottleneck is"
MONEY = "What it cost"
CAPACITY = "What would have helped"
OTHERS = "Other reports"
COMPARABLE = "Comparable incidents"
GROUPS = (CASE, HAPPENED, LICENSE, BOTTLENECK, MONEY, CAPACITY, OTHERS, COMPARABLE)

# The runs of the site: name -> (scenario, design); the recorded ones have the same names.
FIRST, THIRD = "kyash-2018-07-14", "kyash-2018-11-03"  # incidents shown without a run
SURGE, PHASED, HEALTHY = "kyash-2018-10-09", "kyash-2018-10-09-phased", "healthy"
SITE_RUNS: dict[str, tuple[str, str | None]] = {
    HEALTHY: ("healthy", None),
    SURGE: ("kyash-2018-10-09", "lock_across_call"),
    PHASED: ("kyash-2018-10-09", "phased"),
}


@dataclass(frozen=True)
class Page:
    """One report: a notebook with parameters, its folder name in the site, and its group.

    `runs` and `sweeps` are the folders it reads, for the provenance footer.
    """

    slug: str
    notebook: Path
    group: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    runs: tuple[Path, ...] = ()
    sweeps: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Entry:
    notebook: str
    group: str
    parameters: Mapping[str, str]  # a value "@name" stands for a run of the site
    suffix: str = ""


_S, _P, _H = f"@{SURGE}", f"@{PHASED}", f"@{HEALTHY}"
# The site, in one place and in reading order.
_SITE = (
    _Entry("00_dossier", CASE, {}),
    _Entry("01_outage_timeline", HAPPENED, {"incident": FIRST, "run": ""}, FIRST),
    _Entry("01_outage_timeline", HAPPENED, {"incident": SURGE, "run": _S}, SURGE),
    _Entry("01_outage_timeline", HAPPENED, {"incident": THIRD, "run": ""}, THIRD),
    _Entry("02_remittance_licenses", LICENSE, {}),
    _Entry("03_database_bottleneck", BOTTLENECK, {"run": _S, "compare_run": _P}, SURGE),
    _Entry("03_database_bottleneck", BOTTLENECK, {"run": _P, "compare_run": _S}, PHASED),
    _Entry("03_database_bottleneck", BOTTLENECK, {"run": _H, "compare_run": ""}, HEALTHY),
    _Entry("04_money_impact", MONEY, {"run": _S, "other_run": _P}, SURGE),
    _Entry("05_capacity_what_if", CAPACITY, {}),
)
# What a single run is reported with: notebook -> table without which it has nothing to say.
_FOR_A_RUN = {
    "01_outage_timeline": "requests",
    "03_database_bottleneck": "",
    "04_money_impact": "ledger_transfers",
}
_GROUP_OF = {entry.notebook: entry.group for entry in _SITE}


def site_pages(runs: Mapping[str, Path]) -> list[Page]:
    """Return the pages of the whole site on the given runs (name to directory)."""
    pages = []
    for entry in _SITE:
        given = {
            name: str(runs[value[1:]]) if value.startswith("@") else value
            for name, value in entry.parameters.items()
        }
        pages.append(_page(_notebook(entry.notebook), entry.group, given, entry.suffix))
    return pages


def check_site() -> None:
    """Make sure, before minutes are spent on live runs, that every notebook of the site fits.

    Raises UsageFault or BadData for a notebook that is missing or lacks a parameter.
    """
    for entry in _SITE:
        checked(_notebook(entry.notebook), entry.parameters)


def recorded_runs() -> dict[str, Path]:
    """Return the recorded runs of the site by name."""
    return {name: paths.data("recorded", name) for name in SITE_RUNS}


def incident_pages(shown: Sequence[Page] = ()) -> list[Page]:
    """Return one timeline page for each incident of the corpus that `shown` does not have."""
    incidents = sorted(path.stem for path in paths.data("incidents").glob("*.yaml"))
    there = {page.parameters.get("incident") for page in shown}
    notebook = _notebook("01_outage_timeline")
    return [
        _page(notebook, COMPARABLE, {"incident": name, "run": ""}, name)
        for name in incidents
        if name not in there
    ]


def run_pages(
    runs: Sequence[Path], notebooks: Sequence[str], given: Mapping[str, str]
) -> list[Page]:
    """Return the pages that report on runs, or single notebooks, with a user's parameters.

    Without notebooks, each run is shown in those that have something to say about it. A parameter
    goes to every chosen notebook that declares it. Raises UsageFault when none does.
    """
    chosen = [_notebook(name) for name in notebooks]
    places = chosen or [_notebook(name) for name in _FOR_A_RUN]
    known = sorted({name for place in places for name in declared(place)})
    for name in given:
        if name not in known:
            raise UsageFault("unknown parameter", name, did_you_mean(name, known))
    if not runs:
        return [_page(book, _group(book), _fitting(book, given), "") for book in chosen]
    return [page for run in runs for page in _pages_of(run, chosen, given)]


def notebooks_of(runs: Sequence[Path], notebooks: Sequence[str]) -> list[Path]:
    """Return the notebooks that `run_pages` makes pages of, for any of the runs, in order."""
    if notebooks:
        return [_notebook(name) for name in notebooks]
    tables: set[str] = set()
    for run in runs:
        with suppress(OSError, ValueError, KeyError):  # told of when the run is opened
            tables |= set(json.loads((run / MANIFEST).read_bytes())["tables"])
    return telling(tables)


def _pages_of(run: Path, chosen: Sequence[Path], given: Mapping[str, str]) -> list[Page]:
    from runlog.manifest import read_manifest

    manifest = read_manifest(run)
    pages = []
    for book in chosen or telling(set(manifest.tables)):
        takes = declared(book)
        if "run" not in takes:
            raise UsageFault("notebook does not take a run", book.stem, "leave the RUN out")
        # the default of a run to compare with belongs to the default run, not to this one
        values = dict.fromkeys(_run_parameters(takes), "") | _fitting(book, given)
        values["run"] = str(run)
        if "incident" in takes:
            values.setdefault("incident", manifest.incident or "")
        pages.append(_page(book, _group(book), values, run.name))
    return pages


def telling(tables: set[str]) -> list[Path]:
    """Return the notebooks that have something to say about a run with these tables."""
    return [_notebook(name) for name, table in _FOR_A_RUN.items() if not table or table in tables]


def _fitting(notebook: Path, given: Mapping[str, str]) -> dict[str, str]:
    known = declared(notebook)
    return {name: value for name, value in given.items() if name in known}


def _group(notebook: Path) -> str:
    return _GROUP_OF.get(notebook.stem, OTHERS)


def _page(notebook: Path, group: str, given: Mapping[str, str], suffix: str) -> Page:
    """Check the parameters, find the runs they name (those of the defaults, too), name the page."""
    takes = declared(notebook)
    values = checked(notebook, given)
    if "incident" in values and "run" in takes and "run" not in values:
        from runlog.manifest import read_manifest

        # a default run that replays another incident is not laid beside this one
        usual = takes["run"].default
        fits = usual and read_manifest(paths.find_run(usual)).incident == values["incident"]
        values["run"] = usual if fits else ""
    found = []
    for name in sorted(_run_parameters(takes), key=lambda name: name != "run"):
        chosen = values.get(name, takes[name].default)
        if chosen:
            found.append(paths.find_run(chosen))
        if chosen and name in values:
            values[name] = str(found[-1])
    sweeps: list[Path] = []
    if "sweep" in takes:
        from analysis.capacity.store import MANIFEST as SWEEP_MANIFEST

        with suppress(UsageFault):  # a missing sweep fails that one report, in its own words
            place = paths.find_run(values.get("sweep", takes["sweep"].default))
            values["sweep"] = str(place)
            sweeps = [place] if (place / SWEEP_MANIFEST).is_file() else []
    slug = notebook.stem + (f"-{suffix}" if suffix else "")
    return Page(slug, notebook, group, values, tuple(dict.fromkeys(found)), tuple(sweeps))


def _run_parameters(takes: Mapping[str, Parameter]) -> list[str]:
    """Return the parameters that name a run: `run` itself, and those to compare with."""
    return [name for name in takes if name == "run" or name.endswith("_run")]


def _notebook(name: str) -> Path:
    """Return the notebook a user means by number, name or path."""
    folder = paths.notebooks()
    known = {path.stem: path for path in sorted(folder.glob("[0-9]*.ipynb"))}
    stem = name.removesuffix(".ipynb")
    if stem in known:
        return known[stem]
    numbered = [path for key, path in known.items() if key.split("_")[0] == stem]
    if numbered:
        return numbered[0]
    place = Path(name)
    if place.is_file() and place.suffix == ".ipynb":
        return place.resolve()
    raise UsageFault("no such notebook", name, did_you_mean(stem, list(known)))


def unique(pages: Sequence[Page]) -> list[Page]:
    """Return the pages, none twice. Raises BadData when two would share a folder."""
    seen: dict[str, Page] = {}
    for page in pages:
        if page.slug in seen and seen[page.slug] != page:
            todo = "report them into two folders with --out"
            raise BadData("two reports would share one folder", page.slug, todo)
        seen[page.slug] = page
    return list(seen.values())
