"""The environment around an embedded server: without PG* variables, which mean another server.

libpq reads them in this process and in every child: host and address, service, options, date style.
Some of them no connection string can overrule, so they are set aside while an embedded server is
used, and put back afterwards.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator


class _Aside:
    """The variables set aside, for as long as anybody asks for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.variables: dict[str, str] = {}


_aside = _Aside()


@contextlib.contextmanager
def without_pg_variables() -> Iterator[None]:
    """Set PG* variables aside; the last of those who asked for it puts them back."""
    with _aside.lock:
        _aside.users += 1
        for name in [name for name in os.environ if name.startswith("PG")]:
            _aside.variables[name] = os.environ.pop(name)
    try:
        yield
    finally:
        with _aside.lock:
            _aside.users -= 1
            if not _aside.users:
                os.environ.update(_aside.variables)
                _aside.variables.clear()


def server_environment() -> dict[str, str]:
    """Environment of the server's own programs: messages in English, time in UTC."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
