"""`walletlab reconcile` as a user meets it: exit codes, one line an error, JSON alone."""

from __future__ import annotations

import json

import pytest
from money_case import CARD, SETTLEMENT, Case
from test_reconcile_files import LEDGER, MAPPING, STATEMENT, write

from analysis.cli import run_cli

W = 100


@pytest.fixture
def run(tmp_path):
    case = Case()
    case.wallet(W, 50)
    case.request("mixed", 200, "failed")
    case.move("mixed", W, SETTLEMENT, 50, kind="pending")
    case.charge("mixed", 150)
    case.wallet(101, 500)
    case.request("paid", 800, "approved", wallet=101)
    case.paid("paid", 101, 500, 300)
    case.request("late", 70, "timed_out", wallet=101, second=5)
    case.charge("late", 70, second=5)
    case.request("lost", 90, "approved", wallet=101, second=6)
    case.move("lost", CARD, 101, 90, code="auto_charge", second=6)
    case.move("lost", 101, SETTLEMENT, 90, second=6)
    return case.write(tmp_path / "run")


def test_json_has_the_promised_keys_and_nothing_else_is_printed(run, capsys):
    assert run_cli(["reconcile", str(run), "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert err == ""
    assert {"refunds_due", "totals", "books_agree", "unresolved"} <= set(document)
    rows = {r["idempotency_key"]: r for r in document["refunds_due"]}
    assert set(rows) == {"mixed", "late"}
    wanted = {"idempotency_key", "card_part_jpy", "balance_part_jpy", "reason"}
    assert all(wanted <= set(r) for r in rows.values())
    assert (rows["mixed"]["card_part_jpy"], rows["mixed"]["balance_part_jpy"]) == (150, 50)
    assert document["books_agree"] is False


def test_the_words_for_people_name_refunds_and_the_verdict(run, capsys):
    assert run_cli(["reconcile", str(run)]) == 0
    out = capsys.readouterr().out
    assert "refunds due 2: card 220 yen to cancel, balance 50 yen to return" in out
    assert "the books do NOT agree" in out


@pytest.mark.engine
def test_apply_repairs_everything_once_and_leaves_the_evidence_alone(run, capsys):
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    assert run_cli(["reconcile", str(run), "--apply", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["books_agree"]
    assert first["refunds_due"] == first["unresolved"] == []
    assert first["applied"]["posted"] == 3  # two refunds, and one loss written off
    assert first["applied"]["charges_cancelled"] == 2
    assert run_cli(["reconcile", str(run), "--apply", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert (second["applied"]["posted"], second["applied"]["already_posted"]) == (0, 3)
    assert second["totals"] == first["totals"]
    assert {p.name: p.read_bytes() for p in run.iterdir()} == before


def test_apply_refuses_a_target_that_is_another_run(run, tmp_path, capsys):
    other = Case()
    other.request("x", 10, "failed")
    target = other.write(tmp_path / "other")
    assert run_cli(["reconcile", str(run), "--apply", "--out", str(target)]) == 2
    assert "output exists and is another run" in capsys.readouterr().err


def test_own_files_are_reconciled(tmp_path, capsys):
    ledger, statement, mapping = (str(p) for p in write(tmp_path))
    files = ["--ledger", ledger, "--statement", statement, "--mapping", mapping]
    assert run_cli(["reconcile", *files, "--json"]) == 0
    keys = [r["idempotency_key"] for r in json.loads(capsys.readouterr().out)["refunds_due"]]
    assert keys == ["a", "b"]
    assert run_cli(["reconcile", *files, "--apply"]) == 2
    assert "--apply works on runs of the engine" in capsys.readouterr().err


def test_a_bad_row_ends_with_one_line_and_exit_code_1(tmp_path, capsys):
    bad = STATEMENT.replace("2,b,500", "2,b,500.5")
    ledger, statement, mapping = (str(p) for p in write(tmp_path, LEDGER, bad, MAPPING))
    files = ["--ledger", ledger, "--statement", statement, "--mapping", mapping]
    assert run_cli(["reconcile", *files]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "statement.csv row 3: amount has decimals, '500.5'" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["reconcile"], 2),
        (["reconcile", "nosuch"], 2),
        (["reconcile", "healthy", "--ledger", "x", "--statement", "y", "--mapping", "z"], 2),
        (["reconcile", "--ledger", "x"], 2),
        (["reconcile", "--ledger", "x", "--statement", "y", "--mapping", "z"], 1),
    ],
)
def test_impossible_requests_are_one_line(arguments, code, capsys):
    assert run_cli(arguments) == code
    assert capsys.readouterr().err.count("\n") == 1
