"""A folder that is replaced whole or not at all, so that an interrupt leaves the old site."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from runlog.errors import UsageFault
from runlog.writer import space_guard

MARK = ".walletlab-site"
KEPT = "runs"  # reports of single runs live below the site and survive its rebuilding


@contextmanager
def replaced(out: Path) -> Iterator[Path]:
    """Give a fresh folder to fill; it takes the place of `out` when the block ends well.

    Raises UsageFault when `out` holds anything but an earlier site, EnvironmentFault when it cannot
    be written.
    """
    out = out.absolute()
    _recover(out)
    if out.exists() and not _replaceable(out):
        todo = "choose another --out, or empty it; only an earlier report is replaced"
        raise UsageFault("output is not a report folder", out, todo)
    building = out.with_name(f"{out.name}.partial-{os.getpid()}")
    with space_guard(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        building.mkdir()
    try:
        (building / MARK).touch()
        yield building
        with space_guard(out):
            _swap(building, out)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _replaceable(out: Path) -> bool:
    return out.is_dir() and (
        (out / MARK).exists() or {entry.name for entry in out.iterdir()} <= {KEPT}
    )


def _swap(building: Path, out: Path) -> None:
    old = out.with_name(f"{out.name}.old-{os.getpid()}")
    if out.exists():
        if (out / KEPT).is_dir() and not (building / KEPT).exists():
            (out / KEPT).rename(building / KEPT)
        out.rename(old)
    building.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _recover(out: Path) -> None:
    """Clean up after builders that were killed: the old site comes back, half a site goes."""
    if not out.parent.is_dir():
        return
    for orphan in sorted(out.parent.glob(f"{out.name}.*-*")):
        kind, _, pid = orphan.name.removeprefix(f"{out.name}.").rpartition("-")
        if kind not in ("partial", "old") or not pid.isdigit() or psutil.pid_exists(int(pid)):
            continue
        if kind == "old" and not out.exists():
            orphan.rename(out)
        else:
            shutil.rmtree(orphan, ignore_errors=True)
