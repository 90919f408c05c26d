"""What a server log tells by itself, where no lock wait was long enough to be logged."""

from __future__ import annotations

from pathlib import Path

import pytest
from bottleneck_runs import Log, write_run

from analysis.bottleneck.statements import looks_rows_up, takes_rows
from analysis.bottleneck.verdict.diagnose import Diagnosis, diagnose

BEGIN_S, END_S, RECORD_S = 20, 40, 60
READ, CHANGE = "SELECT a FROM t WHERE b = 1", "UPDATE t SET a = 2 WHERE b = 1"
INSERT = "INSERT INTO t (a) VALUES (1)"
TO_THE_TOP = "SELECT pg_logical_emit_message(true, 'a', repeat('b', 10))"


def _slow(folder: Path, statement: str, *, a_second: int = 15, ms: float = 150.0) -> Diagnosis:
    """A log whose threshold shows slow statements only, and twenty seconds full of them."""
    log = Log()
    for second in range(0, RECORD_S, 7):
        log.duration(second, "calm", 1, 120.0, "SELECT c FROM u")
    for number in range((END_S - BEGIN_S) * a_second):
        pid = 20 + number % 10
        log.duration(BEGIN_S + 0.2 + number / a_second, f"s{pid}", pid, ms, statement)
    log.add(RECORD_S, "calm", 1, "x")
    return diagnose(write_run(folder, pg_log=log.records))


def _covers_the_trouble(found: Diagnosis) -> bool:
    first, last = found.window.first, found.window.last
    return found.window.found and abs(first - BEGIN_S) <= 3 and abs(last - END_S) <= 3


def test_slow_statements_in_a_row_mark_the_window(tmp_path: Path) -> None:
    found = _slow(tmp_path / "run", READ)
    assert _covers_the_trouble(found)
    assert "log_slow" in found.window.scores
    assert set(found.causes) == {"missing_index", "plan_flip"}


@pytest.mark.parametrize("statement", [CHANGE, INSERT])
def test_changes_that_are_slow_without_a_logged_wait_are_a_guess(
    statement: str, tmp_path: Path
) -> None:
    found = _slow(tmp_path / "run", statement)
    first = found.findings[0]
    assert (first.cause, first.kind) == ("hot_row", "problem")
    assert first.confidence <= 0.5
    assert "a guess" in first.headline
    assert ("missing_index" in found.causes) == (statement == CHANGE)


def test_what_searches_no_table_has_neither_a_bad_plan_nor_a_row_to_wait_for(
    tmp_path: Path,
) -> None:
    assert _slow(tmp_path / "run", TO_THE_TOP).causes == []


def test_statements_as_slow_as_ever_are_no_anomaly(tmp_path: Path) -> None:
    log = Log()
    for number in range(RECORD_S * 10):
        log.duration(number / 10 + 0.05, f"s{number % 10}", 20 + number % 10, 150.0, READ)
    found = diagnose(write_run(tmp_path / "run", pg_log=log.records))
    assert not found.window.found
    assert found.problems == []


@pytest.mark.parametrize(("every_s", "odd"), [(0.5, True), (15.0, False)])
def test_checkpoints_one_after_the_other_are_an_anomaly(
    every_s: float, *, odd: bool, tmp_path: Path
) -> None:
    log = Log()
    for number in range(int((END_S - BEGIN_S) / every_s)):
        second = BEGIN_S + number * every_s
        log.add(second, "cp", 5, "checkpoint starting: wal", backend_type="checkpointer")
    for second in (0, RECORD_S):
        log.add(second, "calm", 1, "x")
    found = diagnose(write_run(tmp_path / "run", pg_log=log.records))
    assert found.window.found == odd
    if odd:
        assert _covers_the_trouble(found)


@pytest.mark.parametrize(
    ("statement", "looks", "takes"),
    [
        (READ, True, False),
        (CHANGE, True, True),
        (INSERT, False, True),
        ("insert into t select a from u", True, True),
        ("? WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x", True, True),
        ("SELECT a FROM t WHERE b = ? FOR NO KEY UPDATE", True, True),
        ("COPY t FROM STDIN", False, False),
        ("COPY (SELECT a FROM t) TO STDOUT", True, False),
        ("COMMIT", False, False),
        ("EXECUTE prepared_one", True, False),
        (TO_THE_TOP, False, False),
        ("", True, False),
        (None, True, False),
    ],
)  # fmt: skip
def test_what_a_statement_does(statement: str | None, *, looks: bool, takes: bool) -> None:
    assert (looks_rows_up(statement), takes_rows(statement)) == (looks, takes)
