"""The designs end to end against pgbench, alternately on one durable server.

`batched`: requests a second from scheduled arrival to recorded outcome, every request logged,
against pgbench TPC-B. `phased`: against pgbench running the same statements over as many
connections. Prints ratios; rates are for orientation. Balances are ample, so that the card gateway
stays out of it.

Run: python benchmarks/bench_designs.py [ROUNDS]
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pgbench

from reference_engine.fronts import Fronts
from reference_engine.guardian import Guardian
from reference_engine.ledger import schema, setup
from reference_engine.ledger.reading import create_reading_indexes
from reference_engine.postgres import EmbeddedServer
from reference_engine.scenario import load_scenario
from reference_engine.scenario_model import FaultSpec, Flags, Scenario
from reference_engine.spool import RunClock

WALLETS = 2_000
CONNECTIONS = 16
FRONTS = 2
SHARDS = 8
MIX = {"card_payment": 0.7, "p2p_transfer": 0.2, "top_up": 0.1}
PAYMENTS = {"card_payment": 1.0}
_SCRIPT = """
\\set wallet random(1, {wallets})
\\set number random(1, 9000000000000000000)
\\set yen random(1, 3000)
BEGIN;
SELECT operation_id, state, reason, card_part_jpy FROM {schema}.operation_begin(
  (:number)::text, 'card_payment', :wallet, 2000001, :yen, true, (:wallet % {shards})::int,
  false, false, true);
COMMIT;
"""


def scenario(
    design: str, rate_per_s: float, factor: float, duration_s: float, mix: dict[str, float]
) -> Scenario:
    """The healthy scenario with another load: more than the design can carry."""
    base = load_scenario("healthy", design=design)
    flags = Flags(
        settlement_shards=SHARDS,
        pool_size=CONNECTIONS // FRONTS,
        pool_timeout_ms=600_000,
        client_timeout_ms=600_000,
        batch_max=5_000,
        batch_wait_ms=10,
    )
    phase = base.phases[0].model_copy(
        update={"end_s": duration_s, "rate_per_s": (rate_per_s, rate_per_s), "mix": mix}
    )
    surge = FaultSpec(
        name="access_surge",
        start_s=0.0,
        end_s=duration_s,
        parameters={"factor": factor, "ramp_s": 0.0},
    )
    people = base.population.model_copy(update={"wallets": WALLETS, "merchants": 1})
    changes = {
        "duration_s": duration_s,
        "phases": (phase,),
        "faults": (surge,),
        "flags": flags,
        "population": people,
        "fronts": FRONTS,
        "seed": time.time_ns() % 2**40,  # keys that no round before has used
    }
    return base.model_copy(update=changes)


class Bench:
    """One server, one ledger; each measurement plays its load against it."""

    def __init__(self, server: EmbeddedServer, guardian: Guardian, folder: Path) -> None:
        self.server = server
        self.guardian = guardian
        self.folder = folder
        self.rounds = 0
        self.last_tpcb = 1_000.0

    def play(self, made: Scenario) -> float:
        """Approved requests per second, from the first scheduled arrival to the last answer."""
        self.rounds += 1
        folder = self.folder / str(self.rounds)
        folder.mkdir()
        epoch_us, monotonic_ns = time.time_ns() // 1000, time.monotonic_ns()
        settings = {
            "dsn": self.server.dsn,
            "schema": "wallet",
            "folder": str(folder),
            "gateway_port": 1,
            "limited": False,
            "epoch_us": epoch_us,
            "monotonic_ns": monotonic_ns,
        }
        fronts = Fronts(made, settings, folder, self.guardian)
        try:
            fronts.open()
            start_us = RunClock(epoch_us, monotonic_ns).now_us() + 300_000
            fronts.begin(start_us)
            while not fronts.drained():
                time.sleep(0.2)
            fronts.finish()
        finally:
            fronts.close()
        return approved_per_s(folder, start_us)

    def tpcb(self) -> float:
        self.last_tpcb = pgbench.tpcb_per_s(self.server, 5)
        return self.last_tpcb

    def batched(self) -> float:
        """Offered 12 times what TPC-B has just reached: above the goal, and not absurdly so."""
        return self.play(scenario("batched", 10_000, 12 * self.last_tpcb / 10_000, 5, MIX))

    def phased(self) -> float:
        return self.play(scenario("phased", 3_000, 1.0, 5, PAYMENTS))

    def same_statements(self) -> float:
        script = self.folder / "phased.sql"
        text = _SCRIPT.format(wallets=WALLETS, shards=SHARDS, schema="wallet")
        script.write_text(text)
        return pgbench.script_per_s(self.server, script, 5, clients=CONNECTIONS)


def approved_per_s(folder: Path, start_us: int) -> float:
    """Requests that the fronts recorded as approved, over the time until the last of them."""
    count, last_us, others = 0, start_us, 0
    for path in folder.glob("batches-*.jsonl"):
        for line in path.read_bytes().splitlines():
            batch = json.loads(line)
            count += len(batch["request_id"])
            last_us = max(last_us, batch["finished_us"])
    for path in folder.glob("requests-*.jsonl"):
        for line in path.read_bytes().splitlines():
            row = json.loads(line)
            if row["outcome"] == "approved":
                count += 1
                last_us = max(last_us, row["finished_at"])
            else:
                others += 1
    if others:
        print(f"  ({others} arrivals were above what a front takes in, and are not counted)")
    return count / ((last_us - start_us) / 1e6)


def report(measure: dict[str, Callable[[], float]], rounds: int) -> None:
    """Measure everything alternately; print the median rates and the ratios of each round."""
    found: dict[str, list[float]] = {name: [] for name in measure}
    for _ in range(rounds):
        for name, work in measure.items():
            found[name].append(work())
    for name, rates in found.items():
        print(f"{name:16s} {statistics.median(rates):10.0f} /s")
    for label, above, below, goal in (
        ("batched end to end / TPC-B 16 clients", "batched", "tpcb", 10.0),
        ("phased / pgbench, same statements", "phased", "same_statements", 0.6),
    ):
        ratios = [a / b for a, b in zip(found[above], found[below], strict=True)]
        shown = ", ".join(f"{r:.2f}" for r in ratios)
        print(f"{label}: median {statistics.median(ratios):.2f} (goal {goal:g}; rounds {shown})")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    settings = {"search_path": "wallet, public"}
    with (
        tempfile.TemporaryDirectory() as folder,
        Guardian() as guardian,
        EmbeddedServer(settings=settings, guardian=guardian) as server,
    ):
        shown = server.settings()
        print(f"PostgreSQL {shown['server_version']}, fsync {shown['fsync']}")
        schema.create(server.dsn, "wallet")
        amounts = [1_000_000_000] * WALLETS
        setup.fill(server.dsn, "wallet", wallets=WALLETS, merchants=1, opening_balances_jpy=amounts)
        create_reading_indexes(server.dsn, "wallet")
        pgbench.prepare(server)
        bench = Bench(server, guardian, Path(folder))
        measure = {
            "tpcb": bench.tpcb,
            "batched": bench.batched,
            "same_statements": bench.same_statements,
            "phased": bench.phased,
        }
        report(measure, rounds)
        with schema.connection_to(server.dsn, "wallet") as connection:
            faults = connection.execute("SELECT what, example FROM book_faults()").fetchall()
        print("books:", "sound" if not faults else f"BROKEN {faults[:3]}")


if __name__ == "__main__":
    main()
