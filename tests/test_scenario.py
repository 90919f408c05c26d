"""Scenarios: those of the engine are sound, and a bad file is refused with every line named."""

from __future__ import annotations

import random
import runpy
from pathlib import Path

import pytest

from reference_engine.faults import FAULTS
from reference_engine.scenario import load_scenario, scenario_names
from runlog.errors import BadData, UsageFault

GOOD = """\
name = "mine"
title = "Mine"
about = "A scenario of my own."
seed = 7
duration_s = 20

[flags]
pool_size = 4

[population]
wallets = 100
opening_balance_jpy = [0, 500]

[clock]
start = 2018-10-09T14:00:00+09:00
compression = 60

[[phases]]
label = "calm"
start_s = 0
end_s = 10
rate_per_s = 5
mix = { card_payment = 0.5, balance_inquiry = 0.5 }

[[phases]]
label = "ramp"
start_s = 10
end_s = 20
rate_per_s = [5, 50]
mix = { card_payment = 1.0 }

[[faults]]
name = "gateway_slow"
start_s = 5
end_s = 15
parameters = { latency_ms = 900.0 }

[[network]]
way = "database"
trouble = "latency"
start_s = 6
end_s = 9
parameters = { delay_ms = 30 }

[[events]]
at_s = 12
kind = "mitigation"
label = "auto-charge off"
set = { auto_charge = false }
"""


def refused(folder: Path, text: str) -> str:
    """The one line that a bad scenario is refused with."""
    path = folder / "bad.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(BadData) as caught:
        load_scenario(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(before: str, after: str) -> str:
    assert GOOD.count(before) == 1, before
    return GOOD.replace(before, after)


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


def test_a_scenario_of_ones_own_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, "utf-8")
    scenario = load_scenario(str(path))
    assert scenario.text == GOOD
    assert scenario.flags.pool_size == 4
    assert scenario.phases[1].rate_per_s == (5, 50)
    assert scenario.faults[0].parameters == {"latency_ms": 900.0}
    assert scenario.events[0].set == {"auto_charge": False}
    assert scenario.clock is not None
    assert scenario.clock.compression == 60


