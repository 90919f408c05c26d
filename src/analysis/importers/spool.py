"""Rows of text on their way into DuckDB, which then sorts, joins and types them out of core."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from analysis.importers.sources import MAX_LINE_BYTES
from runlog.literals import sql_text


@dataclass
class Spool:
    """Rows of text on their way into DuckDB: a clean CSV file with known columns."""

    path: Path
    columns: dict[str, str]  # name -> SQL type
    rows: int = 0

    def __enter__(self) -> Spool:
        self._file = self.path.open("w", encoding="utf-8", newline="")
        writer = csv.writer(self._file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self._write: Any = writer.writerow
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._file.close()

    def row(self, values: list[Any]) -> None:
        """Take one row, in the order of the columns."""
        self._write(values)
        self.rows += 1

    def reader(self) -> str:
        """Return the SQL that reads the rows back."""
        listed = ", ".join(f"{sql_text(n)}: '{t}'" for n, t in self.columns.items())
        # what is no UTF-8 takes three bytes for one
        longest = min(self.path.stat().st_size, 3 * MAX_LINE_BYTES) + 2_000_000
        return (
            f"read_csv({sql_text(self.path)}, auto_detect=false, header=false, delim=',', "
            f"quote='\"', escape='\"', new_line='\\n', columns={{{listed}}}, "
            f"max_line_size={longest}, buffer_size={2 * longest})"
        )


def text_columns(count: int) -> dict[str, str]:
    """Return the columns of a spool of rows: source_row, c0, c1, ... as text."""
    return {"source_row": "BIGINT", **{f"c{place}": "VARCHAR" for place in range(count)}}
