"""Every fault leaves its documented signature in the recorded tables, and `healthy` shows none."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from fault_signatures import SIGNATURES, Window

from reference_engine.faults import FAULTS
from reference_engine.run import run_scenario
from reference_engine.scenario import load_scenario
from runlog.errors import EnvironmentFault
from runlog.reader import Run, open_run
from runlog.schema import TRUTH

pytestmark = pytest.mark.engine
SCALE = 0.28  # 30 s become 8.4 s: 2.5 s of calm, 3.4 s of fault, 2.5 s of calm
SERVED = ("approved", "declined", "failed", "timed_out", "shed")


def played(name: str, folder: Path, **options: Any) -> tuple[Run, list[dict[str, Any]]]:
    """Run a scenario; return it opened (validated), and its truth."""
    scenario = load_scenario(name, time_scale=options.pop("time_scale", SCALE), **options)
    out = run_scenario(scenario, folder / scenario.name)
    truth = json.loads((out / TRUTH).read_text("utf-8"))
    return open_run(out), truth["faults"]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    run, truth = played("healthy", tmp_path_factory.mktemp("healthy"))
    assert truth == []
    yield run
    run.close()


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def middle(run: Run) -> Window:
    """The middle third of a run's load, where a fault scenario has its fault."""
    start = run.manifest.clock.wall_start
    length = dt.timedelta(seconds=30 * SCALE)
    return Window(run, start + 0.3 * length, start + 0.7 * length)


def assert_sound(run: Run) -> None:
    """Whatever was broken: the books hold, and every scheduled arrival is accounted for."""
    assert not [note for note in run.manifest.notes if "BOOKS BROKEN" in note]
    ask = run.connection.execute
    (first_attempts,) = ask("SELECT count(DISTINCT request_id) FROM requests").fetchall()[0]
    assert first_attempts == run.manifest.arrivals["scheduled"]
    outcomes = {row[0] for row in ask("SELECT DISTINCT outcome FROM requests").fetchall()}
    assert outcomes <= set(SERVED)
    (total,) = ask(
        "SELECT sum(credits_posted_jpy - debits_posted_jpy)::BIGINT FROM ledger_accounts"
    ).fetchall()[0]
    assert total == 0
    overdrawn = ask(
        "SELECT account_id FROM ledger_accounts WHERE kind = 'wallet' "
        "AND credits_posted_jpy - debits_posted_jpy < 0"
    ).fetchall()
    assert overdrawn == []
    unposted = ask(
        "SELECT r.idempotency_key FROM requests AS r ANTI JOIN ledger_transfers AS t "
        "ON t.idempotency_key = r.idempotency_key "
        "WHERE r.outcome = 'approved' AND r.operation <> 'balance_inquiry'"
    ).fetchall()
    assert unposted == []


def test_every_fault_has_a_signature_here() -> None:
    assert set(SIGNATURES) == set(FAULTS)


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_fault_leaves_its_signature(name: str, tmp_path: Path) -> None:
    run, truth = played(name, tmp_path)
    (told,) = truth
    assert told["fault"] == name
    assert told["target"]
    assert set(told["parameters"]) == set(FAULTS[name].Parameters.model_fields)
    window = Window(run, moment(told["start"]), moment(told["end"]))
    assert window.start < window.end
    assert_sound(run)
    assert SIGNATURES[name](window)
    run.close()


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_healthy_run_does_not_show_it(name: str, healthy: Run) -> None:
    assert not SIGNATURES[name](middle(healthy))


def test_a_healthy_run_is_sound(healthy: Run) -> None:
    assert_sound(healthy)
    failed = "SELECT count(*) FROM requests WHERE outcome NOT IN ('approved', 'declined')"
    assert healthy.connection.execute(failed).fetchall() == [(0,)]


