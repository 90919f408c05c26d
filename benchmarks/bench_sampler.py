"""What the sampler costs: pgbench TPC-B with it on and off, alternately.

One server, one run; each pair of measurements is taken one after the other, in changing order, so
that a drift of the machine hits both sides. Prints the ratio; the promise is a cost of at most 3 %.

Run: python benchmarks/bench_sampler.py [PAIRS] [SECONDS]
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
from pathlib import Path

import pgbench

from reference_engine.guardian import Guardian
from reference_engine.postgres import EmbeddedServer
from reference_engine.recorder import DEFAULT_HZ, Sampler

COST_MAX = 0.03


def measured(server: EmbeddedServer, folder: Path, on: bool, seconds: int) -> float:
    """Transactions per second of TPC-B with 16 clients, sampled or not."""
    sampler = Sampler(server.dsn, folder, DEFAULT_HZ, schema="public")
    with sampler if on else contextlib.nullcontext():
        return pgbench.tpcb_per_s(server, seconds)


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 6
    with (
        Guardian() as guardian,
        EmbeddedServer(guardian=guardian) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        pgbench.prepare(server)
        pgbench.tpcb_per_s(server, 3)  # warm
        ratios: list[float] = []
        for pair in range(pairs):
            rates = {}
            for on in (False, True) if pair % 2 == 0 else (True, False):
                rates[on] = measured(server, Path(folder) / f"{pair}", on, seconds)
            ratios.append(rates[True] / rates[False])
            print(f"pair {pair}: off {rates[False]:8.0f}/s  on {rates[True]:8.0f}/s", flush=True)
    ratio = statistics.median(ratios)
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    told = "met" if ratio >= 1 - COST_MAX else "MISSED"
    print(
        f"sampler at {DEFAULT_HZ:g} Hz, on / off, median of {pairs} pairs: {ratio:.3f} ({spread})"
    )
    print(f"cost at most {COST_MAX:.0%} of throughput: {told}")
    sys.exit(0 if told == "met" else 1)


if __name__ == "__main__":
    main()
