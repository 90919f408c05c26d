"""`walletlab sweep`: measured experiments on the real engine, interleaved, into one folder."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import pandas as pd
import psutil

from analysis import paths
from analysis.capacity import counterfactual, plan
from analysis.capacity.measure import measure_session, measure_study
from analysis.capacity.store import read_sweep, renew_sweep, write_sweep
from runlog.errors import EnvironmentFault, UsageFault

STUDIES = (counterfactual.MITIGATION, counterfactual.METASTABILITY)


@click.command("sweep")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the sweep (new).")
@click.option("--only", multiple=True, metavar="NAME", help="Experiments that begin so; a study.")
@click.option(
    "--repetitions",
    type=click.IntRange(1, 100),
    default=5,
    show_default=True,
    help="How often each experiment is measured.",
)
@click.option(
    "--study-repetitions",
    type=click.IntRange(0, 20),
    default=2,
    show_default=True,
    help="How often each variant of a study is run.",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    help="A sweep in which the chosen experiments are put in place of the old.",
)
@click.option("--list", "list_them", is_flag=True, help="List the experiments and end.")
def sweep_command(
    out: Path | None,
    only: tuple[str, ...],
    repetitions: int,
    study_repetitions: int,
    into: Path | None,
    list_them: bool,
) -> None:
    """Measure what more fronts, connections, processors, another design, sharding, shedding and
    the auto-charge switch do, and what an earlier mitigation would have done.

    Every repetition goes once through all experiments, so that a change of the machine's mood hits
    all of them alike. One embedded server serves the sweep; each run has a schema of its own. The
    recorded sweep is made by `walletlab sweep --out data/recorded/sweep`.

    \b
    walletlab sweep --list
    walletlab sweep --only locked-fronts --only locked --repetitions 3
    walletlab sweep --only phased-load --into runs/my-sweep
    """
    experiments, studies = _chosen(only)
    if list_them:
        _list(experiments, studies)
        return
    if into is not None and out is not None:
        raise UsageFault("two places to write to", f"{out}, {into}", "--out or --into, not both")
    old = read_sweep(into) if into is not None else None
    out = out or paths.runs() / time.strftime("sweep-%Y%m%dT%H%M%S")
    if out.exists():
        raise UsageFault("output exists", out, "choose another --out, or remove it first")
    known = old.manifest.get("phased_per_s") if old else None
    tables, manifest = _measure(experiments, studies, repetitions, study_repetitions, known)
    click.echo(renew_sweep(old, tables, manifest) if old else write_sweep(out, tables, manifest))


def _chosen(only: tuple[str, ...]) -> tuple[list[plan.Experiment], tuple[str, ...]]:
    experiments = plan.experiments(tuple(o for o in only if o not in STUDIES))
    if only and all(o in STUDIES for o in only):
        experiments = []
    studies = tuple(s for s in STUDIES if not only or s in only)
    unknown = [
        o for o in only if o not in STUDIES and not any(e.name.startswith(o) for e in experiments)
    ]
    if unknown:
        raise UsageFault("no such experiment", unknown[0], "see: walletlab sweep --list")
    return experiments, studies


def _list(experiments: list[plan.Experiment], studies: tuple[str, ...]) -> None:
    for e in experiments:
        click.echo(f"{e.name:<24} {e.purpose:<12} {e.design:<17} {e.offered_per_s:g}/s")
    for study in studies:
        click.echo(f"{study:<24} study")


def _measure(
    experiments: list[plan.Experiment],
    studies: tuple[str, ...],
    repetitions: int,
    again: int,
    phased_per_s: float | None,
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Run everything on one embedded server; return the tables and the manifest of the sweep.

    `phased_per_s` is what a sweep that is added to had found; None has it found out.
    """
    from reference_engine.postgres import EmbeddedServer

    collected = _Collected()
    with (
        EmbeddedServer() as server,
        tempfile.TemporaryDirectory(prefix="walletlab-sweep-") as scratch,
    ):
        bench = _Bench(server, Path(scratch))
        if any(e.name.startswith("phased") for e in experiments):
            phased_per_s = phased_per_s or _probed(bench)
            experiments = plan.scaled(experiments, phased_per_s)
        for order, session in enumerate(plan.interleaved(experiments, repetitions)):
            bench.watch(session)
            folder = bench.run(session.text)
            if folder is None:
                continue
            rows, times = measure_session(folder, session, order)
            collected.add(results=rows, service_times=times)
            shutil.rmtree(folder)
            said = f"{session.fronts} front(s), {len(rows)} experiments"
            click.echo(f"repetition {session.repetition + 1}: {said}", err=True)
        bench.watch(None)
        for study in studies:
            _study(bench, study, again, collected)
        settings = server.settings()
    manifest = {
        "repetitions": repetitions,
        "study_repetitions": again if studies else 0,
        "experiments": [e.name for e in experiments],
        "studies": list(studies),
        "runs_lost": len(bench.lost),
        "cpu_count": bench.cpu_count,
        "postgres": {k: settings[k] for k in ("server_version", "fsync", "synchronous_commit")},
        "seed": plan.SEED,
        "good_ms": plan.GOOD_MS,
        "phased_per_s": phased_per_s,
    }
    return collected.tables(), manifest


