"""Text and paths as literals of SQL, where a statement takes no parameters (COPY, views, SET)."""

from __future__ import annotations

from pathlib import Path


def sql_text(value: str | Path) -> str:
    """Return a text or path as an SQL literal, quotes included.

    >>> print(sql_text("it's"))
    'it''s'
    """
    return "'" + str(value).replace("'", "''") + "'"
