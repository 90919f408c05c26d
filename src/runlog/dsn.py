"""Connection strings of users: checked before use, and never repeated, for they hold passwords."""

from __future__ import annotations

from runlog.errors import UsageFault


def checked_dsn(dsn: str) -> str:
    """Return `dsn` when libpq can read it.

    Raises UsageFault without a word of its text: libpq's own message quotes the piece it stumbles
    over, and that piece is a password with characters that a URL wants percent-encoded.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(dsn)
    except ProgrammingError:
        parts = {"host": "@"}
    host, port = str(parts.get("host") or ""), str(parts.get("port") or "")
    if "@" in host or (not port.replace(",", "").isdecimal() and port):
        raise UsageFault(
            "connection string cannot be read",
            "",
            "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE; in the password, characters such "
            "as % @ / : and spaces are percent-encoded (%25 %40 %2F %3A %20)",
        ) from None
    return dsn