def _probed(bench: _Bench) -> float:
    """Requests per second that `phased` serves here; raises EnvironmentFault when it cannot run."""
    session = plan.probe()
    bench.watch(session)
    folder = bench.run(session.text)
    if folder is None:
        raise EnvironmentFault("the probe could not be run", bench.lost[-1], "try again")
    rows, _ = measure_session(folder, session, 0)
    shutil.rmtree(folder)
    found = float(rows["throughput_per_s"].max())
    click.echo(f"probe: phased serves {found:.0f} per second here", err=True)
    return found


def _study(bench: _Bench, study: str, repetitions: int, collected: _Collected) -> None:
    from reference_engine.scenario import load_scenario

    for repetition in range(repetitions):
        if study == counterfactual.MITIGATION:
            variants = counterfactual.mitigation_variants(
                load_scenario(counterfactual.SCENARIO).text
            )
        else:
            variants = counterfactual.metastability_variants()
        for variant in variants if repetition % 2 == 0 else reversed(variants):
            folder = bench.run(variant.text, seed_more=repetition)
            if folder is None:
                continue
            row, seconds = measure_study(folder, study, variant.name, repetition)
            collected.add(outcomes=row, timelines=seconds)
            shutil.rmtree(folder)
            click.echo(f"{study}, {variant.name}, repetition {repetition + 1}", err=True)


class _Collected:
    """Rows and frames of the four tables, as they come in."""

    def __init__(self) -> None:
        self._parts: dict[str, list[pd.DataFrame]] = {}

    def add(self, **parts: Any) -> None:
        for name, part in parts.items():
            frame = pd.DataFrame([part]) if isinstance(part, dict) else part
            if len(frame):
                self._parts.setdefault(name, []).append(frame)

    def tables(self) -> dict[str, pd.DataFrame]:
        return {n: pd.concat(parts, ignore_index=True) for n, parts in self._parts.items()}


class _Bench:
    """Runs scenario texts on one server whose processors can be limited."""

    def __init__(self, server: Any, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._postmaster = psutil.Process(server.pid)
        self._number = 0
        self.lost: list[str] = []
        self._cores_by_label: dict[str, int] = {}
        self.cpu_count = psutil.cpu_count() or 1
        self._all = list(range(self.cpu_count))

    def watch(self, session: plan.Session | None) -> None:
        """From now on give the server the processors that each experiment asks for."""
        experiments = [w.experiment for w in session.windows] if session else []
        self._cores_by_label = {plan.setting(e): e.server_cores for e in experiments}
        self._cores(self.cpu_count)

    def _heard(self, label: str) -> None:
        """The run tells each event as it happens."""
        if label in self._cores_by_label:
            self._cores(self._cores_by_label[label])

    def _cores(self, count: int) -> None:
        """Let the server, and every backend it starts from now on, use that many processors.

        Raises EnvironmentFault where the system cannot bind a process to processors (macOS).
        """
        if not hasattr(self._postmaster, "cpu_affinity"):
            if count < self.cpu_count:
                todo = "leave these experiments out with --only"
                raise EnvironmentFault("no processor affinity on this system", f"{count}", todo)
            return
        for process in (self._postmaster, *self._postmaster.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.cpu_affinity(self._all[:count])

    def run(self, text: str, *, seed_more: int = 0) -> Path | None:
        """Run a scenario text; return its run directory, or None when the run was lost.

        A sweep is long: one run that cannot be made is told, counted in the manifest and left out.
        """
        from reference_engine.run import run_scenario
        from reference_engine.scenario import load_scenario

        self._number += 1
        file = self._folder / f"{self._number}.toml"
        file.write_text(text, "utf-8")
        scenario = load_scenario(str(file))
        if seed_more:
            scenario = load_scenario(str(file), seed=scenario.seed + seed_more)
        out = self._folder / f"run-{self._number}"
        try:
            return run_scenario(scenario, out, dsn=self._server.dsn, echo=self._heard)
        except EnvironmentFault as fault:
            self.lost.append(str(fault))
            click.echo(f"run lost: {fault}", err=True)
            return None
