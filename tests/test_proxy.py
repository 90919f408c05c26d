"""The fault-injecting proxy: each toxic does what it says, and nothing when it is off."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from reference_engine.database_proxy import way_to_database
from reference_engine.gateway import GatewayProcess
from reference_engine.gateway_client import GatewayClient
from reference_engine.guardian import Guardian
from reference_engine.postgres import EmbeddedServer, ExternalServer
from reference_engine.proxy import ProxyProcess
from reference_engine.scenario import load_scenario
from reference_engine.scenario_model import Gateway
from reference_engine.server_folder import PORT
from runlog.errors import UsageFault


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(65_536):
                self.request.sendall(data)


class _EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyProcess]:
    folder: Path = tmp_path_factory.mktemp("proxy")
    with _EchoServer(("127.0.0.1", 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with ProxyProcess(("127.0.0.1", server.server_address[1]), folder, seed=1) as proxy:
            yield proxy
        server.shutdown()


@pytest.fixture(autouse=True)
def clean(proxy: ProxyProcess) -> Iterator[None]:
    yield
    proxy.clear()


def connected(proxy: ProxyProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), 5)


def echoed(line: socket.socket, data: bytes, limit_s: float = 10.0) -> float:
    """Send and receive `data`; return the seconds it took."""
    line.settimeout(limit_s)
    started = time.monotonic()
    line.sendall(data)
    got = b""
    while len(got) < len(data):
        part = line.recv(65_536)
        if not part:
            raise ConnectionError
        got += part
    assert got == data
    return time.monotonic() - started


def serves(proxy: ProxyProcess, limit_s: float = 5.0) -> bool:
    """True when a new connection is served."""
    try:
        with connected(proxy) as line:
            echoed(line, b"x", limit_s)
    except (ConnectionError, TimeoutError):
        return False
    return True


def test_without_toxics_bytes_pass_unchanged(proxy: ProxyProcess) -> None:
    with connected(proxy) as line:
        echoed(line, bytes(range(256)) * 4_000)


def test_latency_delays_both_directions(proxy: ProxyProcess) -> None:
    with connected(proxy) as line:
        proxy.set("latency", delay_ms=100)
        assert echoed(line, b"x") >= 0.2
        proxy.clear("latency")
        assert min(echoed(line, b"x") for _ in range(5)) < 0.2


def test_delayed_chunks_overlap(proxy: ProxyProcess) -> None:
    with connected(proxy) as line:
        proxy.set("latency", delay_ms=150)
        line.settimeout(20)
        started = time.monotonic()
        for _ in range(20):
            line.sendall(b"x")
            time.sleep(0.001)
        got = 0
        while got < 20:
            got += len(line.recv(100))
        assert time.monotonic() - started < 20 * 0.3  # one after the other it would be 6 s


def test_jitter_varies_the_delay(proxy: ProxyProcess) -> None:
    with connected(proxy) as line:
        proxy.set("jitter", jitter_ms=80)
        took = [echoed(line, b"x") for _ in range(12)]
        assert max(took) - min(took) > 0.01


def test_bandwidth_limits_the_bytes_per_second(proxy: ProxyProcess) -> None:
    with connected(proxy) as line:
        proxy.set("bandwidth", bytes_per_s=20_000)
        assert echoed(line, b"y" * 10_000) >= 0.45


def test_reset_breaks_open_and_new_connections(proxy: ProxyProcess) -> None:
    with connected(proxy) as line:
        echoed(line, b"x")
        proxy.set("reset")
        with pytest.raises(ConnectionError):
            for _ in range(100):
                echoed(line, b"x")
        assert not serves(proxy)
    proxy.clear("reset")
    assert serves(proxy)


def test_drop_leaves_new_connections_unserved_and_open_ones_alone(proxy: ProxyProcess) -> None:
    with connected(proxy) as line:
        echoed(line, b"x")
        proxy.set("drop", share=1.0)
        assert not serves(proxy, 0.3)
        echoed(line, b"x")


def test_a_share_hits_some_connections_only(proxy: ProxyProcess) -> None:
    proxy.set("reset", share=0.5)
    served = [serves(proxy) for _ in range(40)]
    assert 5 < sum(served) < 35


def test_a_black_hole_swallows_silently_until_it_is_cleared(proxy: ProxyProcess) -> None:
    with connected(proxy) as line:
        echoed(line, b"x")
        proxy.set("black_hole")
        with pytest.raises(TimeoutError):
            echoed(line, b"y", 0.3)
        proxy.clear("black_hole")
        line.settimeout(10)
        assert line.recv(10) == b"y"  # a partition that heals delivers what TCP kept


def test_what_was_on_its_way_into_a_black_hole_is_lost_when_the_sender_gives_up(
    tmp_path: Path,
) -> None:
    async def charge(port: int, key: str) -> str:
        async with GatewayClient(port, timeout_s=0.5) as client:
            return (await client.charge(key, 100)).outcome

    calm = Gateway(latency_ms=1, latency_sigma=0, decline_share=0)
    with (
        GatewayProcess(tmp_path, calm) as gateway,
        ProxyProcess(("127.0.0.1", gateway.port), tmp_path) as way,
    ):
        way.set("black_hole")
        assert asyncio.run(charge(way.port, "lost")) == "unknown"
        way.clear()
        outcomes = [asyncio.run(charge(way.port, f"k{n}")) for n in range(10)]
        assert "captured" in outcomes
        assert "lost" not in {c.idempotency_key for c in gateway.books()}


def test_a_killed_proxy_breaks_connections_and_comes_back_on_its_port(proxy: ProxyProcess) -> None:
    port = proxy.port
    with connected(proxy) as line:
        echoed(line, b"x")
        proxy.set("black_hole")
        proxy.kill()
        with pytest.raises(ConnectionError):
            echoed(line, b"x")
    assert not serves(proxy)
    proxy.restart()
    assert proxy.port == port
    assert serves(proxy)


def test_unknown_toxics_and_parameters_are_refused(proxy: ProxyProcess) -> None:
    with pytest.raises(UsageFault, match="did you mean 'latency'"):
        proxy.set("latenc", delay_ms=1)
    with pytest.raises(UsageFault, match="no parameter"):
        proxy.set("latency", delay_s=1)


@pytest.mark.engine
def test_postgresql_behind_the_proxy_is_cut_off_by_a_reset(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    with ProxyProcess((str(server.sockets), PORT), tmp_path) as proxy:
        dsn = make_conninfo(server.dsn, host="127.0.0.1", port=proxy.port)
        with psycopg.connect(dsn, autocommit=True) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            proxy.set("reset")
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        proxy.clear()
        psycopg.connect(dsn).close()


@pytest.mark.engine
@pytest.mark.parametrize("by", ["socket", "host", "address", "host and address", "environment"])
def test_no_way_leads_past_the_database_proxy(
    by: str,
    server: EmbeddedServer,
    guardian: Guardian,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However the user's connection string names the server, the fronts come through the proxy."""
    scenario = load_scenario("healthy").model_copy(update={"database_latency_ms": 1.0})
    with ExitStack() as stack:
        plain = stack.enter_context(ProxyProcess((str(server.sockets), PORT), tmp_path / "plain"))
        base = f"port={plain.port} user=postgres dbname=postgres"
        dsn = {
            "socket": server.dsn,
            "host": f"{base} host=localhost",
            "address": f"{base} hostaddr=127.0.0.1",
            "host and address": f"{base} host=db.example hostaddr=127.0.0.1",
            "environment": f"{base} host=db.example",
        }[by]
        if by == "environment":
            monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
        external = stack.enter_context(ExternalServer(dsn))
        way, proxy = way_to_database(stack, scenario, external, tmp_path, guardian)
        assert proxy is not None
        with psycopg.connect(way, autocommit=True) as connection:
            assert connection.info.port == proxy.port
            proxy.set("reset")
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