@pytest.mark.parametrize("name", scenario_names())
def test_a_scenario_that_comes_with_the_engine_is_sound(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    for fault in scenario.faults:
        assert fault.start_s < fault.end_s <= scenario.duration_s


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_has_a_scenario_with_calm_before_and_after(name: str) -> None:
    scenario = load_scenario(name)
    (fault,) = scenario.faults
    assert fault.name == name
    assert fault.start_s >= 0.2 * scenario.duration_s
    assert fault.end_s <= 0.85 * scenario.duration_s


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_documents_signature_and_source(name: str) -> None:
    text = FAULTS[name].__doc__ or ""
    assert "Signature:" in text
    assert "Source:" in text


@pytest.mark.parametrize("name", [n for n in scenario_names() if n.startswith("kyash")])
def test_a_kyash_scenario_calls_its_cause_a_hypothesis_and_names_its_sources(name: str) -> None:
    scenario = load_scenario(name)
    assert "HYPOTHESIS" in scenario.hypothesis
    assert scenario.sources
    assert scenario.incident == name
    assert scenario.clock is not None
    assert scenario.clock.start.isoformat().endswith("+09:00")


def test_the_kyash_events_stand_at_their_official_minutes() -> None:
    for name in ("kyash-2018-07-14", "kyash-2018-10-09", "kyash-2018-11-03"):
        scenario = load_scenario(name)
        assert scenario.clock is not None
        start = scenario.clock.start
        timed = [e for e in scenario.events if e.label[2] == ":"]
        assert len(timed) >= 2
        for event in timed:
            hour, minute = int(event.label[:2]), int(event.label[3:5])
            shown_min = event.at_s * scenario.clock.compression / 60
            after_min = (hour * 60 + minute - start.hour * 60 - start.minute) % (24 * 60)
            assert abs(shown_min - after_min) <= 1, (name, event.label)


def test_on_3_november_auto_charge_goes_off_and_comes_back() -> None:
    scenario = load_scenario("kyash-2018-11-03")
    switches = [e.set["auto_charge"] for e in scenario.events if e.set]
    assert switches == [False, True]


def test_every_fault_of_a_file_is_named_with_its_line(tmp_path: Path) -> None:
    text = changed("seed = 7", "seeed = 7")
    text = text.replace("duration_s = 20", "duration_ms = 20000")
    text = text.replace("pool_size = 4", 'pool_size = "4"')
    text = text.replace("rate_per_s = 5\n", 'rate_per_s = "300/min"\n')
    text = text.replace('name = "gateway_slow"', 'name = "gateway_slo"')
    text = text.replace("auto_charge = false", "auto_charg = false")
    message = refused(tmp_path, text)
    for part, told in (
        ("seeed", "unknown key 'seeed' (did you mean 'seed'?)"),
        ("duration_ms", "unknown key 'duration_ms' (wrong unit? here it is 'duration_s')"),
        ("pool_size", "flags.pool_size = '4'"),
        ("300/min", "a plain number per second"),
        ("gateway_slo", "unknown fault 'gateway_slo' (did you mean 'gateway_slow'?)"),
        ("auto_charg ", "unknown flag 'auto_charg' (did you mean 'auto_charge'?)"),
    ):
        assert f"line {line_of(text, part)}: " in message
        assert told in message


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("end_s = 15", "end_s = 4", "fault ends at 4 s, not after its start (5 s)"),
        ("end_s = 15", "end_s = 99", "fault ends at 99 s, after the run (20 s)"),
        ("start_s = 10\n", "start_s = 8\n", "before the one above ends (10 s)"),
        ("end_s = 20", "end_s = 21", "phase ends at 21 s, after the run (20 s)"),
        ("at_s = 12", "at_s = 55", "event at 55 s is after the end of the run (30 s)"),
        ("balance_inquiry = 0.5", "balance_inquiry = 0.6", "shares of the mix sum to 1.1, not 1"),
        ("[0, 500]", "[500, 0]", "range [500, 0] runs backwards"),
        ("+09:00", "", "clock.start has no time zone"),
        ("latency_ms = 900.0", "latenzy = 1", "no parameter 'latenzy'"),
        ("end_s = 9", "end_s = 6", "trouble ends at 6 s, not after its start (6 s)"),
        ("delay_ms = 30", "", "latency needs 'delay_ms'"),
        ("delay_ms = 30", "delay_ms = 30, share = 1", "latency has no parameter 'share'"),
        ("delay_ms = 30", "delay_ms = -1", "should be greater than or equal to 0"),
        ('trouble = "latency"', 'trouble = "magic"', "network.0.trouble = 'magic'"),
        ('way = "database"', 'way = "moon"', "network.0.way = 'moon'"),
        ("latency_ms = 900.0", "latency_ms = -1.0", "latency_ms = -1.0"),
        ("wallets = 100", "wallets = 1", "population.wallets = 1"),
        ("wallets = 100", "wallets = 2.5", "population.wallets = 2.5"),
        ("compression = 60", "compression = 0", "clock.compression = 0"),
        ('kind = "mitigation"', 'kind = "magic"', "events.0.kind = 'magic'"),
        ("card_payment = 1.0", "card_paymnt = 1.0", "card_paymnt"),
        ("seed = 7", "seed = -7", "seed = -7"),
    ],
)
def test_one_defect_is_named_with_its_line(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    text = changed(before, after)
    message = refused(tmp_path, text)
    assert "1 fault in scenario" in message
    assert told in message
    number = next(
        n
        for n, (old, new) in enumerate(zip(GOOD.split("\n"), text.split("\n"), strict=True), 1)
        if old != new
    )
    assert f"line {number}: " in message


def test_a_missing_key_and_an_empty_scenario_are_named(tmp_path: Path) -> None:
    assert "'title' is missing" in refused(tmp_path, changed('title = "Mine"\n', ""))
    assert "'phases' is missing" in refused(tmp_path, 'name = "x"\n')


def test_broken_toml_is_named_with_its_line(tmp_path: Path) -> None:
    message = refused(tmp_path, changed("seed = 7", "seed = "))
    assert "not valid TOML" in message
    assert "line 4" in message


def test_durability_cannot_be_switched_off(tmp_path: Path) -> None:
    message = refused(tmp_path, changed("[flags]", "[server]\nfsync = false\n\n[flags]"))
    assert "'fsync' may not be changed" in message


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("FSYNC = false", "'FSYNC' may not be changed: a run is always durable"),
        ("Synchronous_Commit = 'off'", "a run is always durable"),
        ("log_timezone = 'Asia/Tokyo'", "the run's record depends on it"),
        ("Data_Directory = '/tmp'", "the run's record depends on it"),
        ('"work_mem = \'1MB\'\\nfsync" = "off"', "is no name of a setting"),
    ],
)
def test_settings_that_a_run_stands_on_cannot_be_changed(
    tmp_path: Path, setting: str, told: str
) -> None:
    assert told in refused(tmp_path, changed("[flags]", f"[server]\n{setting}\n\n[flags]"))


