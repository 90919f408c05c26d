"""`walletlab diagnose RUN`: the anomaly window and the ranked causes, in words or as JSON."""

from __future__ import annotations

import click

from analysis.cli.output import echo_json
from analysis.paths import find_run
from runlog.errors import UsageFault


@click.command("diagnose")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, nothing else.")
@click.option(
    "--window",
    nargs=2,
    metavar="START END",
    help="Look near this window (ISO 8601; without a zone: UTC) instead of searching everywhere.",
)
@click.option(
    "--evidence",
    default="samples,logs,requests",
    show_default=True,
    help="Which records may be used, separated by commas.",
)
def diagnose_command(
    run: str, as_json: bool, window: tuple[str, str] | None, evidence: str
) -> None:
    """Say what broke, when, and how one can tell.

    RUN is a run directory, or the name of a recorded or local run.
    """
    from analysis.bottleneck.verdict.diagnose import diagnose
    from analysis.bottleneck.view import moment

    kinds = _kinds(evidence)
    given = (moment(window[0]), moment(window[1])) if window else None
    if given and given[0] >= given[1]:
        raise UsageFault("window ends before it starts", " ".join(window or ()), "give START END")
    found = diagnose(find_run(run), window=given, evidence=kinds)
    if as_json:
        echo_json(found.as_json())
        return
    from analysis.bottleneck.words import verdict_lines

    click.echo("\n".join(verdict_lines(found)))


def _kinds(text: str) -> tuple[str, ...]:
    from analysis.bottleneck.case import EVIDENCE

    kinds = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [k for k in kinds if k not in EVIDENCE]
    if unknown or not kinds:
        raise UsageFault("unknown evidence", text, "known: " + ", ".join(EVIDENCE))
    return kinds
