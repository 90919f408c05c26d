"""`walletlab incidents`: list, show, validate and export the sourced incident corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from analysis.cli.output import echo_json
from analysis.incidents.when import ABOUT_MINUTES

_FORMATS = ("timesketch-jsonl", "timesketch-csv", "postmortems-app")
_about = click.option(
    "--about",
    "about_minutes",
    type=click.FloatRange(0, 720),
    default=ABOUT_MINUTES,
    show_default=True,
    help="How many minutes either side 'about 14:14' is taken to mean.",
)


@click.group("incidents")
def incidents_command() -> None:
    """Public wallet and payment outages as data: sources, confidence, bounds of every time."""


@incidents_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list and nothing else.")
@click.option("--kind", type=click.Choice(["outage", "security"]), help="Only this kind.")
@click.option("--company", help="Only this company.")
@click.option("--cause", "cause_group", help="Only this group of causes, e.g. load.")
@click.option(
    "--database",
    type=click.Choice(["yes", "no", "partly", "unknown"]),
    help="Only those with (or without) a database among the stated causes.",
)
def list_command(
    as_json: bool,
    kind: str | None,
    company: str | None,
    cause_group: str | None,
    database: str | None,
) -> None:
    """List the incidents, oldest first, with the minutes some function was affected."""
    from analysis.incidents.frames import frames
    from analysis.incidents.store import load_corpus

    chosen = load_corpus().select(
        kind=kind, company=company, cause_group=cause_group, database=database
    )
    frame = frames(chosen)["incidents"]
    records = [_known(r) for r in frame.to_dict("records")]
    if as_json:
        echo_json(records)
        return
    for record in records:
        click.echo(_line(record))


@incidents_command.command("show")
@click.argument("incident_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@_about
def show_command(incident_id: str, as_json: bool, about_minutes: float) -> None:
    """Show one incident: phases, communication, durations in minutes with their bounds."""
    from analysis.incidents.describe import describe
    from analysis.incidents.store import load_corpus
    from runlog.errors import UsageFault

    if about_minutes != about_minutes:  # not a number passes every range
        raise UsageFault("--about is no number", about_minutes, "give minutes from 0 to 720")
    content = describe(load_corpus().get(incident_id), about_minutes)
    if as_json:
        echo_json(content)
        return
    for line in _told(content):
        click.echo(line)


@incidents_command.command("validate")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate_command(files: tuple[Path, ...]) -> None:
    """Check incident files; the first fault is told with file, field and reason (exit code 1)."""
    from analysis.incidents.store import validate_files

    for incident in validate_files(files):
        count = len(incident.claims())
        click.echo(f"{incident.id}: valid, {count} values, {len(incident.sources)} sources")


@incidents_command.command("export")
@click.argument("incident_id")
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default=_FORMATS[0],
    show_default=True,
    help="Form of the export.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File; else stdout.")
def export_command(incident_id: str, form: str, out: Path | None) -> None:
    """Export one incident to Timesketch (JSONL, CSV) or to a postmortems.app record."""
    from analysis.incidents.export import export
    from analysis.incidents.store import load_corpus
    from runlog.writer import space_guard

    text = export(load_corpus().get(incident_id), form)
    if out is None:
        click.echo(text, nl=False)
        return
    with space_guard(out):
        out.write_text(text, "utf-8")
    click.echo(str(out))


def _known(record: dict[Any, Any]) -> dict[str, Any]:
    """NaN and NaT as null, times as text, so that the JSON is JSON."""
    return {k: None if v != v or v is None else v for k, v in record.items()}


def _line(record: dict[str, Any]) -> str:
    low, high = record["affected_min_low"], record["affected_min_high"]
    length = "unknown" if low is None or high is None else _minutes(low, high)
    return (
        f"{record['incident_id']:<24} {record['cause_group']:<16} "
        f"database: {record['database']:<8} {length:>18}  {record['title']}"
    )


def _span(span: dict[str, Any]) -> str:
    """A duration with its bounds, and as the sources wrote it where they give minutes."""
    written, bounds = span["as_written"], _minutes(span["min"], span["max"])
    sharp = written is None or span["min"] == span["max"] or (span["max"] or 0) >= 2 * 1440
    return bounds if sharp else f"{written:g} min as written ({bounds})"


def _minutes(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "? min"
    if high >= 2 * 1440:
        first, last = f"{low / 1440:.1f}", f"{high / 1440:.1f}"
        return f"{first} days" if first == last else f"{first} to {last} days"
    return f"{low:g} min" if low == high else f"{low:g} to {high:g} min"


def _told(content: dict[str, Any]) -> list[str]:
    lines = [f"{content['id']}: {content['title']}"]
    for name in ("started_at", "mitigated_at", "restored_at"):
        for position, claim in enumerate(content.get(name, {}).get("claims", [])):
            mark = "" if position == 0 else " (not used)"
            cited = ", ".join(claim["sources"])
            lines.append(f"  {name}: {claim['text']}{mark}  [{claim['confidence']}; {cited}]")
        if content.get(name, {}).get("why"):
            lines.append(f"    why: {content[name]['why']}")
    for name, d in content["durations"].items():
        lines.append(f"  {name}: {_span(d)}, {d['basis']}")
    for phase in content["phases"]:
        lines.append(f"  phase {phase['id']}: {phase['start']['text']} to {phase['end']['text']}")
        for name, state in phase["functions"].items():
            lines.append(f"    {name}: {state['state']} [{state['confidence']}]")
    lines += [
        f"  +{_span(event['offset_min'])}, {event['at']['text']}: {event['what']}"
        for event in content["communication"]
    ]
    lines += [f"  not known: {gap}" for gap in content["gaps"]]
    return lines
