"""The plan of a sweep, its folder, and a small sweep on the real engine."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from analysis import paths
from analysis.capacity import plan
from analysis.capacity.store import TABLES, read_sweep, renew_sweep, write_sweep
from analysis.cli import run_cli
from reference_engine.scenario import load_scenario
from runlog.errors import BadData, UsageFault


def test_each_experiment_changes_exactly_one_thing_of_its_base():
    for experiment in plan.factor_experiments():
        base = plan.PHASED if experiment.name.startswith("phased") else plan.LOCKED
        names = ("design", "fronts", "pool_size", "settlement_shards", "max_waiting")
        names += ("auto_charge", "server_cores", "offered_per_s")
        changed = [n for n in names if getattr(experiment, n) != getattr(base, n)]
        assert changed == ([] if experiment.factor == "base" else [experiment.factor])


def test_every_repetition_goes_once_through_the_plan_in_its_own_order():
    wanted = sorted(e.name for e in plan.experiments())
    orders = []
    for repetition in range(5):
        runs = [s for s in plan.interleaved(plan.experiments(), 5) if s.repetition == repetition]
        names = [w.experiment.name for s in runs for w in s.windows]
        assert sorted(names) == wanted
        assert all(w.experiment.fronts == s.fronts for s in runs for w in s.windows)
        orders.append(tuple(names))
    assert len(set(orders)) == 5


def test_the_same_plan_gives_the_same_scenarios(tmp_path):
    first, second = ([s.text for s in plan.interleaved(plan.experiments(), 2)] for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first)
    for text in first:
        (tmp_path / "s.toml").write_text(text, "utf-8")
        load_scenario(str(tmp_path / "s.toml"))


def test_a_locked_window_has_the_settlement_rows_of_its_experiment(tmp_path):
    chosen = plan.experiments(("locked", "locked-shards-8"))
    for session in plan.interleaved(chosen, 2):
        (tmp_path / "s.toml").write_text(session.text, "utf-8")
        faults = load_scenario(str(tmp_path / "s.toml")).faults
        wanted = [w.experiment.settlement_shards for w in session.windows]
        assert sorted(wanted) == [1, 8]
        assert [fault.parameters["settlement_shards"] for fault in faults] == wanted


def test_windows_never_overlap_and_leave_time_to_settle():
    for session in plan.interleaved(plan.experiments(), 1):
        ends = [0.0] + [w.end_s for w in session.windows]
        for end, window in zip(ends[:-1], session.windows, strict=True):
            assert window.start_s - end >= plan.SETTLE_S + plan.WARM_UP_S - 1e-6


def outcome(**more) -> dict:
    row = dict.fromkeys(TABLES["outcomes"], 1) | {"study": "mitigation", "variant": "never"}
    return row | more


def test_a_sweep_reads_back_as_it_was_written(tmp_path):
    frame = pd.DataFrame([outcome(repetition=1), outcome(repetition=0)])
    write_sweep(tmp_path / "s", {"outcomes": frame}, {"cpu_count": 2})
    sweep = read_sweep(tmp_path / "s")
    assert list(sweep.outcomes["repetition"]) == [0, 1]
    assert sweep.results.empty
    assert sweep.manifest["cpu_count"] == 2
    with pytest.raises(UsageFault, match="output exists"):
        write_sweep(tmp_path / "s", {}, {})


def test_what_is_measured_anew_replaces_its_own_experiments_only(tmp_path):
    first = pd.DataFrame([outcome(repetition=0), outcome(repetition=0, variant="15:10")])
    other = outcome(study="metastability", paid=7)
    studies = {"experiments": [], "studies": ["mitigation", "metastability"], "runs_lost": 1}
    frame = pd.concat([first, pd.DataFrame([other])])
    write_sweep(tmp_path / "s", {"outcomes": frame}, {**studies, "seed": 1})
    new = {"outcomes": pd.DataFrame([outcome(paid=9)])}
    manifest = {"experiments": [], "studies": ["mitigation"], "runs_lost": 0}
    renewed = read_sweep(renew_sweep(read_sweep(tmp_path / "s"), new, manifest))
    paid = renewed.outcomes.set_index("study")["paid"].to_dict()
    assert paid == {"mitigation": 9, "metastability": 7}
    assert renewed.manifest["measured_later"] == ["mitigation"]
    assert (renewed.manifest["runs_lost"], renewed.manifest["seed"]) == (1, 1)
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_a_sweep_goes_to_one_place(tmp_path, capsys):
    place = str(tmp_path / "s")
    assert run_cli(["sweep", "--out", place, "--into", place, "--only", "phased"]) == 2
    assert "--out or --into, not both" in capsys.readouterr().err


def test_a_damaged_sweep_is_refused(tmp_path):
    write_sweep(tmp_path / "s", {"outcomes": pd.DataFrame([outcome()])}, {})
    (tmp_path / "s" / "outcomes.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadData, match="not the one that was written"):
        read_sweep(tmp_path / "s")


def test_a_sweep_with_a_repeated_key_is_refused(tmp_path):
    frame = pd.DataFrame([outcome(), outcome()])
    write_sweep(tmp_path / "s", {"outcomes": frame}, {})
    with pytest.raises(BadData, match="a key repeats"):
        read_sweep(tmp_path / "s")


def test_a_run_directory_is_no_sweep():
    with pytest.raises(BadData, match="not a sweep folder"):
        read_sweep(paths.data("recorded", "healthy"))


def test_an_unknown_experiment_is_refused_before_anything_starts(capsys):
    assert run_cli(["sweep", "--only", "nosuch"]) == 2
    assert "no such experiment · nosuch" in capsys.readouterr().err


def test_loads_follow_what_the_machine_serves_and_names_do_not():
    nominal = plan.experiments()
    fast = plan.scaled(nominal, 3 * plan.PHASED_PER_S)
    assert [e.name for e in fast] == [e.name for e in nominal]
    for slow, quick in zip(nominal, fast, strict=True):
        times = 3 if slow.name.startswith("phased") else 1
        assert quick.offered_per_s == pytest.approx(times * slow.offered_per_s)
    probed = [window.experiment for window in plan.probe().windows]
    assert [e.offered_per_s for e in probed] == sorted({e.offered_per_s for e in probed})
    assert all(e.max_waiting for e in probed)


def test_a_name_means_itself_and_a_beginning_all_that_begin_so():
    assert [e.name for e in plan.experiments(("phased",))] == ["phased"]
    chosen = [e.name for e in plan.experiments(("locked", "phased-core", "locked-load"))]
    assert chosen == ["locked", "phased-core-1", *(f"locked-load-{n}" for n in (8, 10, 12, 14, 16))]
    assert len(plan.experiments()) == len({e.name for e in plan.experiments()}) > 20


def test_the_list_names_every_experiment(capsys):
    assert run_cli(["sweep", "--list"]) == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert {e.name for e in plan.experiments()} | {"mitigation", "metastability"} == listed


def test_the_recorded_sweep_is_whole_and_small():
    folder = paths.data("recorded", "sweep")
    sweep = read_sweep(folder)
    assert sum(p.stat().st_size for p in folder.iterdir()) <= 4 * 2**20
    counted = sweep.results.groupby("experiment")["repetition"].nunique()
    assert set(counted.index) == {e.name for e in plan.experiments()}
    assert counted.min() >= 5
    assert set(sweep.outcomes["study"]) == {"mitigation", "metastability"}


@pytest.mark.engine
def test_a_small_sweep_measures_what_the_engine_did(tmp_path, capsys, monkeypatch):
    small = [
        plan.Experiment("locked", "factor", "base", "lock_across_call", 30, measured_s=1.0),
        plan.Experiment(
            "locked-core-1",
            "factor",
            "server_cores",
            "lock_across_call",
            30,
            server_cores=1,
            measured_s=1.0,
        ),
        plan.Experiment(
            "phased-load-20", "validation", "offered_per_s", "phased", 30, measured_s=1.0
        ),
    ]
    monkeypatch.setattr(plan, "experiments", lambda only=(): small)
    out = tmp_path / "sweep"
    arguments = ["sweep", "--out", str(out), "--only", "locked", "--repetitions", "1"]
    assert run_cli(arguments) == 0
    assert capsys.readouterr().out.strip() == str(out)
    sweep = read_sweep(out)
    assert sorted(sweep.results["experiment"]) == [e.name for e in small]
    whole = ["approved", "declined", "failed", "timed_out", "shed"]
    assert (sweep.results[whole].sum(axis=1) == sweep.results["arrivals"]).all()
    assert (sweep.results["arrivals"] > 0).all()
    assert set(sweep.service_times["experiment"]) == {"phased-load-20"}
    assert sweep.service_times["visits"].max() == 2
    assert json.loads((out / "sweep.json").read_text())["runs_lost"] == 0
    shutil.rmtree(out)
