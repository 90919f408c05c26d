"""Whole runs: everything scheduled is accounted for, and the books are sound afterwards."""

from __future__ import annotations

import json
import threading

import psutil
import psycopg
import pytest

from reference_engine.load import build_schedule
from reference_engine.run import run_scenario
from reference_engine.scenario import load_scenario
from runlog.errors import EnvironmentFault, UsageFault
from runlog.reader import open_run

pytestmark = pytest.mark.engine

SMALL = """
name = "small"
title = "A small run for tests"
about = "Enough card payments short of balance to queue up behind one settlement row."
seed = 5
duration_s = 5
drain_s = 8
fronts = 2
design = "phased"

[flags]
pool_size = 6
client_timeout_ms = 900
gateway_timeout_ms = 3000
RETRIES

[population]
wallets = 300
merchants = 5
opening_balance_jpy = [0, 1500]

[gateway]
latency_ms = 60
latency_sigma = 0.2
decline_share = 0.02

[clock]
start = 2018-10-09T14:00:00+09:00
compression = 60.0

[[phases]]
label = "load"
start_s = 0
end_s = 5
rate_per_s = 60
[phases.mix]
card_payment = 0.8
p2p_transfer = 0.08
top_up = 0.06
refund = 0.02
balance_inquiry = 0.04

[[events]]
at_s = 1
kind = "notice"
label = "told"
important = true
MORE
"""