def test_trouble_on_either_way_shows_where_it_is_and_only_then(tmp_path: Path) -> None:
    text = load_scenario("healthy").text.replace("healthy", "disturbed", 1)
    for way, delay_ms in (("database", 40), ("gateway", 300)):
        text += f"""
[[network]]
way = "{way}"
trouble = "latency"
start_s = 9
end_s = 21
parameters = {{ delay_ms = {delay_ms} }}
"""
    path = tmp_path / "disturbed.toml"
    path.write_text(text, "utf-8")
    out = run_scenario(load_scenario(str(path), time_scale=SCALE), tmp_path / "run")
    told = json.loads((out / TRUTH).read_text("utf-8"))["network"]
    assert [(t["way"], t["trouble"], t["parameters"]) for t in told] == [
        ("database", "latency", {"delay_ms": 40}),
        ("gateway", "latency", {"delay_ms": 300}),
    ]
    run = open_run(out)
    window = Window(run, moment(told[0]["start"]), moment(told[0]["end"]))
    for span, round_trip_us in (("statement", 80_000), ("gateway_call", 600_000)):
        condition = f"span = '{span}'"
        assert window.span_us(condition) > round_trip_us
        assert window.before().span_us(condition) < round_trip_us
    assert_sound(run)
    run.close()


def with_second(
    tmp_path: Path, base: str, second: str, start_s: int, end_s: int
) -> tuple[Run, list[dict[str, Any]]]:
    """Play a shipped scenario with one more fault."""
    text = load_scenario(base).text.replace(base, "combined", 1)
    text += f'\n[[faults]]\nname = "{second}"\nstart_s = {start_s}\nend_s = {end_s}\n'
    path = tmp_path / "combined.toml"
    path.write_text(text, "utf-8")
    return played(str(path), tmp_path)


def test_two_faults_can_be_combined(tmp_path: Path) -> None:
    run, truth = with_second(tmp_path, "gateway_slow", "ddl_lock_queue", 12, 21)
    assert [t["fault"] for t in truth] == ["gateway_slow", "ddl_lock_queue"]
    for told in truth:
        window = Window(run, moment(told["start"]), moment(told["end"]))
        assert SIGNATURES[told["fault"]](window)
    assert_sound(run)
    run.close()


def test_a_fault_heals_also_while_another_one_is_in_its_way(tmp_path: Path) -> None:
    """The index is built again when the forgotten session is gone: nobody waits for the other."""
    run, truth = with_second(tmp_path, "missing_index", "long_transaction", 6, 24)
    assert [t["fault"] for t in truth] == ["long_transaction", "missing_index"]
    assert truth[1]["end"] < truth[0]["end"]
    assert_sound(run)
    run.close()


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def test_a_fault_that_cannot_heal_ends_the_run_in_one_line_and_leaves_no_process(
    tmp_path: Path,
) -> None:
    before = children()
    text = load_scenario("sync_standby_lost").text
    path = tmp_path / "hopeless.toml"
    path.write_text(text + "\nparameters = { catch_up_s = 0.000001 }\n", "utf-8")
    with pytest.raises(EnvironmentFault, match="the standby does not stream"):
        run_scenario(load_scenario(str(path), time_scale=0.1), tmp_path / "run")
    assert children() <= before
    assert [p.name for p in tmp_path.iterdir()] == ["hopeless.toml"]


@pytest.mark.parametrize("name", [n for n, f in FAULTS.items() if f.needs_embedded_server])
def test_a_users_own_server_is_never_changed(name: str, tmp_path: Path) -> None:
    scenario = load_scenario(name).model_copy(update={"server": {}})
    with pytest.raises(EnvironmentFault, match="changes the server itself"):
        run_scenario(scenario, tmp_path / "run", dsn="host=/nonexistent")
    assert list(tmp_path.iterdir()) == []


def test_faults_that_would_harm_a_users_server_need_the_embedded_one() -> None:
    harmful = {"connection_limit", "wal_stall", "sync_standby_lost", "server_crash"}
    assert {n for n, f in FAULTS.items() if f.needs_embedded_server} == harmful
