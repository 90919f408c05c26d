"""The sweep folder: four Parquet tables and `sweep.json`, written whole or not at all.

results        one run of one experiment: what was set, what came of it
service_times  one approved request of a validation run: where its time went
outcomes       one run of a study (mitigation, metastability): payments, denials, refunds
timelines      one second of such a run

Durations are whole microseconds, rates per second, money whole yen; unknown is NULL.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from runlog.errors import BadData, UsageFault
from runlog.literals import sql_text
from runlog.writer import connect, sha256_of, space_guard

VERSION = 1
MANIFEST = "sweep.json"

TABLES: dict[str, dict[str, str]] = {
    "results": {
        "experiment": "VARCHAR",
        "purpose": "VARCHAR",
        "factor": "VARCHAR",
        "repetition": "BIGINT",
        "run_order": "BIGINT",
        "design": "VARCHAR",
        "fronts": "BIGINT",
        "pool_size": "BIGINT",
        "settlement_shards": "BIGINT",
        "max_waiting": "BIGINT",
        "auto_charge": "BOOLEAN",
        "server_cores": "BIGINT",
        "offered_per_s": "DOUBLE",
        "window_s": "DOUBLE",
        "arrivals": "BIGINT",
        "approved": "BIGINT",
        "declined": "BIGINT",
        "failed": "BIGINT",
        "timed_out": "BIGINT",
        "shed": "BIGINT",
        "throughput_per_s": "DOUBLE",
        "goodput_per_s": "DOUBLE",
        "latency_us_p50": "BIGINT",
        "latency_us_p95": "BIGINT",
        "latency_us_p99": "BIGINT",
        "residence_us_mean": "BIGINT",
        "in_flight_mean": "DOUBLE",
    },
    "service_times": {
        "experiment": "VARCHAR",
        "repetition": "BIGINT",
        "request_id": "VARCHAR",
        "operation": "VARCHAR",
        "auto_charged": "BOOLEAN",
        "latency_us": "BIGINT",
        "tx_us": "BIGINT",
        "first_us": "BIGINT",
        "gateway_us": "BIGINT",
        "commit_us": "BIGINT",
        "visits": "BIGINT",
    },
    "outcomes": {
        "study": "VARCHAR",
        "variant": "VARCHAR",
        "repetition": "BIGINT",
        "intentions": "BIGINT",
        "attempted_jpy": "BIGINT",
        "approved_jpy": "BIGINT",
        "paid": "BIGINT",
        "denied": "BIGINT",
        "denied_jpy": "BIGINT",
        "refunds_due": "BIGINT",
        "refund_jpy": "BIGINT",
    },
    "timelines": {
        "study": "VARCHAR",
        "variant": "VARCHAR",
        "repetition": "BIGINT",
        "second": "BIGINT",
        "intentions": "BIGINT",
        "attempts": "BIGINT",
        "approved": "BIGINT",
        "declined": "BIGINT",
        "unanswered": "BIGINT",
        "good": "BIGINT",
    },
}
KEYS = {
    "results": ("experiment", "repetition"),
    "service_times": ("experiment", "repetition", "request_id"),
    "outcomes": ("study", "variant", "repetition"),
    "timelines": ("study", "variant", "repetition", "second"),
}


@dataclass(frozen=True)
class Sweep:
    """One sweep: its four tables (empty where nothing was measured) and its manifest."""

    folder: Path
    manifest: dict[str, Any]
    results: pd.DataFrame
    service_times: pd.DataFrame
    outcomes: pd.DataFrame
    timelines: pd.DataFrame


def write_sweep(out: Path, tables: dict[str, pd.DataFrame], manifest: dict[str, Any]) -> Path:
    """Write a sweep folder and return it. Raises UsageFault when `out` exists."""
    if out.exists():
        raise UsageFault("output exists", out, "choose another --out, or remove it first")
    partial = out.with_name(f"{out.name}.partial-{os.getpid()}")
    with space_guard(out):
        partial.mkdir(parents=True)
        try:
            entries = {name: _write(partial, name, tables.get(name)) for name in TABLES}
            content = {"version": VERSION, "kind": "sweep", **manifest, "tables": entries}
            text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
            (partial / MANIFEST).write_text(text, "utf-8")
            partial.rename(out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return out


def renew_sweep(old: Sweep, tables: dict[str, pd.DataFrame], manifest: dict[str, Any]) -> Path:
    """Put what was measured anew in place of the same experiments and studies of a sweep.

    Everything else stays. The manifest lists what was measured later than the rest, because only
    what was measured together shares the machine's mood. Returns the folder.
    """
    merged = {}
    for name, new in tables.items():
        what = "study" if name in ("outcomes", "timelines") else "experiment"
        kept = getattr(old, name)
        kept = kept[~kept[what].isin(new[what].unique())]
        merged[name] = pd.concat([kept, new], ignore_index=True) if len(kept) else new
    merged = {name: getattr(old, name) for name in TABLES if name not in merged} | merged
    anew = [*manifest["experiments"], *manifest["studies"]]
    content = {k: v for k, v in old.manifest.items() if k not in ("version", "kind", "tables")}
    for name in ("experiments", "studies"):
        content[name] = list(dict.fromkeys([*content[name], *manifest[name]]))
    content["runs_lost"] += manifest["runs_lost"]
    before = [n for n in content.get("measured_later", []) if n not in anew]
    content["measured_later"] = before + anew
    aside = old.folder.with_name(f"{old.folder.name}.old-{os.getpid()}")
    fresh = write_sweep(old.folder.with_name(f"{old.folder.name}.new"), merged, content)
    old.folder.rename(aside)
    fresh.rename(old.folder)
    shutil.rmtree(aside)
    return old.folder


def _write(folder: Path, name: str, frame: pd.DataFrame | None) -> dict[str, Any]:
    columns = TABLES[name]
    given = pd.DataFrame(columns=list(columns)) if frame is None or not len(frame) else frame
    chosen = ", ".join(f'CAST("{c}" AS {kind}) AS "{c}"' for c, kind in columns.items())
    order = ", ".join(KEYS[name])
    target = folder / f"{name}.parquet"
    quoted = sql_text(target)
    con = connect()
    try:
        con.register("given", given)
        con.execute(
            f"COPY (SELECT {chosen} FROM given ORDER BY {order}) TO {quoted} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
    finally:
        con.close()
    return {"rows": len(given), "sha256": sha256_of(target)}


def read_sweep(folder: Path) -> Sweep:
    """Return the sweep in `folder`. Raises BadData for anything missing, changed or misshapen."""
    path = folder / MANIFEST
    if not path.is_file():
        raise BadData("not a sweep folder", folder, f"a sweep has a {MANIFEST}: walletlab sweep")
    try:
        manifest = json.loads(path.read_text("utf-8"))
        entries = manifest["tables"]
        right = manifest["version"] == VERSION and set(entries) == set(TABLES)
    except (ValueError, KeyError, TypeError) as error:
        raise BadData("broken sweep manifest", path, "make the sweep again") from error
    if not right:
        raise BadData("sweep of another version", path, "make the sweep again")
    frames = {name: _read(folder, name, entries[name]) for name in TABLES}
    return Sweep(folder, manifest, **frames)


def _read(folder: Path, name: str, entry: dict[str, Any]) -> pd.DataFrame:
    path = folder / f"{name}.parquet"
    if not path.is_file() or sha256_of(path) != entry["sha256"]:
        todo = "the folder was damaged after it was written: copy or make it again"
        raise BadData("sweep table is not the one that was written", path, todo)
    con = connect()
    try:
        quoted = sql_text(path)
        frame = con.execute(f"SELECT * FROM read_parquet({quoted})").df()
        twice = con.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM read_parquet({quoted}) "
            f"GROUP BY {', '.join(KEYS[name])} HAVING count(*) > 1)"
        ).fetchall()
    finally:
        con.close()
    missing = [c for c in TABLES[name] if c not in frame.columns]
    if missing or twice[0][0]:
        what = f"column {missing[0]} is missing" if missing else "a key repeats"
        raise BadData("sweep table does not fit its contract", path, what)
    return frame