def scenario(tmp_path, *, retries="retries = 0", more="", **options):
    path = tmp_path / "small.toml"
    path.write_text(SMALL.replace("RETRIES", retries).replace("MORE", more))
    return load_scenario(str(path), **options)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One run of the same load under each design."""
    made = {}
    for design in ("lock_across_call", "phased", "batched"):
        folder = tmp_path_factory.mktemp(design)
        run_scenario(scenario(folder, design=design), folder / "run")
        made[design] = open_run(folder / "run")
    yield made
    for run in made.values():
        run.close()


def one(run, query):
    return run.connection.execute(query).fetchall()[0]


every_design = pytest.mark.parametrize("design", ["lock_across_call", "phased", "batched"])


@every_design
def test_every_scheduled_arrival_is_accounted_for(runs, design, tmp_path):
    run = runs[design]
    expected = len(build_schedule(scenario(tmp_path)))
    assert run.manifest.arrivals["scheduled"] == expected
    ended, requests = one(
        run,
        "SELECT count(*) FILTER (WHERE outcome IN "
        "('approved', 'declined', 'failed', 'timed_out', 'shed')), count(DISTINCT request_id) "
        "FROM requests",
    )
    assert ended == requests == expected
    assert run.manifest.arrivals["started"] + run.manifest.arrivals["skipped"] == expected
    assert run.manifest.arrivals["lost"] == 0


@every_design
def test_books_are_sound_after_the_run(runs, design):
    total, lowest, held = one(
        runs[design],
        "SELECT sum(credits_posted_jpy - debits_posted_jpy)::BIGINT, "
        "min(credits_posted_jpy - debits_posted_jpy - debits_pending_jpy) "
        "FILTER (WHERE kind = 'wallet'), sum(debits_pending_jpy)::BIGINT FROM ledger_accounts",
    )
    assert (total, held) == (0, 0)
    assert lowest >= 0
    assert not [n for n in runs[design].manifest.notes if "BROKEN" in n]


@every_design
def test_each_approved_payment_has_exactly_its_transfers(runs, design):
    wrong = one(
        runs[design],
        "SELECT count(*) FROM requests r LEFT JOIN ("
        " SELECT idempotency_key, sum(amount_jpy) FILTER (WHERE code = 'payment') AS paid,"
        " sum(amount_jpy) FILTER (WHERE code = 'auto_charge') AS charged FROM ledger_transfers"
        " WHERE kind IN ('posted', 'post_pending') GROUP BY 1) t USING (idempotency_key) "
        "LEFT JOIN (SELECT idempotency_key, amount_jpy AS taken FROM gateway_charges) g "
        "USING (idempotency_key) "
        "WHERE r.operation = 'card_payment' AND r.outcome = 'approved' AND "
        "(t.paid IS DISTINCT FROM r.amount_jpy OR t.charged IS DISTINCT FROM g.taken)",
    )
    approved = one(
        runs[design],
        "SELECT count(*) FROM requests WHERE operation = 'card_payment' AND outcome = 'approved'",
    )
    assert wrong == (0,)
    assert approved > (20,)


def _roots(run):
    """State of the sessions at the root of lock waits, with how many samples show them so."""
    rows = run.connection.execute(
        "SELECT b.state, b.wait_event, count(*) FROM pg_activity w, unnest(w.blocked_by) AS u(pid) "
        "JOIN pg_activity b ON b.sampled_at = w.sampled_at AND b.pid = u.pid "
        "WHERE len(b.blocked_by) = 0 GROUP BY ALL"
    ).fetchall()
    return {(state, event): count for state, event, count in rows}


def _long_idle(run):
    """Waits behind a session that has been idle in its transaction for a third of a gateway call.

    On a starved machine any client may be slow to commit; only a call takes this long by design.
    """
    query = (
        "SELECT count(*) FROM pg_activity w, unnest(w.blocked_by) AS u(pid) "
        "JOIN pg_activity b ON b.sampled_at = w.sampled_at AND b.pid = u.pid "
        "WHERE b.state = 'idle in transaction' AND len(b.blocked_by) = 0 "
        "AND b.sampled_at - b.state_change > INTERVAL 20 MILLISECOND"
    )
    return one(run, query)[0]


def test_locks_held_across_the_call_block_others_while_idle_in_transaction(runs):
    roots = _roots(runs["lock_across_call"])
    assert max(roots, key=lambda r: roots[r]) == ("idle in transaction", "ClientRead")
    waiters = one(
        runs["lock_across_call"],
        "SELECT count(*) FROM pg_activity WHERE wait_event_type = 'Lock' AND len(blocked_by) > 0",
    )
    assert waiters > (100,)


@pytest.mark.parametrize("design", ["phased", "batched"])
def test_other_designs_do_not_block_while_idle(runs, design):
    assert _long_idle(runs[design]) * 2 < _long_idle(runs["lock_across_call"])


def test_gateway_span_lies_inside_the_transaction_only_when_locks_span_the_call(runs):
    query = (
        "SELECT count(*) FROM spans g JOIN spans t USING (request_id, attempt) "
        "WHERE g.span = 'gateway_call' AND t.span = 'ledger_tx' AND g.name = 'charge' "
        "AND g.started_at >= t.started_at AND epoch_us(g.started_at) + g.duration_us "
        "<= epoch_us(t.started_at) + t.duration_us"
    )
    assert one(runs["lock_across_call"], query) > (10,)
    assert one(runs["phased"], query) == (0,)
    assert one(runs["batched"], query) == (0,)


def test_same_load_fails_under_one_design_and_not_under_the_others(runs):
    query = "SELECT count(*) FROM requests WHERE outcome = 'timed_out'"
    assert one(runs["lock_across_call"], query) > (10,)


@every_design
def test_every_table_and_the_settings_are_on_record(runs, design):
    run = runs[design]
    empty = [t for t in run.manifest.tables if run.rows(t) == 0]
    assert empty == []
    assert len(run.manifest.tables) == 10
    assert run.manifest.postgres["fsync"] == "on"
    assert run.manifest.postgres["synchronous_commit"] == "on"
    assert run.manifest.scenario.text.strip().startswith('name = "small"')
    assert run.manifest.clock.compression == 60.0
    assert run.manifest.design == design


@every_design
def test_spans_name_every_stage(runs, design):
    found = {
        s for (s,) in runs[design].connection.execute("SELECT DISTINCT span FROM spans").fetchall()
    }
    assert found == {"queue", "pool_wait", "gateway_call", "ledger_tx", "statement", "commit"}


@pytest.fixture(scope="module")
def eventful(tmp_path_factory):
    """One run in which a front is killed, auto-charge is switched off, and a licence limits."""
    folder = tmp_path_factory.mktemp("eventful")
    more = """
[[faults]]
name = "front_stopped"
start_s = 1.5
end_s = 3

