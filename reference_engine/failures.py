"""What the file system and PostgreSQL refuse, told in one line."""

from __future__ import annotations

import contextlib
import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import sqlalchemy.exc

from runlog.errors import EnvironmentFault


@contextlib.contextmanager
def folder_failures_told(folder: Path | None) -> Iterator[None]:
    """Translate what the file system refuses while a server is set up (None: a temporary one)."""
    try:
        yield
    except OSError as error:
        where = folder or tempfile.gettempdir()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise EnvironmentFault("no space left on the disk", where, "free space") from error
        todo = "give another data directory" if folder else "set TMPDIR to a folder for writing"
        raise EnvironmentFault("cannot set up PostgreSQL", f"{where} ({error})", todo) from error


@contextlib.contextmanager
def server_failures_told() -> Iterator[None]:
    """Translate what PostgreSQL refuses, or that it is gone, in the middle of the work."""
    try:
        yield
    except (psycopg.Error, sqlalchemy.exc.DBAPIError) as error:
        said = getattr(error, "orig", None) or error
        first = (str(said).splitlines() or [type(said).__name__])[0]
        todo = "nothing was kept; see that the server stays up and lets this user work, run again"
        raise EnvironmentFault("PostgreSQL failed on the way", first, todo) from error
