"""The money report of one run: frames, sentences and figures for the notebook `04_money_impact`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis import tables
from analysis.charts import kit
from analysis.paths import find_run
from analysis.reconcile import impact
from analysis.reconcile.result import REASONS, Reconciliation, reconcile_run
from runlog.manifest import Clock, Manifest
from runlog.reader import Run, open_run
from runlog.schema import OPERATIONS

BUCKETS = 60  # of the time axis
REFUND_LABELS = {
    "idempotency_key": "Request key",
    "wallet_id": "Wallet",
    "card_part_jpy": "Card part: cancel (yen)",
    "balance_part_jpy": "Balance part: return (yen)",
}
WORKED_LABELS = {
    "about": "What happened",
    "purchase_jpy": "Purchase (yen)",
    "balance_part_jpy": "To the balance (yen)",
    "card_part_jpy": "Cancelled on the card (yen)",
}


@dataclass(frozen=True)
class MoneyReport:
    """Everything the notebook shows of one run. Times in the frames are on the incident's clock."""

    manifest: Manifest
    result: Reconciliation
    over_time: pd.DataFrame
    events: pd.DataFrame
    wallets: pd.DataFrame
    limbo: pd.DataFrame
    bucket_s: int

    @property
    def totals(self) -> dict[str, int]:
        return self.result.totals

    @property
    def lost_jpy(self) -> int:
        """Yen asked for that failed for technical reasons."""
        return self.totals["failed_jpy"] + self.totals["abandoned_jpy"]

    @property
    def due_jpy(self) -> int:
        return self.totals["refund_card_jpy"] + self.totals["refund_balance_jpy"]


def money_report(name: str) -> MoneyReport:
    """Return the report of a run directory, or of a recorded run by name.

    Raises UsageFault when there is none, BadData when it has not both books.
    """
    run = open_run(find_run(name))
    try:
        result = reconcile_run(run)
        con = run.connection
        bucket_s = _bucket_s(run)
        over_time = impact.money_over_time(con, bucket_s)
        clock = run.manifest.clock
        over_time["at"] = _incident_time(over_time["at"], clock)
        events = con.execute('SELECT "at", kind, label, important FROM events ORDER BY "at"').df()
        events["at"] = _incident_time(events["at"], clock)
        wallets, limbo = impact.wallets_hit(con), impact.limbo(con)
    finally:
        run.close()
    return MoneyReport(run.manifest, result, over_time, events, wallets, limbo, bucket_s)


def _bucket_s(run: Run) -> int:
    query = "SELECT date_diff('second', min(scheduled_at), max(scheduled_at)) FROM requests"
    length_s = run.connection.execute(query).fetchall()[0][0] or 1
    return max(1, round(length_s / BUCKETS))


def _incident_time(times: pd.Series, clock: Clock) -> pd.Series:
    if not len(times):
        return times
    moved = kit.incident_time(times, clock.scenario_start, clock.wall_start, clock.compression)
    return moved.reset_index(drop=True)


def bucket_words(report: MoneyReport) -> str:
    """Width of a time bucket in words, on both clocks when they differ.

    Latencies and counts are measured in run time; only the axis shows the incident's clock.
    """
    clock = report.manifest.clock
    if clock.scenario_start is None or clock.compression == 1:
        return f"per {report.bucket_s} s"
    return f"per {report.bucket_s} s of the run"


def refunds_by_reason(report: MoneyReport) -> pd.DataFrame:
    """Return reason (in words), intentions, card_jpy, balance_jpy; the largest first."""
    frame = report.result.refunds_due
    if frame.empty:
        return pd.DataFrame(columns=["reason", "intentions", "card_jpy", "balance_jpy"])
    grouped = frame.groupby("reason", as_index=False).agg(
        intentions=("idempotency_key", "count"),
        card_jpy=("card_part_jpy", "sum"),
        balance_jpy=("balance_part_jpy", "sum"),
    )
    grouped["reason"] = [REASONS[str(r)] for r in grouped["reason"]]
    order = (grouped["card_jpy"] + grouped["balance_jpy"]).sort_values(ascending=False).index
    return grouped.loc[order].reset_index(drop=True)


def by_finding(report: MoneyReport) -> pd.DataFrame:
    """Return one row a finding, in words, with intentions and yen."""
    frame = report.result.by_finding.copy()
    frame["meaning"] = [REASONS[str(f)] for f in frame["finding"]]
    money = ["asked_jpy", "card_due_jpy", "balance_due_jpy", "shortfall_jpy"]
    return frame[["finding", "meaning", "intentions", *money]]


