"""How true the fronts are to their schedule: offered against started arrivals beside a busy server.

Runs the wallet at rising rates (phased, and batched above 500/s) on a server that pgbench keeps
busy. The error of an arrival is the start of its work minus its scheduled time. The promise is a
99th percentile within 5 ms up to 2,000 requests a second, and nothing skipped.

Run: python benchmarks/bench_arrivals.py [RATE ...]
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path

import pgbench

from reference_engine.guardian import Guardian
from reference_engine.postgres import EmbeddedServer
from reference_engine.run import run_scenario
from reference_engine.scenario import load_scenario
from reference_engine.scenario_model import Scenario
from runlog.manifest import read_manifest

P99_MAX_US = 5_000
SECONDS = 12.0
RATES = (250, 500, 1_000, 2_000)
BUSY_CLIENTS = 2


def scenario_at(rate_per_s: float, design: str) -> Scenario:
    """Steady load at one rate; clients that give up early, so that a queue cannot grow."""
    flags = {"pool_size": 8, "client_timeout_ms": 1_000, "pool_timeout_ms": 800, "max_waiting": 64}
    base = load_scenario("healthy", design=design, flags=flags)
    rate = (float(rate_per_s), float(rate_per_s))
    phase = base.phases[0].model_copy(update={"end_s": SECONDS, "rate_per_s": rate})
    return base.model_copy(update={"phases": (phase,), "duration_s": SECONDS})


class BusyServer(threading.Thread):
    """pgbench on the server of the run, from before the load starts to after it ends."""

    def __init__(self, server: EmbeddedServer) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.per_s = 0.0

    def run(self) -> None:
        self.per_s = pgbench.tpcb_per_s(self.server, int(SECONDS) + 8, clients=BUSY_CLIENTS)


def measured(server: EmbeddedServer, rate_per_s: float, design: str) -> dict[str, int]:
    """What the manifest says of the arrivals of one run, and pgbench's rate beside it."""
    busy = BusyServer(server)

    def when_told(words: str) -> None:
        if "starting" in words:
            busy.start()

    with tempfile.TemporaryDirectory() as folder:
        scenario = scenario_at(rate_per_s, design)
        out = run_scenario(scenario, Path(folder) / "run", dsn=server.dsn, echo=when_told)
        busy.join()
        return dict(read_manifest(out).arrivals) | {"pgbench_per_s": round(busy.per_s)}


def main() -> None:
    rates = [float(r) for r in sys.argv[1:]] or list(RATES)
    missed = False
    with Guardian() as guardian, EmbeddedServer(guardian=guardian) as server:
        pgbench.prepare(server)
        for rate in rates:
            found = measured(server, rate, "batched" if rate > 500 else "phased")
            missed |= found["start_error_us_p99"] > P99_MAX_US or found["skipped"] > 0
            p50, p99, worst = (found[f"start_error_us_{k}"] / 1000 for k in ("p50", "p99", "max"))
            print(
                f"offered {found['scheduled'] / SECONDS:6.0f}/s  started {found['started']}  "
                f"skipped {found['skipped']}  error p50 {p50:.2f} p99 {p99:.2f} max {worst:.1f} ms"
                f"  (pgbench beside it: {found['pgbench_per_s']}/s)",
                flush=True,
            )
    told = "MISSED" if missed else "met"
    print(f"p99 within {P99_MAX_US / 1000:g} ms and nothing skipped: {told}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
