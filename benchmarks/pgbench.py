"""pgbench of the wheel, run on the same server as what it is compared with."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from reference_engine.postgres import EmbeddedServer

CLIENTS = 16
SCALE = 16  # one branch row a client, as pgbench's documentation asks for
_TPS = re.compile(r"tps = ([0-9.]+) \(without initial connection time\)")


def _run(server: EmbeddedServer, *arguments: str) -> str:
    program = str(server.binaries / "pgbench")
    command = [program, *arguments, server.dsn]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def prepare(server: EmbeddedServer) -> None:
    """Create and fill pgbench's own tables (schema public)."""
    _run(server, "-i", "-q", "-s", str(SCALE))


def tpcb_per_s(server: EmbeddedServer, seconds: int, *, clients: int = CLIENTS) -> float:
    """Transactions per second of TPC-B (sort of), prepared statements."""
    run = ["-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds), "-n"]
    return _per_s(_run(server, *run))


def script_per_s(server: EmbeddedServer, script: Path, seconds: int, *, clients: int) -> float:
    """Transactions per second of a script, prepared statements."""
    run = ["-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds), "-n"]
    return _per_s(_run(server, *run, "-f", str(script)))


def _per_s(output: str) -> float:
    found = _TPS.search(output)
    if found is None:
        raise RuntimeError(f"pgbench said nothing about tps: {output}")
    return float(found.group(1))
