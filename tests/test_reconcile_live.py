"""Refunds found in runs that really broke, against a truth worked out row by row in plain Python.

The truth below shares nothing with the reconciliation but the run's raw rows: no SQL, no join, one
pass over each table with dictionaries.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from analysis.cli import run_cli
from reference_engine.repair import post_repairs, rebuild_ledger
from runlog.reader import open_run

pytestmark = pytest.mark.engine

SCENARIO = """
name = "{name}"
title = "money test"
about = "short run for the reconciliation tests"
seed = {seed}
duration_s = 6
drain_s = 5
design = "{design}"
fronts = 2
sampler_hz = 1

[flags]
settlement_shards = {shards}
pool_size = 12
pool_timeout_ms = 1500
client_timeout_ms = 1000
gateway_timeout_ms = 1200
retries = 0
backoff = "exponential"
backoff_ms = 200

[population]
wallets = 300
merchants = 20
opening_balance_jpy = [0, 3000]

[gateway]
latency_ms = 150
latency_sigma = 0.5
decline_share = 0.02
capacity = 200

[[phases]]
label = "load"
start_s = 0
end_s = 6
rate_per_s = 40
mix = {{ card_payment = 0.76, p2p_transfer = 0.1, top_up = 0.06, refund = 0.08 }}

{faults}
"""
PARTITION = """
[[faults]]
name = "gateway_partition"
start_s = 2
end_s = 4
parameters = {{ how = "{how}" }}
"""
KILL_9 = """
[[faults]]
name = "server_crash"
start_s = 2
end_s = 3
[[faults]]
name = "front_stopped"
start_s = 3.5
end_s = 4.5
parameters = { front = 1 }
"""
SURGE = """
[[faults]]
name = "access_surge"
start_s = 1
end_s = 4
parameters = { factor = 4.0, ramp_s = 0.5 }
"""
# name -> design, settlement shards, faults
CASES = {
    "gateway_partition": ("lock_across_call", 16, PARTITION.format(how="black_hole")),
    "kill_9": ("lock_across_call", 16, KILL_9),
    "surge": ("lock_across_call", 1, SURGE),
    "gateway_partition_phased": ("phased", 8, PARTITION.format(how="drop")),
}


@pytest.fixture(scope="module", params=CASES)
def broken(request, tmp_path_factory) -> tuple[str, Path]:
    """A run of one scenario, kept for the module."""
    from reference_engine.run import run_scenario
    from reference_engine.scenario import load_scenario

    folder = tmp_path_factory.mktemp(request.param)
    design, shards, faults = CASES[request.param]
    text = SCENARIO.format(
        name=request.param.replace("_", "-"), seed=7, design=design, shards=shards, faults=faults
    )
    (folder / "scenario.toml").write_text(text, "utf-8")
    scenario = load_scenario(str(folder / "scenario.toml"))
    return request.param, run_scenario(scenario, folder / "run")


def raw(folder: Path) -> dict[str, list[dict]]:
    """Every row of the four tables, as it lies in the run."""
    run = open_run(folder)
    rows = {
        t: run.connection.execute(f"SELECT * FROM {t}").df().to_dict("records")
        for t in ("requests", "ledger_accounts", "ledger_transfers", "gateway_charges")
    }
    run.close()
    return rows


def card_positions(folder: Path) -> tuple[int, int]:
    """Yen the cards gave, as the ledger says and as the gateway says."""
    rows = raw(folder)
    kind = {a["account_id"]: a["kind"] for a in rows["ledger_accounts"]}
    ledger = 0
    for t in rows["ledger_transfers"]:
        if t["kind"] in ("posted", "post_pending"):
            ledger += t["amount_jpy"] * (kind[t["debit_account_id"]] == "card_funding")
            ledger -= t["amount_jpy"] * (kind[t["credit_account_id"]] == "card_funding")
    gateway = sum(c["amount_jpy"] for c in rows["gateway_charges"] if c["status"] == "captured")
    return ledger, gateway


def truth_of(folder: Path) -> dict[str, tuple[int, int]]:
    """key -> (balance part, card part) due, from the raw rows."""
    rows = raw(folder)
    kind = {a["account_id"]: a["kind"] for a in rows["ledger_accounts"]}
    ended = {t["pending_id"] for t in rows["ledger_transfers"] if t["kind"].endswith("_pending")}
    paid, from_card, held, refunds = Counter(), Counter(), Counter(), Counter()
    asked, approved = {}, set()
    for r in rows["requests"]:
        asked[r["idempotency_key"]] = r["amount_jpy"]
        if r["outcome"] == "approved":
            approved.add(r["idempotency_key"])
    card_given_back = defaultdict(int)
    for t in rows["ledger_transfers"]:
        key, yen = t["idempotency_key"], t["amount_jpy"]
        giver, taker = kind[t["debit_account_id"]], kind[t["credit_account_id"]]
        if t["kind"] == "pending" and t["transfer_id"] not in ended:
            held[key] += yen
        if t["kind"] not in ("posted", "post_pending"):
            continue
        if giver == "card_funding":
            from_card[key] += yen
        if giver == "wallet" and taker in ("settlement", "wallet"):
            paid[key] += yen
        if taker == "card_funding":
            card_given_back[key] += yen
    wallet = {r["idempotency_key"]: r["wallet_id"] for r in rows["requests"]}
    for key, yen in card_given_back.items():
        refunds[wallet[key], asked[key], yen] += 1
    due = {}
    for charge in sorted(rows["gateway_charges"], key=lambda c: c["idempotency_key"]):
        key, yen = charge["idempotency_key"], charge["amount_jpy"]
        complete = paid[key] == asked[key]
        if charge["status"] == "captured" and not complete:
            assert key not in approved
            due[key] = (held[key] + max(0, paid[key] - from_card[key]), yen)
        if charge["status"] == "captured" and complete and yen > from_card[key]:
            due[key] = (0, yen - from_card[key])
        if charge["status"] == "refunded" and complete:
            match = (wallet[key], asked[key], yen)
            refunds[match] -= 1
            if refunds[match] < 0:
                due[key] = (asked[key] - yen, 0)
    for key, yen in held.items():
        if key not in due and yen:
            due[key] = (yen, 0)
    return {k: v for k, v in due.items() if sum(v)}


def told(capsys, *arguments: str) -> dict:
    assert run_cli([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_every_due_refund_is_found_and_none_invented(broken, capsys):
    name, folder = broken
    truth = truth_of(folder)
    document = told(capsys, "reconcile", str(folder))
    found = {
        r["idempotency_key"]: (r["balance_part_jpy"], r["card_part_jpy"])
        for r in document["refunds_due"]
    }
    assert found == truth
    assert document["totals"]["refund_card_jpy"] == sum(c for _, c in truth.values())
    assert document["totals"]["refund_balance_jpy"] == sum(b for b, _ in truth.values())
    assert document["unresolved"] == []
    assert document["ledger_faults"] == []
    if CASES[name][0] == "lock_across_call":
        assert truth, "a rollback after a capture must leave refunds, else the run proves nothing"
    else:
        assert document["books_agree"], "phased settles every unknown outcome in its drain"


def test_applied_repairs_make_both_books_agree_and_a_second_time_changes_nothing(broken, capsys):
    _, folder = broken
    before = hashes(folder)
    first = told(capsys, "reconcile", str(folder), "--apply")
    assert first["books_agree"]
    assert first["refunds_due"] == []
    assert first["applied"]["by_hand"] == {}
    repaired = Path(first["applied"]["run"])
    after = hashes(repaired)
    ledger_jpy, gateway_jpy = card_positions(repaired)
    assert ledger_jpy == gateway_jpy
    second = told(capsys, "reconcile", str(folder), "--apply")
    third = told(capsys, "reconcile", str(repaired), "--apply")
    assert second["applied"]["posted"] == third["applied"]["posted"] == 0
    assert second["applied"]["already_posted"] == first["applied"]["posted"]
    assert second["totals"] == first["totals"] == third["totals"]
    assert (hashes(folder), hashes(repaired)) == (before, after)


def test_the_same_repairs_posted_twice_into_one_ledger_move_money_once(broken):
    from analysis.reconcile.books import load_run
    from analysis.reconcile.repairs import plan_repairs
    from reference_engine.ledger.schema import connection_to
    from reference_engine.postgres import EmbeddedServer

    _, folder = broken
    run = open_run(folder)
    plan = plan_repairs(load_run(run))
    repairs = [r.as_dict() for r in plan.repairs]
    balances = "SELECT * FROM accounts ORDER BY account_id"
    with EmbeddedServer() as server:
        rebuild_ledger(run, server.dsn, server.schema)
        with connection_to(server.dsn, server.schema) as connection:
            assert post_repairs(connection, repairs) == (len(repairs), 0)
            once = connection.execute(balances).fetchall()
            assert post_repairs(connection, repairs) == (0, len(repairs))
            assert connection.execute(balances).fetchall() == once
    run.close()