def finding_table(report: MoneyReport) -> tables.Html:
    """Return the table of findings for the reader."""
    money = ["asked_jpy", "card_due_jpy", "balance_due_jpy", "shortfall_jpy"]
    labels = {
        "asked_jpy": "Asked for (yen)",
        "card_due_jpy": "Card part due (yen)",
        "balance_due_jpy": "Balance part due (yen)",
        "shortfall_jpy": "Owed to the company (yen)",
    }
    return tables.table(
        by_finding(report), "by-finding", formats=dict.fromkeys(money, "yen"), labels=labels
    )


def refund_table(report: MoneyReport, first: int = 15) -> tables.Html:
    """Return the largest refunds due; the caption tells how many there are in all."""
    frame = report.result.refunds_due.copy()
    size = (frame["card_part_jpy"] + frame["balance_part_jpy"]).sort_values(
        ascending=False, kind="stable"
    )
    columns = ["idempotency_key", "wallet_id", "operation", "card_part_jpy", "balance_part_jpy"]
    shown = frame.loc[size.index[:first], [*columns, "reason"]]
    return tables.table(
        shown,
        "refunds",
        formats={
            "wallet_id": "text",
            "card_part_jpy": "yen",
            "balance_part_jpy": "yen",
        },
        labels=REFUND_LABELS,
        caption=f"The {len(shown)} largest of {len(frame):,} refunds due",
    )


def hits_per_wallet(report: MoneyReport) -> pd.DataFrame:
    """Return hits (failures of one wallet) and wallets (how many had so many)."""
    counted = report.wallets["hits"].value_counts().sort_index()
    return pd.DataFrame({"hits": counted.index, "wallets": counted.to_numpy()})


def headline_tiles(report: MoneyReport) -> tables.Html:
    """Return the big values at the top of the report."""
    totals = report.totals
    share = report.lost_jpy / totals["attempted_jpy"] if totals["attempted_jpy"] else 0.0
    lost = tables.yen(report.lost_jpy)
    refunds = len(report.result.refunds_due)
    again = f"{totals['wallets_hit_again']:,} more than once"
    agree = report.result.books_agree
    return tables.tiles(
        [
            tables.Tile(
                "Not paid for technical reasons", lost, f"{tables.percent(share)} of asked"
            ),
            tables.Tile(
                "Owed back",
                tables.yen(report.due_jpy),
                f"{refunds:,} refunds",
                "bad" if report.due_jpy else "good",
            ),
            tables.Tile("Wallets hit", f"{totals['wallets_affected']:,}", again),
            tables.Tile(
                "Books agree",
                "yes" if agree else "no",
                "ledger against gateway",
                "good" if agree else "bad",
            ),
        ]
    )


def summary_sentences(report: MoneyReport, other: MoneyReport | None = None) -> list[str]:
    """Return the executive summary, every figure from the data."""
    totals, result = report.totals, report.result
    said = [
        (
            f"Customers asked for **{tables.yen(totals['attempted_jpy'])}**; "
            f"**{tables.yen(report.lost_jpy)}** of it "
            f"({tables.percent(report.lost_jpy / max(1, totals['attempted_jpy']))}) failed, "
            f"timed out or "
            "was turned away for technical reasons."
        ),
        _due_sentence(result, totals),
        (
            f"{totals['wallets_affected']:,} wallets were hit, {totals['wallets_hit_again']:,} "
            f"of them "
            "more than once."
        ),
        (
            f"For {totals['unknown_outcomes']:,} payments the client never learned the outcome; "
            f"{totals['unknown_outcomes_paid']:,} of these were paid after all."
        ),
        *_limbo_sentence(report),
    ]
    if other is not None:
        said.append(
            f"The design `{other.manifest.design}` {_load(report, other)} left "
            f"**{tables.yen(other.due_jpy)}** owed back and {tables.yen(other.lost_jpy)} unpaid."
        )
    return said


def _load(report: MoneyReport, other: MoneyReport) -> str:
    """Whether the other run was asked for the same, in words: only then are both comparable."""
    asked = [(r.totals["intentions"], r.totals["attempted_jpy"]) for r in (report, other)]
    if asked[0] == asked[1]:
        return "under the same load"
    return f"under another load ({tables.yen(asked[1][1])} asked for)"


