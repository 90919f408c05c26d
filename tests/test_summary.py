"""`walletlab summary` and `walletlab validate`, as a user calls them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from log_case import LOGS, import_text, record, summary_of
from run_maker import attempt, write_run

from analysis.cli import run_cli
from analysis.importers.requests import import_requests

LOG_KEYS = {
    "records", "rejected", "durations", "lock_waits", "deadlocks", "errors", "checkpoints",
    "temp_files", "autovacuums", "connections",
}  # fmt: skip

MAPPING = """
[columns]
request_id = "id"
scheduled_at = "at"
outcome = "status"
[constants]
operation = "card_payment"
[values.outcome]
"200" = "approved"
"""


def test_summary_of_an_import_has_the_documented_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    assert run_cli(["import", "postgres-log", str(LOGS / "pg18.csv"), "--out", run]) == 0
    capsys.readouterr()
    assert run_cli(["summary", run, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary.keys() >= LOG_KEYS | {"rows"}
    assert summary["rows"] == {"pg_log": 205}
    statistics = {"count", "sum_us", "p50_us", "p95_us", "p99_us", "max_us"}
    assert summary["durations"].keys() >= statistics | {
        "statements",
        "binds",
        "parses",
        "plans",
        "bare",
    }
    assert summary["durations"]["statements"].keys() == statistics
    assert summary["durations"]["binds"].keys() == statistics
    assert summary["lock_waits"].keys() == {
        "started", "acquired", "ended_in_deadlock", "ended_otherwise", "wait_us_sum",
    }  # fmt: skip
    assert summary["errors"]["40P01"] == 1


def _keys(told: object, path: str = "") -> set[str]:
    """Dotted paths of the figures, with the documented word for keys that the log itself gives."""
    if not isinstance(told, dict):
        return {path}
    word = {"rows": "TABLE", "rejected_by_reason": "REASON", "errors": "SQLSTATE"}.get(path)
    nested = ((f"{path}.{word or key}".lstrip("."), value) for key, value in told.items())
    return set().union(*(_keys(value, name) for name, value in nested))


def test_the_page_on_imports_lists_every_key_and_no_other(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "imports.md").read_text()
    section = page.split("## What `walletlab summary RUN --json` tells")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    statistics = {"count", "sum_us", "p50_us", "p95_us", "p99_us", "max_us"}
    listed: set[str] = set()
    for keys in rows:
        named = set(re.findall("`([^`]+)`", keys))
        parts = statistics if next(iter(named)).startswith("durations") else set()
        listed |= {f"{name}.{part}" for name in named for part in parts} or named
    import_text(tmp_path, (LOGS / "pg18.csv").read_text() + "garbage\n")
    assert _keys(summary_of(tmp_path / "run")) == listed


def test_percentiles_are_nearest_rank_to_the_microsecond(tmp_path: Path) -> None:
    text = "".join(
        record(n, f"duration: {n * 37 % 1000}.{n:03d} ms  statement: select 1")
        for n in range(1, 251)
    )
    import_text(tmp_path, text)
    values = sorted((n * 37 % 1000) * 1000 + n for n in range(1, 251))
    told = summary_of(tmp_path / "run")["durations"]["statements"]
    assert (told["p50_us"], told["p95_us"], told["p99_us"]) == (
        values[124], values[237], values[247],
    )  # fmt: skip
    assert (told["count"], told["sum_us"], told["max_us"]) == (250, sum(values), values[-1])


def test_binds_and_parses_are_told_apart_from_statements(tmp_path: Path) -> None:
    steps = ("parse s1: select $1", "bind s1: select $1", "execute s1: select $1")
    again = ("plan:\nQuery Text: select 2", 'fastpath function call: "f" (OID 1)', "")
    text = "".join(
        record(n, f"duration: {n}.000 ms  {step}".rstrip(), detail="parameters: $1 = 'x'")
        for n, step in enumerate([*steps, "statement: select 2", *again], 1)
    )
    import_text(tmp_path, text)
    durations = summary_of(tmp_path / "run")["durations"]
    assert durations["count"] == 7
    assert durations["parses"]["sum_us"] == 1000
    assert durations["binds"]["sum_us"] == 2000
    assert (durations["statements"]["count"], durations["statements"]["sum_us"]) == (3, 13000)
    assert (durations["plans"]["count"], durations["plans"]["sum_us"]) == (1, 5000)
    assert (durations["bare"]["count"], durations["bare"]["sum_us"]) == (1, 7000)


def test_lines_set_aside_of_requests_are_none_of_the_server_log(tmp_path: Path) -> None:
    import_text(tmp_path, record(1, "ready") + "garbage\n")
    alone = summary_of(tmp_path / "run")
    assert alone["rejected"] == 1
    (tmp_path / "a.toml").write_text(MAPPING)
    requests = tmp_path / "requests.csv"
    requests.write_text("id,at,status\na,2026-03-14T12:00:00Z,200\nb,soon,200\n")
    imported = import_requests(requests, tmp_path / "a.toml", tmp_path / "run")
    assert sum(imported.rejects.values()) == 2
    together = summary_of(tmp_path / "run")
    assert together["rows"]["requests"] == 1
    assert together["rejected_by_reason"] == alone["rejected_by_reason"]
    assert together["rejected"] == 1


def test_a_log_without_durations_has_no_percentiles(tmp_path: Path) -> None:
    import_text(tmp_path, record(1, "checkpoint starting: time"))
    durations = summary_of(tmp_path / "run")["durations"]
    assert (durations["count"], durations["p99_us"]) == (0, None)


def test_summary_of_a_run_without_server_log_claims_nothing_of_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [attempt(1, 0, 0.1), attempt(2, 1, 0.1)])
    summary = summary_of(run)
    assert summary["rows"]["requests"] == 2
    assert not summary.keys() & LOG_KEYS


def test_summary_prints_text_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", [attempt(1, 0, 0.1)])
    assert run_cli(["summary", str(run)]) == 0
    assert "requests: 1" in capsys.readouterr().out


def test_validate_tells_a_damaged_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import_text(tmp_path, record(1, "ready"))
    run = str(tmp_path / "run")
    assert run_cli(["validate", run]) == 0
    with (tmp_path / "run" / "pg_log.parquet").open("ab") as file:
        file.write(b"x")
    assert run_cli(["validate", run]) == 1
    assert "sha256 differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["summary", "no-such-run"], 2, "no such run"),
        (["import", "postgres-log", "none.csv", "--out", "x"], 2, "no such log file"),
        (["import", "postgres-log", "a", "--out", "x", "--format", "cvs"], 2, "--format"),
        (["import", "postgres-log", "a", "--out", "none/x", "--append"], 2, "nothing to append"),
        (["import", "requests", "none.csv", "--out", "x"], 2, "--mapping"),
        (["watch", "--out", "x", "--dsn", "host=/nonexistent"], 3, "cannot connect"),
        (["watch", "--out", "x", "--dsn", "host=/nonexistent", "--for", "soon"], 2, "10min"),
    ],
)
def test_wrong_calls_are_told_in_one_line(
    arguments: list[str],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_cli(arguments) == code
    error = capsys.readouterr().err.strip()
    assert told in error
    assert "\n" not in error
    assert not list(tmp_path.iterdir())
