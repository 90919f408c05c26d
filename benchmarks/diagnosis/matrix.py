"""Runs the fault matrix on live PostgreSQL, one run at a time, for `score.py` to judge.

    python benchmarks/diagnosis/matrix.py --out DIR [--rounds 3 6 7] [--only hot_row,healthy]

Round 0 has the scenarios as they ship. Every later round draws its own seed, strength of the fault,
load, start and length of the fault, and design, from the round's number, and also has healthy
runs (eight, from round 6 on twenty) and six pairs of faults. Rounds 0 to 5 were looked at while the
rules were made, rounds 6, 7 and 10 before they were frozen for the last time, rounds 8, 11 and 12
only after that. Rounds 9, 10 and 12 have a few long runs. A run that is there is not made again.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "reference_engine" / "scenarios"
LIMIT_S = 300
# Eight healthy runs cannot tell 0.95 from 0.88; forty in two rounds begin to.
HEALTHY_RUNS, HEALTHY_RUNS_SINCE_6 = 8, 20

FAULTS = (
    "hot_row", "lock_across_call", "pool_exhaustion", "connection_limit", "retry_storm",
    "missing_index", "plan_flip", "wal_stall", "long_transaction", "deadlock",
    "serialization_failure", "advisory_lock", "ddl_lock_queue", "gateway_partition", "gateway_slow",
    "access_surge", "sync_standby_lost", "front_stopped", "server_crash",
)  # fmt: skip
PAIRS = (
    ("access_surge", "gateway_slow"), ("hot_row", "gateway_slow"),
    ("wal_stall", "gateway_partition"), ("deadlock", "gateway_slow"),
    ("advisory_lock", "front_stopped"), ("missing_index", "gateway_slow"),
    ("long_transaction", "gateway_partition"), ("connection_limit", "gateway_slow"),
    ("access_surge", "lock_across_call"), ("ddl_lock_queue", "front_stopped"),
    ("serialization_failure", "gateway_slow"), ("hot_row", "front_stopped"),
)  # fmt: skip


def strength(fault: str, dice: random.Random) -> dict[str, Any]:
    """Parameters of a fault, drawn from the range in which it does harm."""
    draws: dict[str, Any] = {
        "access_surge": lambda: {
            "factor": round(dice.uniform(6, 14), 1), "ramp_s": round(dice.uniform(0.5, 2.5), 1)},
        "hot_row": lambda: {"sessions": dice.randint(8, 20), "transfers": dice.randint(6, 12)},
        "pool_exhaustion": lambda: {"pool_size": 1},
        "retry_storm": lambda: {
            "retries": dice.randint(8, 16), "trigger_s": round(dice.uniform(2, 4), 1)},
        "missing_index": lambda: {"history": dice.randrange(150_000, 350_000, 10_000)},
        "plan_flip": lambda: {"history": dice.randrange(250_000, 400_000, 10_000)},
        "wal_stall": lambda: {
            "sessions": dice.randint(2, 5), "message_kb": dice.randrange(6_000, 12_000, 500)},
        "deadlock": lambda: {"sessions": dice.randint(2, 4), "hold_ms": dice.randint(10, 40)},
        "serialization_failure": lambda: {
            "isolation": dice.choice(["repeatable read", "serializable"])},
        "ddl_lock_queue": lambda: {"reader_ms": dice.randint(1_000, 2_500)},
        "gateway_partition": lambda: dice.choice(
            [{"how": "black_hole"}, {"how": "reset", "share": round(dice.uniform(0.7, 1.0), 2)}]),
        "gateway_slow": lambda: {"latency_ms": float(dice.randint(400, 2_000))},
        "front_stopped": lambda: {"front": dice.randint(0, 1)},
    }  # fmt: skip
    return draws.get(fault, dict)()


def scenario_text(base: str, others: tuple[str, ...], dice: random.Random | None) -> str:
    """The TOML of one run: the shipped scenario, with drawn times, load and strengths."""
    text = (SCENARIOS / f"{base}.toml").read_text("utf-8")
    if dice is None:
        return text
    head, *tables = re.split(r"(?m)^\[\[faults\]\]\n", text)
    # a gateway with nothing to spare would be in trouble before the fault
    factor = dice.uniform(0.8, 1.0 if base == "retry_storm" else 1.25)
    head = re.sub(
        r"(?m)^rate_per_s = ([\d.]+)", lambda m: f"rate_per_s = {float(m[1]) * factor:.1f}", head
    )
    names = [tomllib.loads(t)["name"] for t in tables] + list(others)
    start = round(dice.uniform(8, 11), 2)
    end = round(start + dice.uniform(9, 12), 2)
    parts = [head]
    for name in names:
        values = ", ".join(f"{k} = {_toml(v)}" for k, v in strength(name, dice).items())
        parts.append(
            f'[[faults]]\nname = "{name}"\nstart_s = {start}\nend_s = {end}\n'
            + (f"parameters = {{ {values} }}\n" if values else "")
        )
    return "\n".join(parts)


def healthy_text(dice: random.Random, design: str) -> str:
    """The TOML of one healthy run: another load, size and gateway, and a harmless bump.

    A design that holds rows while the gateway is called carries less. It is given a load that keeps
    a settlement row busy a quarter of the time at the very worst (90 requests a second, 62 % of
    them payments, four of five with the card as balances run out, 80 ms each, 16 rows): more would
    not be healthy.
    """
    text = (SCENARIOS / "healthy.toml").read_text("utf-8")
    holding = design == "lock_across_call"
    rate, middle = dice.uniform(*((40, 90) if holding else (60, 180))), dice.uniform(10, 14)
    bump, length = dice.uniform(1.0, 1.15), dice.uniform(5, 10)
    drawn = {
        "wallets": dice.choice([500, 1000, 2000, 5000, 10000]),
        "latency_ms": dice.randint(30, 80 if holding else 120),
        "fronts": dice.randint(1, 3),
        "settlement_shards": dice.choice([16, 32] if holding else [4, 8, 16]),
    }
    for key, value in drawn.items():
        text = re.sub(rf"(?m)^{key} = \d+", f"{key} = {value}", text)
    head, phase = text.split("[[phases]]\n")
    edges = [0.0, round(middle, 2), round(middle + length, 2), 30.0]
    for number, start in enumerate(edges[:-1]):
        here = {"start_s": start, "end_s": edges[number + 1],
                "rate_per_s": round(rate * (bump if number == 1 else 1.0), 1)}  # fmt: skip
        part = phase
        for key, value in here.items():
            part = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", part)
        head += "[[phases]]\n" + part
    return head


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def plan(round_number: int) -> list[tuple[str, str, int | None, str]]:
    """Runs of one round as (label, TOML, seed, design); round 0 is what ships."""
    if round_number == 0:
        return [(f"r0-{n}", scenario_text(n, (), None), None, "") for n in (*FAULTS, "healthy")]
    runs = []
    for number, fault in enumerate(FAULTS):
        dice = random.Random(f"{round_number}/{fault}")
        # every third run of a fault is on the other design, where the fault itself is not the
        # design
        other = (number + round_number) % 3 == 0 and fault not in ("lock_across_call", "hot_row")
        design = "lock_across_call" if other else "phased"
        # a design asked for by name would leave out the fault that is a design itself
        design = "" if fault == "lock_across_call" else design
        seed = 70_000 + 100 * round_number + number
        runs.append((f"r{round_number}-{fault}", scenario_text(fault, (), dice), seed, design))
    healthy_runs = HEALTHY_RUNS if round_number < 6 else HEALTHY_RUNS_SINCE_6
    for number in range(healthy_runs):
        dice = random.Random(f"{round_number}/healthy/{number}")
        design = ("phased", "lock_across_call")[number % 2]
        seed = 90_000 + 100 * round_number + number
        runs.append((f"r{round_number}-healthy-{number}", healthy_text(dice, design), seed, design))
    half = len(PAIRS) // 2
    for number in range(half):
        first, second = PAIRS[(half * (round_number - 1) + number) % len(PAIRS)]
        dice = random.Random(f"{round_number}/{first}+{second}")
        text = scenario_text(first, (second,), dice)
        seed = 95_000 + 100 * round_number + number
        design = "" if "lock_across_call" in (first, second) else "phased"
        runs.append((f"r{round_number}-{first}+{second}", text, seed, design))
    return runs


LONG_ROUNDS = {
    9: ("lock_across_call", "gateway_slow", "deadlock", "wal_stall"),
    10: ("hot_row", "gateway_partition", "missing_index", "plan_flip", "wal_stall", "access_surge"),
    12: ("gateway_slow", "ddl_lock_queue", "retry_storm", "advisory_lock", "hot_row", "plan_flip"),
}
LONG_SCALE = 5.0


def plan_long(round_number: int) -> list[tuple[str, str, int | None, str]]:
    """Runs five times as long (150 s, the fault about 50 s), for windows that are a minute off."""
    runs = []
    for number, fault in enumerate(LONG_ROUNDS[round_number]):
        dice = random.Random(f"{round_number}/long/{fault}")
        text = scenario_text(fault, (), dice)
        seed = 97_000 + 100 * round_number + number
        runs.append((f"r{round_number}-{fault}", text, seed, "phased"))
    return runs


def make(out: Path, label: str, text: str, seed: int | None, design: str) -> str:
    """Make one run unless it is there; return what happened in a word or two."""
    target = out / label
    if target.exists():
        return "there"
    script = out / f"{label}.toml"
    script.write_text(text, "utf-8")
    command = [
        str(Path(sys.executable).parent / "walletlab"),
        "run",
        str(script),
        "--out",
        str(target),
    ]
    command += ["--seed", str(seed)] if seed is not None else []
    command += ["--design", design] if design else []
    long = label.startswith(tuple(f"r{number}-" for number in LONG_ROUNDS))
    command += ["--time-scale", str(LONG_SCALE)] if long else []
    with (out / f"{label}.log").open("w", encoding="utf-8") as log:
        try:
            done = subprocess.run(command, stdout=log, stderr=log, timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return "timeout"
    return "made" if done.returncode == 0 else f"failed ({done.returncode})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, nargs="+", default=[3, 6, 7])
    parser.add_argument("--only", default="", help="labels that contain one of these, by commas")
    parser.add_argument("--until", default="", help="begin no run after this time of day, HH:MM")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    wanted = [w for w in options.only.split(",") if w]
    for number in options.rounds:
        planned = plan_long(number) if number in LONG_ROUNDS else plan(number)
        for label, text, seed, design in planned:
            if wanted and not any(w in label for w in wanted):
                continue
            if options.until and time.strftime("%H:%M") >= options.until:
                print("time is up", flush=True)
                return
            began = time.monotonic()
            what = make(options.out, label, text, seed, design)
            print(f"{label}: {what}, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