[[events]]
at_s = 3.5
kind = "mitigation"
label = "auto-charge off"
set = { auto_charge = false }
"""
    limits = {"p2p_transfer": {"per_transfer": 1}}
    run_scenario(scenario(folder, more=more), folder / "run", limits=limits)
    run = open_run(folder / "run")
    yield run
    run.close()


def test_killed_front_loses_nothing_from_the_account(eventful):
    stopped, started, scheduled = one(
        eventful,
        "SELECT count(*) FILTER (WHERE reason = 'front_stopped'), "
        "count(*) FILTER (WHERE started_at IS NOT NULL), count(DISTINCT request_id) FROM requests",
    )
    assert scheduled == eventful.manifest.arrivals["scheduled"]
    assert stopped > 0
    assert stopped + started == scheduled
    assert eventful.manifest.arrivals["lost"] == stopped
    assert eventful.manifest.arrivals["started"] == started
    told = eventful.manifest.arrivals
    assert (told["started"], told["skipped"], told["lost"]) == (started, 0, stopped)
    assert not [n for n in eventful.manifest.notes if "BROKEN" in n]


def test_truth_names_what_was_injected(eventful):
    truth = json.loads((eventful.folder / "truth.json").read_text())
    assert [f["fault"] for f in truth["faults"]] == ["front_stopped"]
    assert truth["faults"][0]["start"] < truth["faults"][0]["end"]


def test_mitigation_event_changes_what_the_wallet_does(eventful):
    switched = "(SELECT \"at\" FROM events WHERE kind = 'mitigation')"
    before, after = one(
        eventful,
        f'SELECT count(*) FILTER (WHERE "at" < {switched}), '
        f'count(*) FILTER (WHERE "at" > {switched} + INTERVAL 800 MILLISECOND) '
        "FROM gateway_charges WHERE status = 'captured'",
    )
    assert before > 0
    assert after == 0
    refused = "SELECT count(*) FROM requests WHERE reason = 'insufficient_balance'"
    assert one(eventful, refused) > (0,)


def test_limits_given_to_a_run_are_applied(eventful):
    reasons = eventful.connection.execute(
        "SELECT DISTINCT reason FROM requests "
        "WHERE operation = 'p2p_transfer' AND reason <> 'front_stopped'"
    ).fetchall()
    assert reasons == [("limit_per_transfer",)]


def test_retries_keep_their_key_and_follow_the_budget(tmp_path):
    retries = 'retries = 3\nbackoff = "exponential"\nbackoff_ms = 50\nretry_budget = 0.5'
    made = scenario(tmp_path, retries=retries, design="lock_across_call")
    run_scenario(made, tmp_path / "run")
    run = open_run(tmp_path / "run")
    keys, requests, again, most = one(
        run,
        "SELECT count(DISTINCT idempotency_key), count(DISTINCT request_id), "
        "count(*) FILTER (WHERE attempt > 1), max(attempt) FROM requests",
    )
    assert keys == requests
    assert 0 < again <= 0.5 * requests + made.fronts
    assert most <= 4
    run.close()


def test_two_runs_at_once_on_a_users_server_leave_nothing_there(server, tmp_path):
    query = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'walletlab%'"
    broken: list[BaseException] = []

    def run(name):
        try:
            made = scenario(tmp_path, time_scale=0.4)
            run_scenario(made, tmp_path / name, dsn=server.dsn)
        except BaseException as error:
            broken.append(error)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert broken == []
    for name in ("a", "b"):
        opened = open_run(tmp_path / name)
        assert opened.manifest.postgres["server"] == "external"
        assert not opened.has("pg_log")
        assert one(
            opened,
            "SELECT sum(credits_posted_jpy - debits_posted_jpy)::BIGINT FROM ledger_accounts",
        ) == (0,)
        opened.close()
    with psycopg.connect(server.dsn) as connection:
        assert connection.execute(query).fetchone() == (0,)


def test_users_server_is_not_crashed_for_a_scenario(server, tmp_path):
    with pytest.raises(EnvironmentFault, match="changes the server"):
        run_scenario(load_scenario("server_crash"), tmp_path / "run", dsn=server.dsn)
    assert list(tmp_path.iterdir()) == []


def test_server_that_dies_on_the_way_is_told_in_one_line_and_leaves_nothing(tmp_path):
    """No fault of the scenario: somebody else kills the server, and it does not come back."""
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    made = scenario(tmp_path, time_scale=0.4)

    def kill_the_server(words):
        if words == "told":
            started = [p for p in psutil.Process().children() if p.pid not in before]
            (postmaster,) = [p for p in started if p.name() == "postgres"]
            postmaster.kill()

    with pytest.raises(EnvironmentFault) as caught:
        run_scenario(made, tmp_path / "run", echo=kill_the_server)
    assert "\n" not in str(caught.value)
    assert "PostgreSQL failed on the way" in str(caught.value)
    assert {p.pid for p in psutil.Process().children(recursive=True)} <= before
    assert [p.name for p in tmp_path.iterdir()] == ["small.toml"]


def test_existing_output_is_never_overwritten(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(UsageFault, match="output exists"):
        run_scenario(scenario(tmp_path), tmp_path / "run")