def _limbo_sentence(report: MoneyReport) -> list[str]:
    """How long money was charged or held for purchases that failed; nothing when none was."""
    said = []
    for row in impact.limbo_summary(report.limbo).to_dict("records"):
        median, longest = (tables.duration(row[f"limbo_us_{n}"]) for n in ("median", "max"))
        if row["intentions"]:
            amount = tables.yen(row["amount_jpy"])
            said.append(
                f"{row['intentions']:,} {row['state']} ({amount}, median {median}, longest "
                f"{longest} of run time)"
            )
    if not said:
        return []
    return ["Money was charged or held for purchases that failed: " + "; ".join(said) + "."]


def _due_sentence(result: Reconciliation, totals: dict[str, int]) -> str:
    if not len(result.refunds_due):
        agree = "agree" if result.books_agree else "do NOT agree"
        return f"**No refund is due**; ledger and gateway {agree} on every key."
    return (
        f"**{len(result.refunds_due):,} refunds are due**: "
        f"{tables.yen(totals['refund_card_jpy'])} to cancel on cards and "
        f"{tables.yen(totals['refund_balance_jpy'])} to return to balances; for "
        f"{totals['keys_that_differ']:,} intentions the gateway's books say another card amount "
        f"than the ledger."
    )


def metrics(report: MoneyReport) -> dict[str, Any]:
    """Return the figures of the report for machines."""
    return {
        **report.totals,
        "books_agree": report.result.books_agree,
        "unresolved": len(report.result.unresolved),
        "findings": {
            str(r.finding): int(r.intentions)  # type: ignore[arg-type]
            for r in report.result.by_finding.itertuples()
        },
    }


def short_text(report: MoneyReport) -> str:
    """Return a few rounded lines that a recorded run reproduces exactly."""
    totals = report.totals
    names = ("attempted_jpy", "failed_jpy", "abandoned_jpy", "refunds_due", "refund_card_jpy")
    names += ("refund_balance_jpy", "wallets_affected", "wallets_hit_again")  # type: ignore[assignment]
    lines = [f"{name} {totals[name]}" for name in names]
    return "\n".join([*lines, f"books_agree {report.result.books_agree}"])


def findings(report: MoneyReport, other: MoneyReport | None = None) -> list[tables.Finding]:
    """Return the findings table's rows."""
    totals = report.totals
    items = [
        tables.Finding(
            "Money must be given back" if report.due_jpy else "No money must be given back",
            f"{len(report.result.refunds_due):,} refunds, card "
            f"{tables.yen(totals['refund_card_jpy'])}, balance "
            f"{tables.yen(totals['refund_balance_jpy'])}",
            "measured",
            "every key of both books compared",
        ),
        tables.Finding(
            "The books agree" if report.result.books_agree else "The books do not agree",
            f"ledger {tables.yen(totals['ledger_card_jpy'])}, gateway "
            f"{tables.yen(totals['gateway_captured_jpy'])}; {totals['keys_that_differ']:,} keys "
            f"differ",
            "measured",
            "exact",
        ),
        tables.Finding(
            "Refund rule: balance part to the balance, card part cancelled",
            "notice of 2018-10-16, page.kyash.co/maintenance/20181016",
            "public record",
            "high",
        ),
    ]
    if other is not None:
        items.append(
            tables.Finding(
                f"Design {other.manifest.design} {_load(report, other)}",
                f"owed back {tables.yen(other.due_jpy)} against {tables.yen(report.due_jpy)}",
                "measured",
                "one recorded run each",
            )
        )
    return items


def caveats(report: MoneyReport) -> list[str]:
    """Return what a reader must keep in mind."""
    said = [
        (
            "The amounts are those of the reference wallet: the rates and balances of the "
            "scenario are "
            "assumptions, because no figure of the real outage was published."
        ),
        (
            "That a database row held during the card call was the cause in 2018 is a "
            "**hypothesis** of "
            "one blogger, who called it a guess; the published cause is concentrated access."
        ),
        (
            "A payment that both books hold is not refunded, whatever the client was told: only "
            "the "
            "merchant knows whether the goods were handed over."
        ),
    ]
    if report.manifest.kind != "engine":
        said.append("The run was imported: only what its tables hold was compared.")
    known = ", ".join(o for o in OPERATIONS if o != "balance_inquiry")
    return [*said, f"Compared operations: {known}; a balance inquiry moves no money."]
