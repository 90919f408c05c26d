"""`walletlab import`: brings a user's own logs into a run directory."""

from __future__ import annotations

from pathlib import Path

import click

from analysis.importers.detect import FORMATS


@click.group("import")
def import_command() -> None:
    """Bring your own logs into a run directory: server logs, request logs, traces."""


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
def postgres_log_command(
    files: tuple[Path, ...],
    out: Path,
    log_timezone: str,
    prefix: str | None,
    format_: str,
    keep_literals: bool,
    cpus: int | None,
    append: bool,
) -> None:
    """Import PostgreSQL or pgBouncer logs (files or folders; .gz, .zst, .lz4, .bz2, .xz too).

    Formats: csvlog, jsonlog, stderr with any prefix, syslog, RDS, Cloud SQL, pgBouncer. Import into
    the same DIR again, and only what is new is read. What cannot be read is kept in
    rejects.parquet.
    """
    from analysis.importers.postgres import Options, import_postgres_logs
    from runlog.errors import UsageFault

    if append and not out.exists():
        raise UsageFault("nothing to append to", out, "leave out --append for the first import")
    options = Options(format_, prefix, log_timezone, keep_literals, cpus)
    done = import_postgres_logs(list(files), out, options)
    rejected = sum(done.rejects.values())
    click.echo(f"{done.folder}: {done.records} records, {done.new_lines} new lines read")
    if rejected:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in done.rejects.items())
        click.echo(f"set aside in rejects.parquet: {rejected} lines ({reasons})")
    for note in done.notes:
        click.echo(f"note: {note}")


@import_command.command("requests")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--mapping",
    required=True,
    type=click.Path(path_type=Path),
    help="TOML or YAML: which column of the file means what (see docs/imports.md).",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Run directory.")
def requests_command(file: Path, mapping: Path, out: Path) -> None:
    """Import a request log (CSV, Parquet) or OTLP JSON traces.

    DIR may hold an import of server logs already: the requests are put beside them.
    """
    from analysis.importers.requests import import_requests

    done = import_requests(file, mapping, out)
    click.echo(f"{done.folder}: {done.requests} requests, {done.spans} spans")
    if done.rejects:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in done.rejects.items())
        click.echo(f"set aside in rejects.parquet: {sum(done.rejects.values())} rows ({reasons})")
    for note in done.notes:
        click.echo(f"note: {note}")
