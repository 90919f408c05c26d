"""`walletlab report`: notebooks to an offline site; with --live it runs the incidents first."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analysis import paths
from runlog.errors import UsageFault

if TYPE_CHECKING:
    from analysis.report.kernels import Kernels
    from analysis.report.site import Page


@click.command("report")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--notebook", "-n", "notebooks", multiple=True, help="Name or number; repeatable.")
@click.option(
    "-p", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Notebook parameter."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the report.")
@click.option("--site", is_flag=True, help="The whole site (also without any argument).")
@click.option("--recorded", "source", flag_value="recorded", help="Site from the recorded runs.")
@click.option("--live", "source", flag_value="live", help="Run the incidents first, on PostgreSQL.")
@click.option("--all-incidents", is_flag=True, help="Add a timeline of every incident known.")
@click.option("--single-file", is_flag=True, help="Put stylesheet and plotly.js into each page.")
def report_command(
    runs: tuple[str, ...],
    notebooks: tuple[str, ...],
    parameters: tuple[tuple[str, str], ...],
    out: Path | None,
    site: bool,
    source: str | None,
    all_incidents: bool,
    single_file: bool,
) -> int:
    """Write a report on each RUN, on single notebooks, or the whole site, and print its index.

    \b
    Examples:
      walletlab report                                    the site, from the recorded runs
      walletlab report runs/surge                         what there is to say about one run
      walletlab report -n 01 -p incident kyash-2018-11-03
    """
    whole = site or source is not None or all_incidents
    if whole and (runs or notebooks or parameters):
        todo = "leave out --site, --live, --recorded and --all-incidents, or the rest"
        raise UsageFault("the whole site takes no RUN, notebook or parameter", "", todo)
    if parameters and not (runs or notebooks):
        raise UsageFault(
            "parameter without a notebook", parameters[0][0], "add --notebook or a RUN"
        )
    names = [name for name, _ in parameters]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageFault("parameter given twice", twice, "give it once")
    if runs or notebooks:
        return _some(runs, notebooks, dict(parameters), out, single_file)
    return _whole(source or "recorded", all_incidents, out, single_file)


def _some(
    runs: Sequence[str],
    notebooks: Sequence[str],
    parameters: dict[str, str],
    out: Path | None,
    single_file: bool,
) -> int:
    from analysis.report.kernels import Kernels
    from analysis.report.site import notebooks_of, run_pages, unique

    found = [paths.find_run(name) for name in runs]
    with Kernels() as kernels, ThreadPoolExecutor(1) as beside:
        # kernels start, the runs are checked, and papermill is loaded, all at the same time
        kernels.start_ahead(notebooks_of(found, notebooks), found)
        checked = beside.submit(_validate, found)
        pages = unique(run_pages(found, notebooks, parameters))
        checked.result()
        return _build_runs(found, pages, out, single_file, kernels)


def _build_runs(
    runs: Sequence[Path], pages: Sequence[Page], out: Path | None, single_file: bool,
    kernels: Kernels,
) -> int:  # fmt: skip
    target = out or paths.reports() / "runs" / (runs[0].name if runs else pages[0].slug)
    words = "Reports on the runs and notebooks asked for."
    return _build(pages, target, words, single_file, kernels)


def with_report(make: Callable[[], Path], tables: set[str], out: Path) -> int:
    """Make a run, then the report on it as `walletlab report RUN --out` does; return the exit code.

    `tables` are those that the run will have for sure: kernels for what they call for start, and
    what builds a report is loaded, while the run is being made.
    """
    from analysis.report.kernels import Kernels
    from analysis.report.site import run_pages, telling

    with Kernels() as kernels, ThreadPoolExecutor(1) as beside:
        kernels.start_ahead(telling(tables))
        loaded = beside.submit(import_module, "analysis.report.build")
        run = make()
        loaded.result()
        _validate([run])
        return _build_runs([run], run_pages([run], (), {}), out, False, kernels)


def _whole(source: str, all_incidents: bool, out: Path | None, single_file: bool) -> int:
    from analysis.report.site import (
        check_site,
        incident_pages,
        recorded_runs,
        site_pages,
        unique,
    )

    check_site()
    live = source == "live"
    runs = _run_live() if live else recorded_runs()
    if not live:
        _validate(list(runs.values()))
    pages = site_pages(runs)
    if all_incidents:
        pages += incident_pages(pages)
    how = (
        "were made live for this report (but for the capacity sweep: it takes long and is recorded)"
        if live
        else "are those of the recorded runs"
    )
    subtitle = (
        "What happened, what the license required, why it can happen, and where the bottleneck is. "
        f"Public facts carry their sources; the measurements {how}."
    )
    return _build(unique(pages), out or paths.reports(), subtitle, single_file)


def _validate(runs: Sequence[Path]) -> None:
    """Refuse a damaged run before anything is executed or written."""
    from runlog.reader import open_run

    for run in dict.fromkeys(runs):
        open_run(run).close()


def _run_live() -> dict[str, Path]:
    """Run the site's scenarios, one after the other: they measure, so nothing else may run."""
    from analysis.cli.run import limits_of
    from analysis.report.site import SITE_RUNS
    from reference_engine.run import run_scenario
    from reference_engine.scenario import load_scenario

    stamp = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}"
    made = {}
    for number, (name, (scenario, design)) in enumerate(SITE_RUNS.items(), start=1):
        click.echo(f"run {number}/{len(SITE_RUNS)}: {name}", err=True)
        loaded = load_scenario(scenario, design=design)
        folder = paths.runs() / f"{name}-{stamp}"
        made[name] = run_scenario(
            loaded,
            folder,
            dsn=os.environ.get("DATABASE_URL") or None,
            limits=limits_of(loaded.license.regime, loaded.license.on),
            echo=lambda line: click.echo(f"  {line}", err=True),
        )
    return made


def _build(
    pages: Sequence[Page],
    out: Path,
    subtitle: str,
    single_file: bool,
    kernels: Kernels | None = None,
) -> int:
    from analysis.report.build import build

    site = build(
        pages,
        out,
        subtitle=subtitle,
        single_file=single_file,
        extras=(_postmortem,),
        echo=lambda line: click.echo(line, err=True),
        kernels=kernels,
    )
    click.echo(str(site.index))
    if site.failed:
        names = ", ".join(entry.slug for entry in site.failed)
        click.echo(
            f"walletlab: {len(site.failed)} report(s) failed · {names} · see the index", err=True
        )
        return 1
    return 0


def _postmortem(page: Page, document: dict[str, Any]) -> tuple[str, str, str] | None:
    """The draft post-mortem beside a timeline; only then is it worth loading."""
    if not page.notebook.stem.startswith("01_"):
        return None
    from analysis import postmortem

    return postmortem.extra(page, document)  # noqa: S610
