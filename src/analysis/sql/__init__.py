"""One query a file. `load("requests_per_bucket")` gives its text.

Files here run verbatim on DuckDB 2 and Spark 4; what only DuckDB can say lives under `duckdb/` and
is loaded as `load("duckdb/name")`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def load(name: str) -> str:
    """Return the SQL text of one file, header comment included.

    Raises FileNotFoundError for a name that does not exist.
    """
    folder, _, stem = name.rpartition("/")
    place = files("analysis.sql")
    return (place / folder / f"{stem}.sql" if folder else place / f"{stem}.sql").read_text("utf-8")
