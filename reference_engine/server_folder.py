"""Folders for an embedded server: empty, writable, and open to the account it runs under."""

from __future__ import annotations

import os
import pwd
import stat
import sys
import tempfile
from pathlib import Path

from runlog.errors import EnvironmentFault, UsageFault

PORT = 5432  # each server has a socket folder of its own, and listens nowhere else
_PREFIX = "walletlab-"
_SOCKET_BYTES_MAX = 103 if sys.platform == "darwin" else 107


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


def check_socket_path(sockets: Path, *, given: bool) -> None:
    """Raise when no client could name a socket in this folder.

    The system limits the length of its path, and a comma separates hosts in a connection string.
    UsageFault when the user gave the folder, EnvironmentFault when it is a temporary one.
    """
    path = sockets / f".s.PGSQL.{PORT}"
    if "," in str(path) or len(os.fsencode(path)) > _SOCKET_BYTES_MAX:
        what = f"path of the server's socket is above {_SOCKET_BYTES_MAX} bytes, or has a comma"
        if given:
            raise UsageFault(what, path, "give another data directory, or none at all")
        raise EnvironmentFault(what, path, "set TMPDIR to another folder")


def _open_to_all(folder: Path) -> bool:
    """True when anybody may go through this folder and every one above it."""
    return all(p.is_dir() and p.stat().st_mode & stat.S_IXOTH for p in (folder, *folder.parents))
