"""`walletlab reconcile`: who must get money back, and a ledger put right."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import click

from analysis import paths
from analysis.cli.output import echo_json
from analysis.paths import find_run
from analysis.reconcile import mapping as mapping_module
from analysis.reconcile.files import reconcile_files
from analysis.reconcile.mapping import read_mapping
from analysis.reconcile.repairs import Plan, plan_repairs
from analysis.reconcile.result import REASONS, Reconciliation, reconcile_run
from runlog.errors import UsageFault
from runlog.manifest import read_manifest
from runlog.reader import open_run


@click.command("reconcile")
@click.argument("run", required=False)
@click.option("--ledger", type=click.Path(path_type=Path), help="Your ledger export (CSV).")
@click.option("--statement", type=click.Path(path_type=Path), help="Your acquirer statement (CSV).")
@click.option("--mapping", type=click.Path(path_type=Path), help="Which column means what (TOML).")
@click.option("--explain-mapping", is_flag=True, help="Print a mapping file, explained, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, nothing else.")
@click.option("--apply", is_flag=True, help="Post the repairs; the repaired books are a new run.")
@click.option("--out", type=click.Path(path_type=Path), help="The new run (RUN-repaired).")
@click.option("--dsn", envvar="DATABASE_URL", help="Rebuild the ledger on this PostgreSQL.")
def reconcile_command(
    run: str | None,
    ledger: Path | None,
    statement: Path | None,
    mapping: Path | None,
    explain_mapping: bool,
    as_json: bool,
    apply: bool,
    out: Path | None,
    dsn: str | None,
) -> None:
    """Compare the wallet's ledger with the card gateway's books and list the refunds due.

    RUN is a run directory, or the name of a recorded run. Your own books: --ledger, --statement and
    --mapping (a TOML file; --explain-mapping prints one).

    \b
    walletlab reconcile kyash-2018-10-09
    walletlab reconcile kyash-2018-10-09 --json
    walletlab reconcile --ledger ledger.csv --statement acquirer.csv --mapping mapping.toml

    --apply never changes RUN, which is evidence. It rebuilds the ledger of RUN in a PostgreSQL (the
    embedded one, or a schema of its own under --dsn, dropped at the end) and the gateway's books in
    a gateway, posts each repair once, cancels the charges, and writes what both then hold as a new
    run directory beside RUN (of a recorded run: under runs/). Applied again it finds everything
    posted and changes nothing.
    """
    if explain_mapping:
        click.echo(inspect.cleandoc(mapping_module.__doc__ or ""))
        return
    files = (ledger, statement, mapping)
    if (run is None) == (None in files):
        raise UsageFault(
            "give a run, or all of --ledger, --statement and --mapping", run or "", "see --help"
        )
    if run is None:
        _own_files(files, apply, as_json)
    elif apply:
        _apply(find_run(run), out, dsn, as_json)
    else:
        result, _ = _reconciled(find_run(run))
        _show(result, as_json)


def _own_files(files: tuple[Path | None, ...], apply: bool, as_json: bool) -> None:
    if apply:
        todo = "post the refunds in your own ledger; --json gives the list"
        raise UsageFault("--apply works on runs of the engine", "--ledger", todo)
    ledger, statement, mapping = (Path(str(f)) for f in files)
    _show(reconcile_files(ledger, statement, read_mapping(mapping)), as_json)


def _reconciled(folder: Path) -> tuple[Reconciliation, Plan]:
    run = open_run(folder)
    try:
        return reconcile_run(run), plan_repairs(run.connection)
    finally:
        run.close()


def _apply(folder: Path, out: Path | None, dsn: str | None, as_json: bool) -> None:
    """Apply the repairs of a run; show the repaired books."""
    result, plan = _reconciled(folder)
    target = out or _beside(folder)
    applied: dict[str, Any] = {"posted": 0, "already_posted": 0, "charges_cancelled": 0}
    if not plan.repairs:
        target = folder
    elif target.is_dir():
        applied["already_posted"] = _repairs_in(target, of=folder)
        result, plan = _reconciled(target)
    else:
        from reference_engine.repair import apply_repairs

        done = apply_repairs(folder, [r.as_dict() for r in plan.repairs], target, dsn=dsn)
        applied = {
            "posted": done.posted,
            "already_posted": done.already_posted,
            "charges_cancelled": done.charges_cancelled,
        }
        result, plan = _reconciled(target)
    _show(result, as_json, applied | {"run": str(target), "by_hand": plan.by_hand})


def _beside(folder: Path) -> Path:
    """RUN-repaired beside RUN; under `runs/` for a recorded one: recorded data stay as is."""
    recorded = folder.parent == paths.data("recorded").resolve()
    return (paths.runs() if recorded else folder.parent) / f"{folder.name}-repaired"


def _repairs_in(target: Path, *, of: Path) -> int:
    """How many repairs of the run `of` the run `target` holds; refuse a target that is another."""
    start = f"books of run {read_manifest(of).run_id} after "
    for note in read_manifest(target).notes:
        if note.startswith(start):
            return int(note.removeprefix(start).split()[0])
    todo = "choose another --out; it does not hold the repairs of this run"
    raise UsageFault("output exists and is another run", target, todo)


def _show(result: Reconciliation, as_json: bool, applied: dict[str, Any] | None = None) -> None:
    if as_json:
        echo_json(result.document() | ({} if applied is None else {"applied": applied}))
        return
    if applied is not None:
        click.echo(
            f"repairs posted now {applied['posted']}, found posted {applied['already_posted']}, "
            f"charges cancelled {applied['charges_cancelled']}: {applied['run']}"
        )
    totals = result.totals
    click.echo(
        f"asked for {totals['attempted_jpy']:,} yen: approved {totals['approved_jpy']:,}, declined "
        f"{totals['declined_jpy']:,}, failed {totals['failed_jpy']:,}, abandoned "
        f"{totals['abandoned_jpy']:,}"
    )
    click.echo(
        f"wallets hit {totals['wallets_affected']:,}, more than once "
        f"{totals['wallets_hit_again']:,}; outcomes unknown to the client "
        f"{totals['unknown_outcomes']:,}, of these paid {totals['unknown_outcomes_paid']:,}"
    )
    for row in result.by_finding.itertuples():
        click.echo(f"  {row.intentions:>8,}  {row.finding}: {REASONS[str(row.finding)]}")
    _show_refunds(result)
    for row in result.unresolved.itertuples():
        click.echo(f"unresolved  {row.idempotency_key}  {REASONS[str(row.reason)]}")
    for row in result.ledger_faults.itertuples():
        click.echo(f"ledger fault  account {row.account_id} is not the sum of its transfers")
    click.echo("both books agree" if result.books_agree else "the books do NOT agree")


def _show_refunds(result: Reconciliation) -> None:
    totals, refunds = result.totals, result.refunds_due
    click.echo(
        f"refunds due {len(refunds):,}: card {totals['refund_card_jpy']:,} yen to cancel, balance "
        f"{totals['refund_balance_jpy']:,} yen to return"
    )
    for row in refunds.head(20).itertuples():
        click.echo(
            f"  {row.idempotency_key}  card {row.card_part_jpy:,}  balance "
            f"{row.balance_part_jpy:,}  {row.reason}"
        )
    if len(refunds) > 20:
        click.echo(f"  ... and {len(refunds) - 20:,} more; --json lists all")
