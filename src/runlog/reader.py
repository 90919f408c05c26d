"""Reads a run directory: validates it against the contract and offers it as views in DuckDB."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from runlog.errors import BadData
from runlog.literals import sql_text
from runlog.manifest import Manifest, read_manifest
from runlog.schema import CHECKED, MANIFEST, TABLES, Table
from runlog.writer import connect, sha256_of


@dataclass
class Run:
    """One validated run: its folder, manifest, and a connection with one view a table.

    A table that the run does not have is an empty view of the right shape; ask `has()` before
    saying anything about it, because "not recorded" and "nothing happened" are different findings.
    """

    folder: Path
    manifest: Manifest
    connection: duckdb.DuckDBPyConnection = field(repr=False)

    def has(self, table: str) -> bool:
        """True when the run recorded this table, even with no rows."""
        return table in self.manifest.tables

    def rows(self, table: str) -> int:
        """Rows recorded of a table, 0 when it was not recorded."""
        return self.manifest.tables[table].rows if self.has(table) else 0

    def close(self) -> None:
        self.connection.close()


def open_run(folder: Path | str, *, validate: bool = True) -> Run:
    """Return the run in `folder`, validated, with its views in an in-memory DuckDB.

    Raises BadData that names every fault found, each with table, column and an example row.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    con = connect()
    problems = _attach(con, folder, manifest)
    if validate and not problems and sha256_of(folder / MANIFEST) not in _checked():
        for name in manifest.tables:
            problems += _problems_of(con, TABLES[name])
    if problems:
        con.close()
        todo = "the run was damaged after it was written: copy or make it again"
        raise BadData(f"{len(problems)} fault(s) in run", f"{folder}: " + "; ".join(problems), todo)
    return Run(folder, manifest, con)


def _checked() -> list[str]:
    """Manifests whose rows the process that started this one checks; it ends this one otherwise.

    A manifest holds the SHA-256 of every table, and those are compared here all the same.
    """
    return os.environ.get(CHECKED, "").split()


def _attach(con: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest) -> list[str]:
    """Create one view a table; return the faults of files and columns."""
    problems = [f"unknown table {n} in the manifest" for n in manifest.tables if n not in TABLES]
    for table in TABLES.values():
        entry = manifest.tables.get(table.name)
        if entry is None:
            con.execute(f"CREATE TABLE {table.name} ({table.ddl})")
            continue
        path = folder / f"{table.name}.parquet"
        if not path.is_file():
            problems.append(f"{table.name}: file {path.name} is missing")
        elif sha256_of(path) != entry.sha256:
            problems.append(
                f"{table.name}: {path.name} is not the file that was written (sha256 differs)"
            )
        else:
            problems += _view(con, table, path)
    return problems


def _view(con: duckdb.DuckDBPyConnection, table: Table, path: Path) -> list[str]:
    source = f"read_parquet({sql_text(path)})"
    try:
        found = {r[0]: r[1] for r in con.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    except duckdb.Error as error:
        return [f"{table.name}: {path.name} cannot be read ({str(error).splitlines()[0]})"]
    problems = [f"{table.name}.{c.name}: missing" for c in table.columns if c.name not in found]
    problems += [
        f"{table.name}.{c.name}: type {found[c.name]}, not {c.type}"
        for c in table.columns
        if c.name in found and found[c.name] != c.type
    ]
    if not problems:
        con.execute(f"CREATE VIEW {table.name} AS SELECT * FROM {source}")
    return problems


def _problems_of(con: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    """Faults of the rows of one table: NULLs, enums and keys, each with an example row."""
    checks = list(_checks(table))
    key = ", ".join(f'"{k}"' for k in table.key)
    counts = "".join(f", count(*) FILTER ({condition})" for _, _, condition in checks)
    # keys of different hashes differ; only when two hashes are equal are the keys compared
    rows, hashes, *found = con.execute(
        f"SELECT count(*), count(DISTINCT hash({key})){counts} FROM {table.name}"
    ).fetchall()[0]
    problems = [
        _example(con, table, column, what, condition, count)
        for (column, what, condition), count in zip(checks, found, strict=True)
        if count
    ]
    again = f"FROM {table.name} GROUP BY {key} HAVING count(*) > 1"
    if hashes < rows and con.execute(f"SELECT 1 {again} LIMIT 1").fetchall():
        twice = _row(con.execute(f"SELECT {key}, count(*) AS times {again} ORDER BY {key} LIMIT 1"))
        problems.append(f"{table.name}: key ({', '.join(table.key)}) not unique, e.g. {twice}")
    return problems


def _checks(table: Table) -> Iterator[tuple[str, str, str]]:
    """Yield what a row of the table must not be: column, fault in words, condition in SQL."""
    for column in table.columns:
        if not column.nullable:
            yield column.name, "is NULL", f'"{column.name}" IS NULL'
        if column.enum:
            allowed = ", ".join(f"'{v}'" for v in column.enum)
            yield column.name, "is not in the closed list", f'"{column.name}" NOT IN ({allowed})'


def _example(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    column: str,
    what: str,
    condition: str,
    count: int,
) -> str:
    row = con.execute(f"SELECT COLUMNS(*)::VARCHAR FROM {table.name} WHERE {condition} LIMIT 1")
    return f"{table.name}.{column}: {what} in {count} row(s), e.g. {_row(row)}"


def _row(result: duckdb.DuckDBPyConnection) -> str:
    names = [column[0] for column in result.description]
    return ", ".join(f"{k}={v}" for k, v in list(zip(names, result.fetchall()[0], strict=True))[:8])
