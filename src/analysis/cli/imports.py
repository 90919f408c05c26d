"""`walletlab import`: brings a user's own logs into a run directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analysis.importers.detect import FORMATS

if TYPE_CHECKING:
    from analysis.importers.postgres import Options


@click.group("import")
def import_command() -> None:
    """Bring your own logs into a run directory: server logs, request logs, traces."""


_report = click.option(
    "--report",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write the report, too, as `walletlab report DIR --out FOLDER` would.",
)


@import_command.command("postgres-log")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Run directory.")
@click.option(
    "--log-timezone",
    default="",
    metavar="TZ",
    help="Zone of the logs, where their abbreviation is ambiguous or missing: Asia/Tokyo, +09:00.",
)
@click.option("--prefix", metavar="P", help="The server's log_line_prefix (stderr, syslog).")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["auto", *FORMATS]),
    default="auto",
    show_default=True,
    help="Format of the logs.",
)
@click.option("--keep-literals", is_flag=True, help="Store literals of statements unmasked.")
@click.option("--cpus", type=click.IntRange(1), help="CPUs of the server, for the analysis.")
@click.option("--append", is_flag=True, help="DIR must be an import already; read what is new.")
@_report
def postgres_log_command(
    files: tuple[Path, ...],
    out: Path,
    log_timezone: str,
    prefix: str | None,
    format_: str,
    keep_literals: bool,
    cpus: int | None,
    append: bool,
    report: Path | None,
) -> int:
    """Import PostgreSQL or pgBouncer logs (files or folders; .gz, .zst, .lz4, .bz2, .xz too).

    Formats: csvlog, jsonlog, stderr with any prefix, syslog, RDS, Cloud SQL, pgBouncer. Import into
    the same DIR again, and only what is new is read. What cannot be read is kept in
    rejects.parquet.

    \b
    Example: from a log to its report in one step
      walletlab import postgres-log postgresql.csv --out runs/friday --report reports/friday
    """
    from analysis.importers.postgres import Options
    from runlog.errors import UsageFault

    if append and not out.exists():
        raise UsageFault("nothing to append to", out, "leave out --append for the first import")
    options = Options(format_, prefix, log_timezone, keep_literals, cpus)
    return _made(lambda: _import_logs(list(files), out, options), {"pg_log"}, report)


def _import_logs(files: list[Path], out: Path, options: Options) -> Path:
    from analysis.importers.postgres import import_postgres_logs

    done = import_postgres_logs(files, out, options)
    rejected = sum(done.rejects.values())
    click.echo(f"{done.folder}: {done.records} records, {done.new_lines} new lines read")
    if rejected:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in done.rejects.items())
        click.echo(f"set aside in rejects.parquet: {rejected} lines ({reasons})")
    for note in done.notes:
        click.echo(f"note: {note}")
    return done.folder


def _made(make: Callable[[], Path], tables: set[str], report: Path | None) -> int:
    """Import, and write the report where it is asked for; return the exit code."""
    if report is not None:
        from analysis.cli.report import with_report

        return with_report(make, tables, report)
    make()
    return 0


@import_command.command("requests")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--mapping",
    required=True,
    type=click.Path(path_type=Path),
    help="TOML or YAML: which column of the file means what (see docs/imports.md).",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Run directory.")
@_report
def requests_command(file: Path, mapping: Path, out: Path, report: Path | None) -> int:
    """Import a request log (CSV, Parquet) or OTLP JSON traces.

    DIR may hold an import of server logs already: the requests are put beside them.
    """
    return _made(lambda: _import_requests(file, mapping, out), {"requests"}, report)


def _import_requests(file: Path, mapping: Path, out: Path) -> Path:
    from analysis.importers.requests import import_requests

    done = import_requests(file, mapping, out)
    click.echo(f"{done.folder}: {done.requests} requests, {done.spans} spans")
    if done.rejects:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in done.rejects.items())
        click.echo(f"set aside in rejects.parquet: {sum(done.rejects.values())} rows ({reasons})")
    for note in done.notes:
        click.echo(f"note: {note}")
    return done.folder
