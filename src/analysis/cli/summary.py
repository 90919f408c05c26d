"""`walletlab summary` and `walletlab validate`: what a run holds, and whether it is sound."""

from __future__ import annotations

from typing import Any

import click

from analysis.cli.output import echo_json


@click.command("summary")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def summary_command(run: str, as_json: bool) -> None:
    """Count what a RUN holds: rows of each table, and the events of the server log."""
    from analysis.paths import find_run
    from analysis.summary import summarise
    from runlog.reader import open_run

    opened = open_run(find_run(run), validate=False)
    try:
        summary = summarise(opened)
    finally:
        opened.close()
    if as_json:
        echo_json(summary)
    else:
        for line in _told(summary):
            click.echo(line)


@click.command("validate")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def validate_command(run: str, as_json: bool) -> None:
    """Check a RUN against the contract: files, columns, types, closed lists and keys."""
    from analysis.paths import find_run
    from runlog.reader import open_run

    opened = open_run(find_run(run))
    rows = {name: table.rows for name, table in sorted(opened.manifest.tables.items())}
    opened.close()
    if as_json:
        echo_json({"run_id": opened.manifest.run_id, "valid": True, "rows": rows})
        return
    click.echo(f"{opened.folder}: valid, {len(rows)} tables, {sum(rows.values())} rows")


def _told(summary: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in summary.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{key}:")
            lines += _told(value, indent + "  ")
        else:
            lines.append(f"{indent}{key}: {'unknown' if value is None else value}")
    return lines
