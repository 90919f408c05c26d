"""`walletlab watch`: samples a user's own server into a run directory."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

_UNITS = {"": 1.0, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}


@click.command("watch")
@click.option("--dsn", metavar="URL", help="The server; $DATABASE_URL when not given.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Run directory.")
@click.option("--for", "for_", metavar="TIME", help="How long: 90s, 10min, 2h. Until Ctrl-C else.")
@click.option(
    "--hz",
    type=click.FloatRange(0.1, 100.0),
    default=10.0,
    show_default=True,
    help="Samples a second.",
)
def watch_command(dsn: str | None, out: Path, for_: str | None, hz: float) -> None:
    """Sample activity, blockers and counters of your server; a role with pg_monitor is enough.

    Watching rests when samples take long, and says how often. Ctrl-C ends it with a complete run.
    """
    from analysis.watch import Watch
    from runlog.dsn import checked_dsn
    from runlog.errors import UsageFault

    target = dsn or os.environ.get("DATABASE_URL", "")
    if not target:
        raise UsageFault("no server given", "", "say which with --dsn or DATABASE_URL")
    watch = Watch(checked_dsn(target), hz, duration_s(for_) if for_ else None)
    folder = watch.record(out, echo=lambda text: click.echo(text, err=True))
    told = ", ".join(f"{count} {name}" for name, count in sorted(watch.told.items()))
    click.echo(f"{folder}: {told}")
    for note in watch.notes:
        click.echo(f"note: {note}")


def duration_s(text: str) -> float:
    """Return seconds for a time such as "90s", "10min", "2h"; raises UsageFault else.

    >>> duration_s("10min")
    600.0
    """
    from runlog.errors import UsageFault

    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]*)", text.strip())
    if match is None or match.group(2) not in _UNITS or float(match.group(1)) <= 0:
        raise UsageFault("not a length of time", text, "give e.g. 90s, 10min or 2h")
    return float(match.group(1)) * _UNITS[match.group(2)]
