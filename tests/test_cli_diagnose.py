"""`walletlab diagnose`: the JSON document, the words, and one clear line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bottleneck_runs import Log, write_run

from analysis.cli import run_cli

RECORDED = "kyash-2018-10-09"


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert run_cli(["diagnose", *arguments, "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def test_json_has_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    document = _json(capsys, RECORDED)
    assert {"window", "findings", "root_blockers", "hot_rows"} <= set(document)
    assert {"start", "end"} <= set(document["window"])
    for finding in document["findings"]:
        assert finding["kind"] in ("problem", "symptom", "no_problem")
        assert finding["impact_of"] in ("db_time", "request_time")
        assert 0 <= finding["impact_pct"] <= 100
        assert 0 <= finding["confidence"] <= 1
        keys = {"cause", "evidence", "told_from", "advice"}
        assert keys <= set(finding)
    first = document["findings"][0]
    assert (first["cause"], first["kind"]) == ("lock_across_call", "problem")
    assert first["evidence"]
    assert document["root_blockers"][0]["root_state"] == "idle in transaction"
    assert document["hot_rows"][0]["relation"] == "accounts"


def test_findings_come_problems_first(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = [f["kind"] for f in _json(capsys, RECORDED)["findings"]]
    assert kinds == sorted(kinds, key=["problem", "symptom", "no_problem"].index)


def test_words_name_the_cause_its_evidence_and_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_cli(["diagnose", RECORDED]) == 0
    said = capsys.readouterr().out
    assert "lock_across_call" in said.splitlines()[0]
    assert "do: Do not call outside services" in said
    assert "not hot_row:" in said


def test_logs_alone_say_what_they_cannot_tell(capsys: pytest.CaptureFixture[str]) -> None:
    document = _json(capsys, RECORDED, "--evidence", "logs")
    assert document["evidence_used"] == ["logs"]
    assert any("idle in transaction" in q["question"] for q in document["cannot_tell"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nosuch"], "no such run · nosuch"),
        ([RECORDED, "--window", "yesterday", "today"], "not a time · yesterday"),
        (
            [RECORDED, "--window", "2026-11-23T06:00:00", "2026-11-23T05:00:00"],
            "window ends before it starts",
        ),
        ([RECORDED, "--evidence", "rumours"], "unknown evidence · rumours"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["diagnose", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert told in printed.err
    assert len(printed.err.strip().splitlines()) == 1


def test_damaged_run_is_one_line_and_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log()
    log.add(1, "s", 1, "statement: SELECT ?")
    folder = write_run(tmp_path / "run", pg_log=log.records)
    (folder / "pg_log.parquet").write_bytes(b"PAR1")
    assert run_cli(["diagnose", str(folder)]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_every_root_of_a_log_is_listed_with_its_victims(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log()
    for number in range(30):
        second, root, victim = 10.0 + number, 100 + number, 200 + number
        log.add(second, f"r{root}", root, "statement: BEGIN", session_start=second)
        log.waiting(second + 0.2, f"w{victim}", victim, f"transaction {number}", [root])
        log.acquired(second + 0.5, f"w{victim}", victim, f"transaction {number}", 400.0)
    document = _json(capsys, str(write_run(tmp_path / "run", pg_log=log.records)))
    found = {(r["pid"], r["session_id"], *r["victim_pids"]) for r in document["root_blockers"]}
    assert found == {(100 + n, f"r{100 + n}", 200 + n) for n in range(30)}
