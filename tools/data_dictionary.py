"""Write docs/data_dictionary.md from the contract in src/runlog/schema.py."""

from __future__ import annotations

from pathlib import Path

from runlog.schema import CONTRACT_VERSION, TABLES, Column, Table

TARGET = Path(__file__).resolve().parents[1] / "docs" / "data_dictionary.md"

_HEAD = f"""\
# Data dictionary

The run directory, contract version {CONTRACT_VERSION}. Made by `python tools/data_dictionary.py`
from `src/runlog/schema.py`; do not edit.

One run is one folder with a Parquet file for each table and `manifest.json`, which is written last:
a folder without it is no run. Time is UTC with microseconds, durations are whole microseconds
(`_us`), money is whole yen (`_jpy`), an enum is text from a closed list, and unknown is NULL, never
0 or an empty text. `truth.json` names what was injected into an engine run; nothing but the scorer
under `benchmarks/` may read it. An import may add `rejects.parquet`: the lines that could not be
read.
"""


def dictionary() -> str:
    """Return the text of the data dictionary."""
    return _HEAD + "".join(_section(table) for table in TABLES.values())


def _section(table: Table) -> str:
    rows = "".join(_row(table, column) for column in table.columns)
    key = ", ".join(f"`{k}`" for k in table.key)
    return (
        f"\n## {table.name}\n\nGrain: {table.grain}. Key: {key}.\n\n"
        f"| column | type | NULL | meaning |\n|---|---|---|---|\n{rows}"
    )


def _row(table: Table, column: Column) -> str:
    enum = f": {', '.join(f'`{v}`' for v in column.enum)}" if column.enum else ""
    null = "yes" if column.nullable else "never"
    mark = " (key)" if column.name in table.key else ""
    return f"| `{column.name}`{mark} | {column.type} | {null} | {column.doc}{enum} |\n"


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(dictionary(), "utf-8")
