"""Where a report comes from: the footer of every page, and the only part that may differ."""

from __future__ import annotations

import datetime as dt
import hashlib
import platform
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

from analysis import paths
from runlog.manifest import read_manifest
from runlog.schema import MANIFEST
from runlog.writer import sha256_of

_PACKAGES = ("wallet-outage-lab", "duckdb", "pandas", "numpy", "plotly", "papermill", "nbconvert")
_FACTS = ("incidents", "licenses", "services.yaml")


@cache
def source_version() -> str:
    """Return the git commit of the project, marked when files differ from it; or say there is none.

    >>> bool(source_version())
    True
    """
    folder = str(paths.root())
    try:
        sha = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return "not a git checkout"
    return sha + (" with local changes" if changed else "")


def _git(folder: str, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", folder, *words], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()


@cache
def facts_sha256() -> str:
    """Return one SHA-256 over the incident corpus, the rules and the service list."""
    digest = hashlib.sha256()
    for name in _FACTS:
        place = paths.data(name)
        files = [place] if place.is_file() else sorted(place.rglob("*.yaml"))
        for file in files:
            digest.update(file.relative_to(paths.data()).as_posix().encode() + b"\0")
            digest.update(file.read_bytes())
    return digest.hexdigest()


def describe(runs: Sequence[Path] = (), sweeps: Sequence[Path] = ()) -> list[tuple[str, str]]:
    """Return (label, value) pairs: commit, data hashes, seeds, versions, time of the build."""
    rows = [("Project commit", source_version()), ("Facts, SHA-256", facts_sha256())]
    for run in runs:
        manifest = read_manifest(run)
        made = f"seed {manifest.seed}" if manifest.seed is not None else "no seed"
        if "server_version" in manifest.postgres:
            made += f", PostgreSQL {manifest.postgres['server_version']}"
        name = f"Run {manifest.run_id}, SHA-256 of its manifest"
        rows.append((name, f"{sha256_of(run / MANIFEST)} ({manifest.kind}, {made})"))
    if sweeps:
        from analysis.capacity.store import MANIFEST as SWEEP_MANIFEST

        label = "Sweep {}, SHA-256 of its manifest"
        rows += [(label.format(s.name), sha256_of(s / SWEEP_MANIFEST)) for s in sweeps]
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    rows.append(("Versions", f"Python {platform.python_version()}, {versions}"))
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    japan = now.astimezone(ZoneInfo("Asia/Tokyo"))
    rows.append(("Built", f"{now:%Y-%m-%d %H:%M:%S} UTC ({japan:%Y-%m-%d %H:%M:%S} JST)"))
    return rows
