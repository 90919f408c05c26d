"""Folders for an embedded server: empty, writable, and open to the account it runs under."""

from __future__ import annotations

import contextlib
import errno
import pwd
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runlog.errors import EnvironmentFault, UsageFault

_PREFIX = "walletlab-"


def temporary_folder(account: pwd.struct_passwd | None) -> Path:
    """Return a new temporary folder that `account` can reach (None: our own account)."""
    chosen = Path(tempfile.gettempdir())
    if account is not None and not _open_to_all(chosen):
        # root's TMPDIR may be closed to others; its permissions are not ours to widen
        shared = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - mkdtemp makes a folder of our own
        chosen = next((p for p in shared if _open_to_all(p)), chosen)
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=chosen))


def claimed_folder(folder: Path, account: pwd.struct_passwd | None) -> Path:
    """Return the folder, made if need be.

    Raises UsageFault when somebody uses it, EnvironmentFault when `account` cannot reach it.
    """
    folder = folder.expanduser().resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageFault("data directory is taken", folder, "give an empty folder, or none at all")
    above = next(p for p in folder.parents if p.exists())
    if account is not None and not _open_to_all(above):
        todo = f"root runs the server as '{account.pw_name}': give a folder that others can enter"
        raise EnvironmentFault("data directory is out of the server's reach", folder, todo)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _open_to_all(folder: Path) -> bool:
    """True when anybody may go through this folder and every one above it."""
    return all(p.is_dir() and p.stat().st_mode & stat.S_IXOTH for p in (folder, *folder.parents))


@contextlib.contextmanager
def told_in_one_line(folder: Path | None) -> Iterator[None]:
    """Translate what the file system refuses while the server is set up."""
    try:
        yield
    except OSError as error:
        where = folder or tempfile.gettempdir()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise EnvironmentFault("no space left on the disk", where, "free space") from error
        todo = "set TMPDIR to a folder that can be written"
        raise EnvironmentFault("cannot set up PostgreSQL", f"{where} ({error})", todo) from error
