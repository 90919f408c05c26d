"""Lock waits of a log as episodes: whose they are, how long they were, and how they ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from log_case import record, summary_of

from analysis.importers.postgres import Options, import_postgres_logs
from analysis.logevents import create
from runlog.reader import open_run

WAITING = "process {0} still waiting for ShareLock on transaction {1} after 1000.100 ms"
ACQUIRED = "process {0} acquired ShareLock on transaction {1} after 3000.100 ms"
TIMEOUT = "canceling statement due to lock timeout"


def _told(folder: Path, **texts: str) -> dict[str, int]:
    """Import each text as a file (its last "_" is the dot); return the summary's lock waits."""
    paths = [folder / ".".join(name.rsplit("_", 1)) for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text)
    import_postgres_logs(paths, folder / "run", Options())
    return summary_of(folder / "run")["lock_waits"]


def _waits(folder: Path) -> list[tuple[object, ...]]:
    """(process_id, outcome, end_sql_state_code, wait_us) of every wait, in order of start."""
    run = open_run(folder / "run")
    try:
        create(run.connection)
        return run.connection.execute(
            "SELECT process_id, outcome, end_sql_state_code, wait_us FROM log_lock_waits "
            "ORDER BY started_at, process_id"
        ).fetchall()
    finally:
        run.close()


def _line(at: str, pid: int, text: str) -> str:
    return f"2026-03-14 {at} UTC [{pid}] {text}\n"


def _counted(acquired: int, otherwise: int, wait_us: int, deadlock: int = 0) -> dict[str, int]:
    return {
        "started": acquired + otherwise + deadlock, "acquired": acquired,
        "ended_in_deadlock": deadlock, "ended_otherwise": otherwise, "wait_us_sum": wait_us,
    }  # fmt: skip


def test_a_wait_goes_on_in_the_next_file_of_a_rotated_log(tmp_path: Path) -> None:
    before = _line("12:00:00.100", 77, "LOG:  " + WAITING.format(77, 5))
    after = _line("12:00:01.900", 78, "LOG:  shutting down")
    after += _line("12:00:02.100", 77, "LOG:  " + ACQUIRED.format(77, 5))
    assert _told(tmp_path, a_log=before, b_log=after) == _counted(1, 0, 3_000_100)


def test_files_that_share_a_whole_second_follow_each_other(tmp_path: Path) -> None:
    head = "2026-03-14 12:00:0{0} UTC [77] LOG:  "
    before = head.format(0) + "checkpoint starting: time\n"
    before += head.format(1) + WAITING.format(77, 5) + "\n"
    after = head.format(1) + ACQUIRED.format(77, 5).replace("3000", "1500") + "\n"
    assert _told(tmp_path, x_log=before, b_log=after) == _counted(1, 0, 1_500_100)


@pytest.mark.parametrize("locks", [(5, 5), (5, 6)])
def test_waits_name_their_process_where_the_prefix_does_not(
    locks: tuple[int, int], tmp_path: Path
) -> None:
    said = [
        WAITING.format(10, locks[0]), WAITING.format(11, locks[1]),
        ACQUIRED.format(10, locks[0]), ACQUIRED.format(11, locks[1]),
    ]  # fmt: skip
    stamps = ["00", "00", "02", "02"]
    text = "".join(
        f"2026-03-14 12:00:{second} UTC LOG:  {message}\n"
        for second, message in zip(stamps, said, strict=True)
    )
    assert _told(tmp_path, a_log=text) == _counted(2, 0, 6_000_200)
    assert [wait[0] for wait in _waits(tmp_path)] == [10, 11]


@pytest.mark.parametrize("next_line", ["LOG:  connection received: host=a port=5", ""])
def test_a_process_id_used_again_does_not_prolong_a_wait(next_line: str, tmp_path: Path) -> None:
    text = _line("12:00:00.000", 10, "LOG:  " + WAITING.format(10, 5))
    text += _line(
        "12:00:01.000", 1, "LOG:  server process (PID 10) was terminated by signal 9: Killed"
    )
    text += _line("13:00:00.000", 10, next_line) if next_line else ""
    text += _line("13:00:01.000", 10, "ERROR:  division by zero")
    assert _told(tmp_path, a_log=text) == _counted(0, 1, 2_000_100)


def test_a_new_connection_ends_what_its_process_id_left_open(tmp_path: Path) -> None:
    text = _line("12:00:00.000", 10, "LOG:  " + WAITING.format(10, 5))
    text += _line("13:00:00.000", 10, "LOG:  connection received: host=a port=5")
    text += _line("13:00:05.000", 10, "ERROR:  " + TIMEOUT)
    assert _told(tmp_path, a_log=text) == _counted(0, 1, 1_000_100)
    assert _waits(tmp_path) == [(10, "unknown", None, 1_000_100)]


