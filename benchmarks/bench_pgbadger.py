"""The same csvlog through pgBadger and through walletlab: time, memory, and every counter compared.

    python benchmarks/bench_pgbadger.py [--megabytes 250] [--large] [--import-only]

A seeded log is generated into a temporary folder. pgBadger writes its HTML report; walletlab
imports the log and writes its full HTML report, in one command. Each runs alone, one after the
other, on the same file. `--large` repeats walletlab on 2 GB and shows how time and memory grow.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from log_generator import write_csvlog

_MB = 1_000_000
_LARGE_MB = 2_000


@dataclass
class Cost:
    """What one program took: wall and CPU seconds, largest resident set of a process.

    CPU seconds are user and system time of the program and of every process it has waited for: the
    kernel that executes a notebook is one.
    """

    wall_s: float
    cpu_s: float
    rss_mb: float

    def __add__(self, other: Cost) -> Cost:
        wall, cpu = self.wall_s + other.wall_s, self.cpu_s + other.cpu_s
        return Cost(wall, cpu, max(self.rss_mb, other.rss_mb))

    def __str__(self) -> str:
        return f"{self.wall_s:8.1f} s wall {self.cpu_s:8.1f} s CPU {self.rss_mb:7.0f} MB"


def run(command: list[str], folder: Path) -> Cost:
    """Run a program to its end; raises CalledProcessError when it fails."""
    began = time.monotonic()
    with (folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code:
        print((folder / "output.txt").read_text("utf-8", "replace")[-2000:], file=sys.stderr)
        raise subprocess.CalledProcessError(code, command)
    wall = time.monotonic() - began
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def walletlab(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from analysis.cli import main; main()", *arguments]


def ours(log: Path, folder: Path, name: str, *, report: bool) -> tuple[Cost, Cost]:
    """Return what the import alone took, and the import with the report (else with a summary)."""
    alone, out = folder / f"{name}-alone", folder / name
    imported = run(walletlab("import", "postgres-log", str(log), "--out", str(alone)), folder)
    shutil.rmtree(alone)
    command = walletlab("import", "postgres-log", str(log), "--out", str(out))
    if report:
        return imported, run([*command, "--report", str(folder / f"{name}-report")], folder)
    together = run(command, folder) + run(walletlab("summary", str(out), "--json"), folder)
    return imported, together


def summary(folder: Path, name: str) -> dict[str, Any]:
    done = subprocess.run(
        walletlab("summary", str(folder / name), "--json"), check=True, capture_output=True
    )
    return json.loads(done.stdout)


def compare(told: dict[str, Any], badger: dict[str, Any]) -> list[tuple[str, float, float, str]]:
    """Return (counter, walletlab, pgBadger, why they differ) for what both of them count."""
    stat, locks = badger["overall_stat"]["postgres"], badger["lock_info"].get("postgres", {})
    durations = told["durations"]
    executed = stat["queries_duration"]
    return [
        ("log records", told["records"], badger["nlines"], ""),
        ("statements", durations["statements"]["count"], badger["overall_stat"]["queries_number"],
         ""),
        ("binds", durations["binds"]["count"], stat["bind"],
         "pgBadger sums the time of binds of a csvlog and leaves their count at 0"),
        ("duration, ms", durations["sum_us"] / 1000, sum(executed.values()), ""),
        ("lock waits acquired", told["lock_waits"]["acquired"],
         sum(mode["count"] for mode in locks.values()), ""),
        ("lock waits in all", told["lock_waits"]["started"],
         sum(mode["count"] for mode in locks.values()),
         "pgBadger counts only waits that ended well; deadlocked and cancelled ones are missing"),
        ("deadlocks", told["deadlocks"], _errors(badger, "deadlock detected"), ""),
        ("duplicate keys (23505)", told["errors"].get("23505", 0),
         _errors(badger, "duplicate key value"), ""),
        ("serialization failures (40001)", told["errors"].get("40001", 0),
         _errors(badger, "could not serialize access"), ""),
        ("cancelled (57014)", told["errors"].get("57014", 0),
         _errors(badger, "canceling statement"), ""),
        ("errors in all", sum(told["errors"].values()), stat["errors_number"],
         "pgBadger adds lines of lock waits to its errors"),
        ("temporary files", told["temp_files"], badger["tempfile_info"]["postgres"]["count"], ""),
        ("temporary bytes", told["temp_files_bytes"],
         badger["tempfile_info"]["postgres"]["size"], ""),
        ("autovacuums", told["autovacuums"], badger["autovacuum_info"]["postgres"]["count"], ""),
        ("connections", told["connections"], badger["connection_info"]["postgres"]["count"], ""),
    ]  # fmt: skip


def _errors(badger: dict[str, Any], words: str) -> int:
    listed = badger["error_info"].get("postgres", {})
    return sum(entry["count"] for text, entry in listed.items() if words in text)


def against_pgbadger(folder: Path, megabytes: int, *, report: bool) -> Cost:
    """Run both on one log and print the comparison; return what walletlab took."""
    log = folder / "server.csv"
    records = write_csvlog(log, 1, megabytes * _MB)
    print(f"csvlog of {megabytes} MB, {records} records, seed 1, {os.cpu_count()} CPUs")
    loads = [os.getloadavg()[0]]
    imported, total = ours(log, folder, "run", report=report)
    what = "with its report" if report else "and summary"
    print(f"  import alone             {imported}\n  import {what:18}{total}")
    command = ["pgbadger", "-q", "-f", "csv", "-o", "b.html", "-o", "b.json", str(log)]
    loads.append(os.getloadavg()[0])
    badger = run(command, folder)
    loads.append(os.getloadavg()[0])
    print(f"  pgBadger                 {badger}")
    wall, cpu = badger.wall_s / total.wall_s, badger.cpu_s / total.cpu_s
    alone = badger.wall_s / imported.wall_s
    print(f"  ratio: {wall:.1f}x wall, {cpu:.1f}x CPU; import alone {alone:.1f}x wall")
    told = ", ".join(f"{load:.1f}" for load in loads)
    print(f"  load average before, between and after: {told} (a quiet machine has 0 before)")
    counted = compare(summary(folder, "run"), json.loads((folder / "b.json").read_text()))
    print(f"  {'counter':32}{'walletlab':>16}{'pgBadger':>16}")
    for name, mine, its, why in counted:
        same = abs(mine - its) <= max(1e-6 * abs(mine), 0)
        print(f"  {name:32}{mine:>16.10g}{its:>16.10g}  {'equal' if same else why or 'DIFFERS'}")
    unexplained = [n for n, mine, its, why in counted if not why and abs(mine - its) > 1e-6 * mine]
    if unexplained:
        sys.exit(f"counters differ without a reason: {', '.join(unexplained)}")
    return total


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=250)
    parser.add_argument("--large", action="store_true", help="also 2 GB, walletlab only")
    parser.add_argument("--import-only", action="store_true", help="a summary, not the report")
    options = parser.parse_args()
    if shutil.which("pgbadger") is None:
        sys.exit("pgbadger is not installed (apt-get install pgbadger)")
    with tempfile.TemporaryDirectory(prefix="pgbadger") as name:
        folder, report = Path(name), not options.import_only
        small = against_pgbadger(folder, options.megabytes, report=report)
        if options.large:
            log = folder / "large.csv"
            write_csvlog(log, 2, _LARGE_MB * _MB)
            imported, total = ours(log, folder, "large", report=report)
            print(
                f"2 GB\n  walletlab import alone   {imported}\n  and the rest             {total}"
            )
            grown = total.wall_s / small.wall_s
            print(f"  {_LARGE_MB // options.megabytes}x the log takes {grown:.1f}x the time, "
                  f"{total.rss_mb:.0f} MB at most")  # fmt: skip


if __name__ == "__main__":
    main()
