"""The way from the fronts to PostgreSQL: direct, or through a fault-injecting proxy."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from reference_engine.guardian import Guardian
from reference_engine.postgres import Server
from reference_engine.proxy import ProxyProcess
from reference_engine.scenario_model import Scenario


def way_to_database(
    stack: ExitStack, scenario: Scenario, server: Server, folder: Path, guardian: Guardian
) -> tuple[str, ProxyProcess | None]:
    """Return the fronts' DSN, and the proxy it leads through where the scenario asks for one."""
    if not scenario.behind_proxy:
        return server.dsn, None
    with psycopg.connect(server.dsn, connect_timeout=10) as connection:
        info = connection.info
        upstream = (info.hostaddr or info.host, info.port)
        proxy = stack.enter_context(ProxyProcess(upstream, folder, scenario.seed))
        guardian.watch_process(proxy.pid)
        return proxied_dsn(server.dsn, info, proxy.port), proxy


def proxied_dsn(dsn: str, info: psycopg.ConnectionInfo, port: int) -> str:
    """Return `dsn` by way of 127.0.0.1:port; `info` is of a direct connection.

    The address is given, so that neither `dsn` nor PGHOSTADDR leads past the proxy. The host stays,
    because a certificate is checked against it. A password found by host and port (.pgpass) is
    handed on; behind a unix socket there is no TLS.
    """
    way: dict[str, Any] = {"hostaddr": "127.0.0.1", "port": port}
    if info.host.startswith("/"):
        way |= {"host": "localhost", "sslmode": "disable"}
    else:
        way["host"] = info.host
    if info.password:
        way["password"] = info.password
    return make_conninfo(dsn, **way)