def test_an_error_that_ends_no_wait_tells_only_that_it_is_over(tmp_path: Path) -> None:
    """A function may catch the lock timeout; the log then does not show when the wait ended."""
    text = record(1, WAITING.format(4711, 5))
    later = {"at": "2026-03-14 13:00:00.000 UTC", "level": "ERROR"}
    text += record(2, "division by zero", state="22012", **later)
    assert _told(tmp_path, a_csv=text) == _counted(0, 1, 1_000_100)


@pytest.mark.parametrize("between", ["duration: 9.000 ms  statement: select f()", ""])
def test_an_end_belongs_to_the_statement_that_waited(between: str, tmp_path: Path) -> None:
    later = {"at": "2026-03-14 13:00:00.000 UTC", "level": "ERROR", "state": "57014"}
    query = "select f()" if between else "select g()"
    text = record(1, WAITING.format(4711, 5), query="select f()")
    text += record(2, between, at="2026-03-14 12:00:02.000 UTC") if between else ""
    text += record(3 if between else 2, "canceling statement due to user request", query=query,
                   **later)  # fmt: skip
    assert _told(tmp_path, a_csv=text) == _counted(0, 1, 1_000_100)


@pytest.mark.parametrize(
    ("told", "between", "end", "wait_us"),
    [
        ("u@d", "", "u@d ERROR:  " + TIMEOUT, 3_600_000_000),
        ("u@d", "", "v@d ERROR:  " + TIMEOUT, 1_000_100),
        ("", "LOG:  duration: 9.000 ms  statement: select 1", "ERROR:  " + TIMEOUT, 1_000_100),
        ("", "LOG:  database system was shut down at 2026-03-14 12:29:00 UTC",
         "ERROR:  " + TIMEOUT, 1_801_000_100),
    ],
    ids=["its own", "of another user", "after another statement", "after a restart"],
)  # fmt: skip
def test_a_cancel_of_another_session_with_the_process_id_ends_no_wait(
    told: str, between: str, end: str, wait_us: int, tmp_path: Path
) -> None:
    text = _line("12:00:00.000", 10, f"{told} LOG:  {WAITING.format(10, 5)}".strip())
    pid = 1 if "shut down" in between else 10
    text += _line("12:30:00.000", pid, between) if between else ""
    text += _line("12:59:58.999", 10, end) + _line("14:00:00.000", 11, "LOG:  x")
    if told:
        text = text.replace("LOG:  x", "u@d LOG:  x")
    _told(tmp_path, a_log=text)
    assert _waits(tmp_path)[0][3] == pytest.approx(wait_us, abs=1000)
    assert _waits(tmp_path)[0][1] == ("error" if end.startswith("u@d") else "unknown")


def test_an_idle_session_that_is_terminated_was_not_waiting(tmp_path: Path) -> None:
    later = {"at": "2026-03-14 13:00:00.000 UTC", "level": "FATAL", "state": "57P01"}
    text = record(1, WAITING.format(4711, 5), query="select f()")
    text += record(2, "terminating connection due to administrator command", **later)
    assert _told(tmp_path, a_csv=text) == _counted(0, 1, 1_000_100)


def test_two_waits_for_one_lock_are_two(tmp_path: Path) -> None:
    text = record(1, WAITING.format(4711, 5))
    text += record(2, WAITING.format(4711, 5), at="2026-03-14 12:10:00.000 UTC")
    text += record(3, ACQUIRED.format(4711, 5), at="2026-03-14 12:10:02.000 UTC")
    assert _told(tmp_path, a_csv=text) == _counted(1, 1, 4_000_200)


@pytest.mark.parametrize(
    ("message", "outcome", "code"),
    [
        (f"ERROR:  {TIMEOUT}", "error", "55P03"),
        ("ERROR:  canceling statement due to statement timeout", "error", "57014"),
        ("ERROR:  canceling statement due to conflict with recovery", "error", "40001"),
        ("FATAL:  terminating connection due to administrator command", "error", "57P01"),
        ("FATAL:  terminating connection due to transaction timeout", "error", "25P04"),
        ("WARNING:  terminating connection because of crash of another server process", "error",
         "57P02"),
        ("ERROR:  deadlock detected", "deadlock", "40P01"),
    ],
)  # fmt: skip
def test_errors_that_end_a_wait_are_known_without_a_code(
    message: str, outcome: str, code: str, tmp_path: Path
) -> None:
    text = _line("12:00:00.000", 10, "LOG:  " + WAITING.format(10, 5))
    text += _line("12:00:01.500", 11, "ERROR:  division by zero")
    text += _line("12:00:02.000", 10, message)
    _told(tmp_path, a_log=text)
    assert _waits(tmp_path) == [(10, outcome, code, 3_000_100)]
