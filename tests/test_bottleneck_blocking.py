"""Blocking from samples: chains to the root, idle roots, cycles, episodes, sessions by wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bottleneck_runs import at, write_run

from analysis.bottleneck import blocking
from analysis.bottleneck.case import Case, open_case
from analysis.bottleneck.series import series
from runlog.errors import BadData


def sample(
    second: float, pid: int, blocked_by: tuple[int, ...] = (), **more: Any
) -> dict[str, Any]:
    """One backend in one sample: a waiter when blocked, else on CPU."""
    waiting = {"wait_event_type": "Lock", "wait_event": "transactionid"} if blocked_by else {}
    base = {
        "sampled_at": at(second), "pid": pid, "state": "active", "backend_type": "client backend",
        "query": "UPDATE accounts", "xact_start": at(second - 1), "state_change": at(second - 0.5),
        "blocked_by": list(blocked_by),
    }  # fmt: skip
    return base | waiting | more


def idle(second: float, pid: int, idle_s: float = 0.5) -> dict[str, Any]:
    """A session idle in transaction."""
    return sample(
        second, pid, state="idle in transaction", wait_event_type="Client",
        wait_event="ClientRead", state_change=at(second - idle_s),
    )  # fmt: skip


def _case(folder: Path, samples: list[dict[str, Any]]) -> Case:
    return open_case(write_run(folder, pg_activity=samples))


def test_waiters_are_followed_through_the_queue_to_the_idle_root(tmp_path: Path) -> None:
    samples = []
    for tick in range(10):
        second = tick / 10
        samples += [idle(second, 1), sample(second, 2, (1,)), sample(second, 3, (2,))]
        samples += [sample(second, 4, (2, 3))]
    case = _case(tmp_path / "run", samples)
    roots = blocking.root_blockers(case)
    assert roots["root_state"].tolist() == ["idle in transaction"]
    assert roots["waiter_s"].tolist() == pytest.approx([3.0])
    assert roots["victims"].tolist() == [3]
    assert blocking.idle_root_share(roots) == 1.0


def test_a_waiter_with_two_roots_counts_half_for_each(tmp_path: Path) -> None:
    samples = []
    for tick in range(10):
        second = tick / 10
        samples += [idle(second, 1), sample(second, 2), sample(second, 3, (1, 2))]
    roots = blocking.root_blockers(_case(tmp_path / "run", samples))
    shares = dict(zip(roots["root_state"], roots["waiter_share"], strict=True))
    assert shares == {"idle in transaction": 0.5, "active": 0.5}


def test_a_cycle_is_told_as_such_and_ends(tmp_path: Path) -> None:
    samples = []
    for tick in range(5):
        samples += [sample(tick / 10, 1, (2,)), sample(tick / 10, 2, (1,))]
    roots = blocking.root_blockers(_case(tmp_path / "run", samples))
    assert roots["root_state"].tolist() == ["cycle (deadlock)"]
    assert roots["victims"].tolist() == [2]


def test_only_long_idling_counts_as_waiting_for_the_client(tmp_path: Path) -> None:
    samples = []
    for tick in range(10):
        second = tick / 10
        samples += [idle(second, 1, idle_s=0.001 if tick < 5 else 0.05), sample(second, 2, (1,))]
    roots = blocking.root_blockers(_case(tmp_path / "run", samples))
    assert roots["waiter_s"].tolist() == pytest.approx([1.0])
    assert roots["client_waiter_s"].tolist() == pytest.approx([0.5])


def test_episodes_are_parted_by_half_a_minute_of_calm(tmp_path: Path) -> None:
    samples = []
    for second in (0.0, 1.0, 2.0, 20.0, 60.0, 61.0):
        samples += [sample(second, 1), sample(second, 2, (1,))]
    samples += [sample(float(second), 1) for second in range(3, 20)]
    found = blocking.episodes(_case(tmp_path / "run", samples))
    assert sorted(found["duration_us"].tolist()) == [1_000_000, 20_000_000]


def test_active_sessions_are_parted_by_what_they_wait_for(tmp_path: Path) -> None:
    samples = []
    for tick in range(10):
        second = tick / 10
        samples += [
            sample(second, 1), sample(second, 2, (1,)), idle(second, 3),
            sample(second, 4, wait_event_type="IO", wait_event="WALSync"),
            sample(second, 5, wait_event_type="IO", wait_event="WalSync"),
            sample(second, 6, wait_event_type="IPC", wait_event="SyncRep"),
            sample(second, 7, state="idle"),
            sample(second, 8, application_name="walletlab sampler"),
        ]  # fmt: skip
    row = series(_case(tmp_path / "run", samples)).iloc[0]
    parts = {name: row[name] for name in ("aas", "aas_cpu", "aas_lock", "aas_wal", "idle_tx")}
    assert parts == {"aas": 5.0, "aas_cpu": 1.0, "aas_lock": 1.0, "aas_wal": 2.0, "idle_tx": 1.0}
    assert row["aas_syncrep"] == 1.0


def test_a_run_without_any_evidence_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", events=[
        {"at": at(0), "kind": "load", "label": "x", "important": True}])  # fmt: skip
    with pytest.raises(BadData, match=r"nothing to diagnose.*import logs"):
        open_case(folder)


def test_evidence_that_may_not_be_used_leaves_no_trace(tmp_path: Path) -> None:
    from bottleneck_runs import Log

    log = Log()
    log.waiting(1.1, "a", 2, "transaction 5", [1], [2])
    folder = write_run(
        tmp_path / "run", pg_log=log.records,
        pg_activity=[sample(s, p, b) for s in (0.0, 1.0) for p, b in ((1, ()), (2, (1,)))],
    )  # fmt: skip
    case = open_case(folder, evidence=("samples",))
    assert not case.has("logs")
    assert series(case)["log_waits"].isna().all()
    assert case.con.execute("SELECT count(*) FROM bn_waits").fetchall() == [(0,)]