def test_an_unknown_scenario_is_a_usage_fault_with_a_suggestion() -> None:
    with pytest.raises(UsageFault, match="did you mean 'healthy'"):
        load_scenario("helthy")
    with pytest.raises(UsageFault, match=r"no such scenario file"):
        load_scenario("/nonexistent/x.toml")


def test_the_callers_changes_are_checked_and_taken() -> None:
    scenario = load_scenario("healthy", seed=3, design="batched", flags={"pool_size": 2})
    assert (scenario.seed, scenario.design, scenario.flags.pool_size) == (3, "batched", 2)
    with pytest.raises(
        UsageFault, match="no such flag · poolsize · known, closest first: pool_size"
    ):
        load_scenario("healthy", flags={"poolsize": 2})
    with pytest.raises(UsageFault, match="pool_size: whole number, 1 to 500"):
        load_scenario("healthy", flags={"pool_size": 0})
    with pytest.raises(UsageFault, match="no such design"):
        load_scenario("healthy", design="phase")
    with pytest.raises(UsageFault, match="time scale"):
        load_scenario("healthy", time_scale=0)


def test_time_scale_stretches_the_script_but_no_latency() -> None:
    whole, half = (load_scenario("kyash-2018-11-03", time_scale=s) for s in (1.0, 0.5))
    assert half.duration_s == whole.duration_s / 2
    assert half.events[0].at_s == whole.events[0].at_s / 2
    assert half.faults[0].parameters["ramp_s"] == whole.faults[0].parameters["ramp_s"] / 2
    assert half.gateway == whole.gateway
    assert half.flags == whole.flags
    assert half.clock is not None
    assert whole.clock is not None
    assert half.clock.compression == whole.clock.compression * 2


def test_time_scale_stretches_parameters_that_were_left_out_and_no_limit_of_waiting() -> None:
    half = load_scenario("wal_stall", time_scale=0.5)
    assert half.faults[0].parameters["checkpoint_every_s"] == 0.25
    assert load_scenario("sync_standby_lost", time_scale=0.5).faults[0].parameters == {
        "catch_up_s": 10.0
    }


def test_a_time_scale_beyond_a_limit_is_refused_before_anything_starts() -> None:
    with pytest.raises(UsageFault, match=r"makes duration_s 4800: .* 3600"):
        load_scenario("kyash-2018-10-09", time_scale=100)


def test_a_design_asked_for_wins_over_a_fault_that_is_another(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        GOOD.replace("gateway_slow", "lock_across_call").replace("latency_ms = 900.0", "")
    )
    assert [f.name for f in load_scenario(str(path)).faults] == ["lock_across_call"]
    assert load_scenario(str(path), design="phased").faults == ()
    assert len(load_scenario(str(path), design="lock_across_call").faults) == 1


def test_the_reference_of_scenarios_is_made_from_the_code() -> None:
    root = Path(__file__).resolve().parents[1]
    made = runpy.run_path(str(root / "tools" / "scenario_reference.py"))["reference"]()
    assert (root / "docs" / "scenarios.md").read_text("utf-8") == made, (
        "run `python tools/scenario_reference.py`"
    )


def test_a_mangled_file_is_read_or_refused_in_one_line_and_nothing_else(tmp_path: Path) -> None:
    values = ["1", "-1", '"x"', "[]", "{}", "[1, 2, 3]", "true", "nan", "inf", "{ a = 1 }", "[[1]]"]
    drawn = random.Random(1)
    path = tmp_path / "mangled.toml"
    refusals = 0
    for _ in range(300):
        lines = GOOD.split("\n")
        for _ in range(drawn.randint(1, 3)):
            at = drawn.randrange(len(lines))
            if "=" in lines[at] and drawn.random() < 0.7:
                lines[at] = lines[at].split("=")[0] + "= " + drawn.choice(values)
            else:
                lines[at] = drawn.choice(["", "[flags]", "[[faults]]", drawn.choice(lines)])
        path.write_text("\n".join(lines), "utf-8")
        try:
            load_scenario(str(path))
        except BadData as refusal:
            assert "\n" not in str(refusal)
            assert "line " in str(refusal)
            refusals += 1
    assert refusals > 200
