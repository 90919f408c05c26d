"""Writes a run directory that is either complete or not there.

Everything goes into a sibling folder `<name>.partial-<pid>`; the manifest is written last, all
files are synced, and one rename makes the folder a run. Kill the writer at any moment: what is left
never passes for a run, and the next writer of the same name removes it.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import psutil

from runlog.errors import BadData, EnvironmentFault, UsageFault
from runlog.literals import sql_text
from runlog.manifest import Manifest, TableFile
from runlog.schema import MANIFEST, TABLES, Table

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def connect() -> duckdb.DuckDBPyConnection:
    """Return the one kind of DuckDB connection used everywhere: in memory, UTC, quiet."""
    con = duckdb.connect(":memory:")
    con.execute("SET TimeZone = 'UTC'")
    # inside Jupyter the setting may be read only, and off already (DuckDB asks for ipywidgets)
    if con.execute("SELECT current_setting('enable_progress_bar')").fetchall()[0][0]:
        con.execute("SET enable_progress_bar = false")
    return con


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def space_guard(path: Path) -> Iterator[None]:
    """Translate a full disk, a read-only file system and missing rights into EnvironmentFault."""
    try:
        yield
    except OSError as error:
        raise _environment(error.errno, str(error), path) from error
    except duckdb.Error as error:
        text = str(error)
        full = "No space left" in text or "Could not write" in text or "Disk quota" in text
        if full or "Permission denied" in text or "Read-only" in text:
            raise _environment(errno.ENOSPC if full else errno.EACCES, text, path) from error
        raise


def _environment(code: int | None, text: str, path: Path) -> EnvironmentFault:
    if code in _NO_SPACE:
        return EnvironmentFault(
            "no space left on the disk", path, "free space or choose another --out"
        )
    return EnvironmentFault(
        "cannot write", f"{path} ({text.splitlines()[0]})", "choose another --out"
    )


class RunWriter:
    """Context manager that builds one run directory; `commit()` makes it visible.

    With `replace=True` an existing run is read while its successor is written beside it, and gives
    way to it in one step at the commit: there is always one whole run under the name.

    Raises UsageFault when the target exists, EnvironmentFault when it cannot be written.
    """

    def __init__(self, out: Path, *, replace: bool = False) -> None:
        self.out = out
        self.replace = replace
        self.partial = out.with_name(f"{out.name}.partial-{os.getpid()}")
        self.connection = connect()
        self._tables: dict[str, TableFile] = {}

    def __enter__(self) -> RunWriter:
        if self.out.exists() and not self.replace:
            todo = "choose another --out, or remove it first; a run is never overwritten"
            raise UsageFault("output exists", self.out, todo)
        with space_guard(self.out):
            self.out.parent.mkdir(parents=True, exist_ok=True)
            _remove_orphans(self.out)
            self.partial.mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.connection.close()
        shutil.rmtree(self.partial, ignore_errors=True)

    @property
    def tables(self) -> dict[str, TableFile]:
        """The tables written so far."""
        return dict(self._tables)

    def add(self, table_name: str, query: str, parameters: list[Any] | None = None) -> int:
        """Write one table from a query on `self.connection`; return its rows.

        The query must give every column of the contract by name; order and extra columns do not
        matter. Rows are cast to the contract's types and sorted by the table's key, so that equal
        data give equal bytes.
        """
        table = TABLES[table_name]
        columns = ", ".join(f'CAST("{c.name}" AS {c.type}) AS "{c.name}"' for c in table.columns)
        target = self.partial / f"{table.name}.parquet"
        with space_guard(self.out):
            try:
                self.connection.execute(
                    f"COPY (SELECT {columns} FROM ({query}) ORDER BY {_order(table)}) "
                    f"TO {sql_text(target)} (FORMAT parquet, COMPRESSION zstd)",
                    parameters or [],
                )
            except (duckdb.ConversionException, duckdb.BinderException) as error:
                what = str(error).splitlines()[0]
                raise BadData(f"table {table.name} does not fit the contract", what) from error
            _sync(target)
        return self._entered(table, target)

    def adopt(self, table_name: str, path: Path) -> int:
        """Take a finished Parquet file as one table, as it is; return its rows.

        For tables too large to sort: rows keep their order, columns must be the contract's (more
        may follow them). A file in the partial folder is moved, another is copied.
        """
        table = TABLES[table_name]
        source = f"read_parquet({sql_text(path)})"
        found = self.connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        wanted = [(c.name, c.type) for c in table.columns]
        if [(r[0], r[1]) for r in found[: len(wanted)]] != wanted:
            raise BadData(f"table {table.name} does not fit the contract", path.name)
        target = self.partial / f"{table.name}.parquet"
        with space_guard(self.out):
            if path.is_relative_to(self.partial):
                path.rename(target)
            else:
                shutil.copyfile(path, target)
            _sync(target)
        return self._entered(table, target)

    def _entered(self, table: Table, target: Path) -> int:
        """Enter a finished file in the list of tables; return its rows."""
        rows = self.connection.execute(
            f"SELECT count(*) FROM read_parquet({sql_text(target)})"
        ).fetchall()[0][0]
        self._tables[table.name] = TableFile(rows=rows, sha256=sha256_of(target))
        return int(rows)

    def add_json(self, name: str, content: object) -> None:
        """Write a JSON file beside the tables (the truth of an engine run)."""
        with space_guard(self.out):
            path = self.partial / name
            path.write_text(
                json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n", "utf-8"
            )
            _sync(path)

    def commit(self, manifest: Manifest) -> Path:
        """Write the manifest, sync, rename; return the run directory."""
        complete = manifest.model_copy(update={"tables": dict(sorted(self._tables.items()))})
        with space_guard(self.out):
            path = self.partial / MANIFEST
            path.write_text(complete.model_dump_json(indent=1) + "\n", "utf-8")
            _sync(path)
            _sync(self.partial)
            if self.replace and self.out.exists():
                _exchange(self.partial, self.out)
            else:
                self.partial.rename(self.out)
            _sync(self.out.parent)
        return self.out


def _exchange(new: Path, old: Path) -> None:
    """Let `new` and `old` change names; in one step where the system can (Linux).

    Elsewhere the old run is moved aside first; a writer killed between the two steps leaves it
    under `<name>.before-<pid>`.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    exchange = getattr(libc, "renameat2", None)
    if exchange is not None:
        names = (ctypes.c_char_p(os.fsencode(new)), ctypes.c_char_p(os.fsencode(old)))
        if exchange(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
            return
    aside = old.with_name(f"{old.name}.before-{os.getpid()}")
    old.rename(aside)
    new.rename(old)
    aside.rename(new)


def _order(table: Table) -> str:
    return ", ".join(f'"{k}"' for k in table.key)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_orphans(out: Path) -> None:
    """Remove half-written folders of this name whose writer is dead."""
    for orphan in out.parent.glob(f"{out.name}.partial-*"):
        pid = orphan.name.rpartition("-")[2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(orphan, ignore_errors=True)
