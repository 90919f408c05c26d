"""Root blockers from the server log alone: chains, reused pids, waits that ended badly."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from bottleneck_runs import Log, write_run

from analysis.bottleneck import blocking_log
from analysis.bottleneck.case import open_case
from analysis.summary import summarise

CONTEXT = 'while updating tuple (24,{0}) in relation "accounts"'


def _roots(folder: Path, log: Log) -> dict[str, set[tuple[int, str | None]]]:
    """Waiting session -> roots (pid, session) as the analysis finds them."""
    case = open_case(write_run(folder, pg_log=log.records))
    rows = case.con.execute(
        "SELECT w.session_id, r.pid, r.session_id FROM bn_log_roots r JOIN bn_waits w "
        "USING (wait_id)"
    ).fetchall()
    found: dict[str, set[tuple[int, str | None]]] = {}
    for waiter, pid, session in rows:
        found.setdefault(waiter, set()).add((pid, session))
    return found


def test_tuple_waiter_is_followed_through_the_queue_head_to_the_holder(tmp_path: Path) -> None:
    log = Log()
    log.add(0, "root", 10, "statement: BEGIN")
    log.waiting(1.1, "head", 20, "transaction 77", [10], [20], context=CONTEXT.format(92))
    tuple_lock = "tuple (24,92) of relation 16384 of database 5"
    log.waiting(1.3, "third", 30, tuple_lock, [20], [30], mode="ExclusiveLock")
    log.acquired(1.9, "head", 20, "transaction 77", 900.0)
    log.acquired(2.4, "third", 30, tuple_lock, 1200.0, mode="ExclusiveLock")
    assert _roots(tmp_path / "run", log) == {"head": {(10, "root")}, "third": {(10, "root")}}


def test_reused_pid_is_resolved_to_the_session_of_its_time(tmp_path: Path) -> None:
    log = Log()
    log.add(0, "old", 10, "connection authorized: user=a")
    log.waiting(1.1, "first", 20, "transaction 7", [10], [20])
    log.acquired(1.5, "first", 20, "transaction 7", 500.0)
    log.add(2, "old", 10, "disconnection: session time: 0:00:02.000 user=a")
    log.add(5, "new", 10, "connection authorized: user=a", session_start=5)
    log.waiting(6.1, "second", 21, "transaction 8", [10], [21])
    log.acquired(6.5, "second", 21, "transaction 8", 500.0)
    assert _roots(tmp_path / "run", log) == {"first": {(10, "old")}, "second": {(10, "new")}}


def test_ended_session_is_not_named_for_a_pid_that_came_after_it(tmp_path: Path) -> None:
    log = Log()
    log.add(0, "old", 10, "connection authorized: user=a")
    log.add(2, "old", 10, "disconnection: session time: 0:00:02.000 user=a")
    log.waiting(6.1, "second", 21, "transaction 8", [10], [21])
    assert _roots(tmp_path / "run", log) == {"second": {(10, None)}}


def test_waits_that_ended_in_deadlock_or_timeout_are_counted(tmp_path: Path) -> None:
    log = Log()
    log.waiting(1.1, "a", 1, "transaction 5", [2], [1])
    log.error(3.0, "a", 1, "57014", "canceling statement due to statement timeout")
    log.waiting(1.2, "b", 2, "transaction 6", [3], [2])
    log.add(1.3, "b", 2, "process 2 detected deadlock while waiting for ShareLock on transaction 6 "
            "after 200.000 ms", detail="Process holding the lock: 3. Wait queue: .")  # fmt: skip
    log.error(1.3, "b", 2, "40P01", "deadlock detected")
    log.waiting(2.0, "c", 3, "transaction 5", [1], [3])
    case = open_case(write_run(tmp_path / "run", pg_log=log.records))
    ends = blocking_log.wait_outcomes(case).set_index("outcome")
    assert ends["waits"].to_dict() == {"error": 1, "deadlock": 1, "unknown": 1}
    assert ends.loc["error", "wait_us"] == 2_000_000
    assert ends.loc["deadlock", "wait_us"] == 200_000


def test_deadlock_cycle_has_no_root(tmp_path: Path) -> None:
    log = Log()
    log.waiting(1.1, "a", 1, "transaction 5", [2], [1])
    log.waiting(1.15, "b", 2, "transaction 6", [1], [2])
    log.error(1.2, "a", 1, "40P01", "deadlock detected")
    log.acquired(1.2, "b", 2, "transaction 6", 150.0)
    assert _roots(tmp_path / "run", log) == {}


def test_waits_open_at_the_end_of_the_log_are_followed_and_counted_to_it(tmp_path: Path) -> None:
    log = Log()
    log.add(0, "A", 10, "connection authorized: user=a")
    log.waiting(21, "B", 20, "transaction 77", [10], [20], after_ms=1000)
    tuple_lock = "tuple (0,1) of relation 9 of database 5"
    for second, name, pid in ((22, "C", 30), (23, "D", 40)):
        log.waiting(second, name, pid, tuple_lock, [20], [pid], mode="ExclusiveLock", after_ms=1000)
    log.duration(100, "bg", 1, 150.0, "SELECT 1")
    assert _roots(tmp_path / "run", log) == {name: {(10, "A")} for name in "BCD"}
    case = open_case(tmp_path / "run")
    waited = case.con.execute("SELECT sum(wait_us), min(outcome), max(outcome) FROM bn_waits")
    assert waited.fetchall() == [((80 + 79 + 78) * 1_000_000, "unknown", "unknown")]


def test_two_ways_to_one_root_carry_the_whole_wait(tmp_path: Path) -> None:
    log = Log()
    log.add(0, "E", 5, "connection authorized: user=a")
    log.waiting(1.1, "D", 4, "transaction 1", [5], [4])
    log.waiting(1.2, "B", 2, "transaction 2", [4], [2])
    log.waiting(1.3, "A", 1, "relation 7 of database 5", [2, 4], [1])
    ends = (("A", 1, "relation 7 of database 5"), ("B", 2, "transaction 2"))
    for name, pid, target in (*ends, ("D", 4, "transaction 1")):
        log.acquired(3, name, pid, target, 2000.0)
    case = open_case(write_run(tmp_path / "run", pg_log=log.records))
    assert blocking_log.root_blockers(case)[["pid", "waiter_s"]].values.tolist() == [[5, 6.0]]


@pytest.mark.parametrize(
    ("end", "waited_s"),
    [
        (("a", 20, "disconnection: session time: 0:00:30.000"), 0.5),
        (("b", 20, "connection received: host=[local]"), 0.5),
        (("a", 20, "statement: SELECT 1"), 0.5),
        (("postmaster", 1, "server process (PID 9) was terminated by signal 9: Killed"), 10.5),
        (("postmaster", 1, "received fast shutdown request"), 10.5),
        (("postmaster", 1, "checkpoint starting: time"), 50.5),
    ],
    ids=["its end", "the next of its pid", "its next record", "a crash", "a stop", "nothing"],
)
def test_an_open_wait_goes_on_unless_its_session_shows_that_it_is_over(
    end: tuple[str, int, str], waited_s: float, tmp_path: Path
) -> None:
    """PostgreSQL logs each end but that of an error that a function caught; when, nobody knows."""
    log = Log()
    log.waiting(10, "a", 20, "transaction 5", [2], [20], after_ms=500)
    log.add(20, *end, session_start=20 if end[0] == "b" else 0)
    log.add(60, "c", 7, "statement: SELECT 1")
    case = open_case(write_run(tmp_path / "run", pg_log=log.records))
    waits = case.con.execute("SELECT wait_us, ended_at FROM bn_waits").fetchall()
    assert waits == [(round(waited_s * 1e6), None)]
    assert summarise(case.run)["lock_waits"]["wait_us_sum"] == waits[0][0]


def test_waits_count_and_have_roots_where_no_record_has_a_process_id(tmp_path: Path) -> None:
    log = Log()
    log.waiting(1.1, "p0~f", 20, "transaction 77", [10], [20])
    log.waiting(1.3, "p0~f", 30, "tuple (0,1) of relation 9 of database 5", [20], [30])
    log.acquired(1.9, "p0~f", 20, "transaction 77", 900.0)
    log.acquired(2.4, "p0~f", 30, "tuple (0,1) of relation 9 of database 5", 1200.0)
    for each in log.records:
        each["process_id"] = each["session_start_time"] = None
    found = _roots(tmp_path / "run", log)
    assert found == {"process 20": {(10, None)}, "process 30": {(10, None)}}
    case = open_case(tmp_path / "run")
    assert case.con.execute("SELECT sum(wait_us) FROM bn_waits").fetchall() == [(2_100_000,)]


@pytest.mark.parametrize("with_ends", [True, False], ids=["ends logged", "server default"])
@pytest.mark.parametrize("seed", range(5))
def test_injected_chains_have_precision_and_recall_of_one_with_pid_reuse(
    seed: int, with_ends: bool, tmp_path: Path
) -> None:
    log, truth = injected_chains(random.Random(seed), episodes=60)
    if not with_ends:
        log.records = [r for r in log.records if not r["message"].startswith("disconnection")]
    found = _roots(tmp_path / "run", log)
    told = {(waiter, root) for waiter, roots in found.items() for root in roots}
    expected = {(waiter, root) for waiter, root in truth.items()}
    right = len(told & expected)
    assert right / len(told) >= 0.95
    assert right / len(expected) >= 0.95


def injected_chains(dice: random.Random, episodes: int) -> tuple[Log, dict[str, tuple[int, str]]]:
    """A log of blocking episodes with known roots; pids come from a small set and are reused.

    In each episode one session holds a row; the head of the queue waits for its transaction, others
    for the tuple behind the head, and a second lock may hang on one of them. Some waits end in a
    timeout or stay open. Every session logs its connection and its end, as servers do with
    log_connections and log_disconnections on.
    """
    log, truth, second = Log(), {}, 1.0
    for episode in range(episodes):
        size = dice.randint(2, 9)
        pids = dice.sample(range(100, 130), size)
        names = [f"s{episode}.{i}" for i in range(size)]
        born = second
        for name, pid in zip(names, pids, strict=True):
            log.add(born, name, pid, "connection authorized: user=w", session_start=born)
        waiting_from = born + 0.05
        for i in range(1, size):
            holder = 0 if i == 1 else 1 if dice.random() < 0.7 else dice.randint(1, i - 1)
            target = (
                f"transaction {episode}"
                if i == 1
                else f"tuple (0,{holder}) of relation 9 of database 5"
            )
            line = waiting_from + 0.1 + i * 0.01
            log.waiting(line, names[i], pids[i], target, [pids[holder]], session_start=born)
            truth[names[i]] = (pids[0], names[0])
            end = waiting_from + 1.0 + i * 0.2
            ending = dice.random()
            if ending < 0.8:
                log.acquired(
                    end, names[i], pids[i], target, (end - line) * 1000 + 100, session_start=born
                )
            elif ending < 0.9:
                log.error(
                    end,
                    names[i],
                    pids[i],
                    "57014",
                    "canceling statement due to user request",
                    session_start=born,
                )
        last = waiting_from + 1.2 + size * 0.2
        for name, pid in zip(names, pids, strict=True):
            log.add(last, name, pid, "disconnection: session time: 0:00:01.000", session_start=born)
        second = last + dice.choice([0.01, 0.5])
    return log, truth
