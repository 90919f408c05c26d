"""Small logs made by hand, and an import with its summary, for the importer tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from analysis.importers.postgres import Imported, Options, import_postgres_logs
from analysis.summary import summarise
from runlog.literals import sql_text
from runlog.reader import open_run
from runlog.writer import connect

LOGS = Path(__file__).parent / "fixtures" / "logs"


def record(
    line: int,
    message: str,
    *,
    at: str = "2026-03-14 12:00:00.123 UTC",
    pid: int = 4711,
    level: str = "LOG",
    state: str = "00000",
    detail: str = "",
    context: str = "",
    query: str = "",
    session: str = "69b4cf30",
    columns: int = 26,
) -> str:
    """Return one csvlog record as the server writes it, with its newline."""
    quoted = ['"' + t.replace('"', '""') + '"' if t else "" for t in (message, detail)]
    more = ['"' + t.replace('"', '""') + '"' if t else "" for t in (context, query)]
    start = at[:19] + at[23:] if at[19:20] == "." else at
    fields = [
        at, '"wallet"', '"wallet"', str(pid), '"10.0.0.1:5000"', f"{session}.{pid:x}", str(line),
        '"SELECT"', start, f"3/{line}", "0", level, state, quoted[0], quoted[1], "", "", "",
        more[0], more[1], "", "", '"app"', '"client backend"', "", "77",
    ]  # fmt: skip
    return ",".join(fields[:columns]) + "\n"


def import_text(folder: Path, text: str | bytes, name: str = "a.csv", **options: Any) -> Imported:
    """Write a log into `folder` and import it into `folder`/run."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return import_postgres_logs([path], folder / "run", Options(**options))


def summary_of(folder: Path) -> dict[str, Any]:
    """Return the summary of a run, which must keep the contract."""
    run = open_run(folder)
    try:
        return summarise(run)
    finally:
        run.close()


def table(folder: Path, name: str = "pg_log") -> pd.DataFrame:
    """Return one Parquet file of a run as a frame, sorted by session and line where it has them."""
    con = connect()
    order = "ORDER BY session_id, session_line_num" if name == "pg_log" else "ORDER BY ALL"
    path = sql_text(folder / f"{name}.parquet")
    return con.execute(f"SELECT * FROM read_parquet({path}) {order}").df()
