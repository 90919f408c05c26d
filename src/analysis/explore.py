"""For free-form notebooks: open a run, see what it holds, take a table, ask a stored query.

Reports do not use this module; their queries are fixed and tested. Here curiosity leads.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pandas as pd

from analysis import paths
from analysis.sql import load
from runlog.errors import UsageFault, did_you_mean
from runlog.reader import Run, open_run
from runlog.schema import TABLES, Table


def open_named(name: str) -> Run:
    """Return a validated run by path, or by the name of a recorded or local run.

    Raises UsageFault when there is none, BadData when it is damaged.
    """
    return open_run(paths.find_run(name))


def available_runs() -> pd.DataFrame:
    """Return one row a run found here: name, place (`recorded` or `runs`); recorded ones first."""
    found = []
    for place, folder in (("recorded", paths.data("recorded")), ("runs", paths.runs())):
        if folder.is_dir():
            manifests = sorted(folder.glob("*/manifest.json"))
            found += [
                (p.parent.name, place) for p in manifests if '"run_id"' in p.read_text("utf-8")
            ]
    return pd.DataFrame(found, columns=["run", "place"])


def tables_of(run: Run) -> pd.DataFrame:
    """Return one row a table of the contract: table, grain, rows (unknown when not recorded)."""
    rows = [
        (t.name, t.grain, run.rows(t.name) if run.has(t.name) else None) for t in TABLES.values()
    ]
    frame = pd.DataFrame(rows, columns=["table", "grain", "rows"])
    return frame.astype({"rows": "Int64"})


def columns_of(table: str) -> pd.DataFrame:
    """Return one row a column of a table: column, type, nullable, meaning."""
    rows = [(c.name, c.type, c.nullable, c.doc) for c in _table(table).columns]
    return pd.DataFrame(rows, columns=["column", "type", "nullable", "meaning"])


def frame_of(run: Run, table: str, limit: int = 1_000_000) -> pd.DataFrame:
    """Return the rows of a table, all columns, in the order of its key; at most `limit` rows."""
    key = ", ".join(f'"{name}"' for name in _table(table).key)
    sql = f"SELECT * FROM {_table(table).name} ORDER BY {key} LIMIT $limit"
    return run.connection.execute(sql, {"limit": limit}).df()


def queries() -> pd.DataFrame:
    """Return one row a stored query: name, and what its header says of grain and columns."""
    place = files("analysis.sql")
    found = []
    for prefix, folder in (("", place), ("duckdb/", place / "duckdb")):
        names = sorted(
            f.name.removesuffix(".sql") for f in folder.iterdir() if f.name.endswith(".sql")
        )
        found += [(prefix + name, _header(load(prefix + name))) for name in names]
    return pd.DataFrame(found, columns=["query", "header"])


def ask(run: Run, query: str, **parameters: Any) -> pd.DataFrame:
    """Return the frame of a stored query on a run; its header says which `$parameters` it takes.

    Some queries read tables that a notebook's preparation makes (`tl_`, `bn_`, ...): call
    `analysis.timeline.measure(run)` or `analysis.bottleneck.case.open_case(run)` first.
    """
    known = queries()["query"].tolist()
    if query not in known:
        raise UsageFault("no such query", query, did_you_mean(query, known))
    return run.connection.execute(load(query), parameters or None).df()


def _header(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.lstrip("- ").strip())
    return " ".join(lines)


def _table(name: str) -> Table:
    if name not in TABLES:
        raise UsageFault("no such table", name, did_you_mean(name, list(TABLES)))
    return TABLES[name]
