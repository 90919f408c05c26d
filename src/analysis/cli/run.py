"""`walletlab run`: plays a scenario on the reference engine and writes its run directory."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path
from typing import Any

import click

from analysis import paths
from runlog.errors import UsageFault

_BOOLEANS = {"true": True, "on": True, "false": False, "off": False}


@click.command("run")
@click.argument("scenario", required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Run directory to write (new).")
@click.option("--seed", type=int, help="Seed of load and balances, instead of the scenario's own.")
@click.option("--design", help="lock_across_call, phased or batched.")
@click.option(
    "--time-scale",
    type=float,
    default=1.0,
    show_default=True,
    help="Stretch the script's times by this; never a latency or a limit.",
)
@click.option(
    "--flag",
    "flags",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a switch of the wallet; repeatable (all of them: docs/scenarios.md).",
)
@click.option(
    "--dsn",
    envvar="DATABASE_URL",
    help="Your own PostgreSQL, in a schema of its own (default: embedded; env DATABASE_URL).",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Empty folder for the embedded server's data (default: temporary).",
)
@click.option("--list", "list_them", is_flag=True, help="List the scenarios and end.")
def run_command(
    scenario: str | None,
    out: Path | None,
    seed: int | None,
    design: str | None,
    time_scale: float,
    flags: tuple[str, ...],
    dsn: str | None,
    data_dir: Path | None,
    list_them: bool,
) -> None:
    """Run SCENARIO (a name, or your own TOML file) on a real PostgreSQL.

    Progress goes to standard error; the path of the run directory is printed on standard output.

    \b
    walletlab run healthy
    walletlab run kyash-2018-10-09 --design phased --out runs/phased
    walletlab run my.toml --flag pool_size=4 --flag auto_charge=false
    """
    from reference_engine.run import run_scenario
    from reference_engine.scenario import load_scenario, scenario_names

    if list_them:
        click.echo("\n".join(scenario_names()))
        return
    if scenario is None:
        raise UsageFault("no scenario given", "", "one of: " + ", ".join(scenario_names()))
    loaded = load_scenario(
        scenario, seed=seed, design=design, flags=parse_flags(flags), time_scale=time_scale
    )
    target = out if out is not None else _new_folder(loaded.name, loaded.design)
    started = time.monotonic()

    def echo(message: str) -> None:
        click.echo(f"[{time.monotonic() - started:5.1f} s] {message}", err=True)

    written = run_scenario(
        loaded,
        target,
        dsn=dsn or None,
        limits=limits_of(loaded.license.regime, loaded.license.on),
        data_folder=data_dir,
        echo=echo,
    )
    click.echo(str(written))


def parse_flags(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return flags by name from NAME=VALUE texts; numbers and true/false are understood.

    >>> parse_flags(("pool_size=4", "auto_charge=false", "backoff=none"))
    {'pool_size': 4, 'auto_charge': False, 'backoff': 'none'}
    """
    flags: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageFault("not a flag", text, "write --flag NAME=VALUE")
        flags[name] = _value(value)
    return flags


def _value(text: str) -> Any:
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def limits_of(regime: str, on: dt.date | None) -> dict[str, dict[str, int]] | None:
    """Return the engine's limits in yen for a licence on a day; None when there are none.

    A cap on one transfer binds transfers between wallets; a cap on what a user may hold binds
    whatever brings money into a wallet. Without a day the rules' own text date is meant.
    """
    if not regime:
        return None
    from analysis.licenses.limits import engine_limits

    found = engine_limits(regime, on)
    limits: dict[str, dict[str, int]] = {}
    if found["max_transfer_jpy"] is not None:
        limits.setdefault("p2p_transfer", {})["per_transfer"] = found["max_transfer_jpy"]
    if found["max_balance_jpy"] is not None:
        for operation in ("p2p_transfer", "top_up"):
            limits.setdefault(operation, {})["balance_cap"] = found["max_balance_jpy"]
    return limits or None


def _new_folder(name: str, design: str) -> Path:
    """A folder under `runs/` that nobody has: two runs may start in the same second."""
    stamp = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}"
    return paths.runs() / f"{name}-{design}-{stamp}-{os.getpid()}"
