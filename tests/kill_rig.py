"""A rig that lives long: one durable server, gateway, proxy and two fronts, killed again and again.

The load is one long schedule, played in slices. Within a slice parts are killed at random moments;
then the rig comes to rest, unknown outcomes are settled, and both books are compared to the yen.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import psycopg

from reference_engine.child import ChildProcess
from reference_engine.gateway import GatewayProcess
from reference_engine.gateway_client import GatewayClient
from reference_engine.guardian import Guardian
from reference_engine.ledger import schema, setup
from reference_engine.ledger.reading import create_reading_indexes
from reference_engine.postgres import EmbeddedServer
from reference_engine.proxy import ProxyProcess
from reference_engine.scenario import load_scenario
from reference_engine.scenario_model import Scenario
from reference_engine.settle import settle_unknown
from reference_engine.spool import RunClock
from runlog.errors import EnvironmentFault

SLICE_S = 2.5
FRONTS = 2
VICTIMS = ("front", "gateway", "proxy", "postgres_kill", "postgres_immediate")
_FLAGS = {
    "settlement_shards": 4,
    "pool_size": 6,
    "pool_timeout_ms": 1_500,
    "client_timeout_ms": 1_500,
    "gateway_timeout_ms": 500,
    "retries": 2,
    "backoff": "exponential",
    "backoff_ms": 60,
}


def kill_scenario(design: str, slices: int, seed: int, rate_per_s: float) -> Scenario:
    """Load for `slices` slices: card payments above all, few wallets, much auto-charge."""
    base = load_scenario("healthy", seed=seed, design=design, flags=_FLAGS)
    length_s = slices * SLICE_S
    mix = {"card_payment": 0.7, "p2p_transfer": 0.12, "top_up": 0.1, "refund": 0.08}
    phase = base.phases[0].model_copy(
        update={"end_s": length_s, "rate_per_s": (rate_per_s, rate_per_s), "mix": mix}
    )
    people = base.population.model_copy(update={"wallets": 150, "opening_balance_jpy": (0, 2_000)})
    gateway = base.gateway.model_copy(update={"latency_ms": 25.0, "decline_share": 0.05})
    changes = {"phases": (phase,), "duration_s": length_s, "fronts": FRONTS}
    return base.model_copy(update=changes | {"population": people, "gateway": gateway})


class Rig:
    """Context manager around the running parts. `killed` counts the kills by victim."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.folder = folder
        self.scenario = scenario
        self.random = random.Random(scenario.seed)
        self.killed = dict.fromkeys(VICTIMS, 0)
        self._stack = ExitStack()
        self._fronts: dict[int, ChildProcess] = {}
        self._lives = 0
        self._slice = (0, 0, 0)

    def __enter__(self) -> Rig:
        try:
            self._set_up()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _set_up(self) -> None:
        guardian = self._stack.enter_context(Guardian())
        self.server = self._stack.enter_context(EmbeddedServer(guardian=guardian))
        people = self.scenario.population
        schema.create(self.server.dsn, "wallet")
        opening = [self.random.randrange(0, 2_000, 10) for _ in range(people.wallets)]
        setup.fill(
            self.server.dsn,
            "wallet",
            wallets=people.wallets,
            merchants=people.merchants,
            opening_balances_jpy=opening,
        )
        create_reading_indexes(self.server.dsn, "wallet")
        self.gateway = self._stack.enter_context(
            GatewayProcess(self.folder / "gateway", self.scenario.gateway, self.scenario.seed)
        )
        self.proxy = self._stack.enter_context(
            ProxyProcess(("127.0.0.1", self.gateway.port), self.folder)
        )
        epoch_us, monotonic_ns = time.time_ns() // 1000, time.monotonic_ns()
        self.clock = RunClock(epoch_us, monotonic_ns)
        self._settings = {
            "scenario": self.scenario.model_dump_json(),
            "flags": self.scenario.flags.model_dump(),
            "design": self.scenario.design,
            "dsn": self.server.dsn,
            "schema": "wallet",
            "folder": str(self.folder),
            "gateway_port": self.proxy.port,
            "limited": False,
            "epoch_us": epoch_us,
            "monotonic_ns": monotonic_ns,
        }
        self._stack.callback(self._end_fronts)
        with ThreadPoolExecutor(FRONTS) as starters:
            list(starters.map(self._spawn, range(FRONTS)))

    def _end_fronts(self) -> None:
        for child in self._fronts.values():
            child.kill()

    def _spawn(self, number: int) -> None:
        self._lives += 1
        own = {"front": number, "life": self._lives}
        log = self.folder / f"front-{number}.err"
        child = ChildProcess("reference_engine.front", self._settings | own, log)
        child.start()
        self._fronts[number] = child

    # --- one slice ---------------------------------------------------------------------------

    def play(self, index: int, kills: int) -> None:
        """Play slice `index`, with `kills` kills at random moments, until everything is at rest."""
        shift_us = int(index * SLICE_S * 1e6)
        until_us = shift_us + int(SLICE_S * 1e6)
        self._slice = (self.clock.now_us() + 50_000 - shift_us, shift_us, until_us)
        for child in self._fronts.values():
            self._begin(child, shift_us)
        victims = [VICTIMS[(index * kills + n) % len(VICTIMS)] for n in range(kills)]
        self.random.shuffle(victims)
        server = [v for v in victims if v.startswith("postgres")]
        others = [v for v in victims if not v.startswith("postgres")]
        moments = [self.random.uniform(0, 0.6) for _ in victims]
        broken: list[BaseException] = []
        # the server and the rest die independently of each other, sometimes at the same time
        threads = [
            threading.Thread(target=self._kill_all, args=(group, moments, broken))
            for group in (server, others)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if broken:
            raise broken[0]
        self._wait_for_rest()

    def _begin(self, child: ChildProcess, from_us: int) -> None:
        at_us, _, until_us = self._slice
        child.ask(30.0, do="start", at_us=at_us, from_us=from_us, until_us=until_us)

    def _kill_all(
        self, victims: list[str], moments: list[float], broken: list[BaseException]
    ) -> None:
        try:
            for victim, wait_s in zip(victims, moments, strict=False):
                time.sleep(wait_s)
                getattr(self, f"_{victim}")()
                self.killed[victim] += 1
        except BaseException as error:
            broken.append(error)

    def _front(self) -> None:
        number = self.random.randrange(FRONTS)
        self._fronts.pop(number).kill()
        for _ in range(5):  # the server may die while the front fills its pool: start again
            self._wait_for_server()
            try:
                self._spawn(number)
                break
            except EnvironmentFault:
                continue
        self._begin(self._fronts[number], self.clock.now_us() - self._slice[0])

    def _wait_for_server(self, limit_s: float = 60.0) -> None:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.server.dsn, connect_timeout=3).close()
                return
            time.sleep(0.05)

    def _gateway(self) -> None:
        self.gateway.kill()
        time.sleep(self.random.uniform(0, 0.1))
        self.gateway.restart()

    def _proxy(self) -> None:
        self.proxy.kill()
        time.sleep(self.random.uniform(0, 0.1))
        self.proxy.restart()

    def _postgres_kill(self) -> None:
        self.server.kill()
        self.server.restart()

    def _postgres_immediate(self) -> None:
        self.server.stop_immediately()
        self.server.restart()

    def _wait_for_rest(self, limit_s: float = 60.0) -> None:
        deadline = time.monotonic() + limit_s
        while not all(c.ask(30.0, do="drained")["drained"] for c in self._fronts.values()):
            assert time.monotonic() < deadline, "the fronts do not come to rest"
            time.sleep(0.05)

    # --- recovery and the promises -----------------------------------------------------------

    def recover(self) -> None:
        """Settle unknown outcomes, then give back what was captured for no payment."""
        settled = settle_unknown(self.server.dsn, "wallet", self.gateway.port)
        assert settled.still_unknown == 0, settled
        asyncio.run(self._refund(self.refund_list()))

    async def _refund(self, keys: list[str]) -> None:
        async with GatewayClient(self.gateway.port, timeout_s=10.0) as client:
            answers = await asyncio.gather(*(client.refund(key) for key in keys))
        assert {a.outcome for a in answers} <= {"refunded"}

    def refund_list(self) -> list[str]:
        """Keys whose card stands charged although no payment was posted for it."""
        posted = self.posted_charges()
        captured = [c for c in self.gateway.books() if c.status == "captured"]
        return [c.idempotency_key for c in captured if c.idempotency_key not in posted]

    def posted_charges(self) -> dict[str, int]:
        """Yen of the card that stand posted in the ledger, by key; refunds taken off."""
        query = (
            "SELECT coalesce(o.refers_to, o.idempotency_key), sum(CASE t.code "
            "WHEN 'auto_charge' THEN t.amount_jpy WHEN 'refund_card' THEN -t.amount_jpy END) "
            "FROM transfers AS t JOIN operations AS o ON o.operation_id = t.transfer_id / 16 "
            "WHERE t.code IN ('auto_charge', 'refund_card') GROUP BY 1"
        )
        return {key: int(yen) for key, yen in self._ask(query) if yen}

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.server.dsn, options="-c search_path=wallet") as connection:
            return connection.execute(query).fetchall()

    def broken_promises(self) -> Iterator[str]:
        """Every promise that does not hold, in words; none when all is well."""
        for what, example in self._ask("SELECT what, example FROM book_faults()"):
            yield f"{what}: {example}"
        states = dict(self._ask("SELECT idempotency_key, state::text FROM operations"))
        if "pending" in states.values():
            yield "an operation is still pending"
        captured = {
            c.idempotency_key: c.amount_jpy for c in self.gateway.books() if c.status == "captured"
        }
        posted = self.posted_charges()
        for key in captured.keys() | posted.keys():
            if captured.get(key, 0) != posted.get(key, 0):
                yield f"books differ on {key}: {captured.get(key)} and {posted.get(key)} yen"
        if sum(captured.values()) != sum(posted.values()):
            yield "the sums of both books differ"
        for key, told in self._told_to_clients():
            if told == "approved" and states.get(key) != "approved":
                yield f"{key} was answered approved and is {states.get(key)}"
            if told == "declined" and states.get(key) == "approved":
                yield f"{key} was answered declined and is approved"

    def _told_to_clients(self) -> Iterator[tuple[str, str]]:
        """Final answers that fronts wrote down before they died."""
        for spool in self.folder.glob("requests-*.jsonl"):
            for line in spool.read_bytes().split(b"\n")[:-1]:
                row = orjson.loads(line)
                if row["operation"] != "balance_inquiry":
                    yield row["idempotency_key"], row["outcome"]


def kill_and_check(folder: Path, design: str, points: int, seed: int, kills: int = 8) -> Rig:
    """Kill at `points` random points in one rig; assert every promise after each slice."""
    slices = -(-points // kills)
    with Rig(folder, kill_scenario(design, slices, seed, rate_per_s=60.0)) as rig:
        for index in range(slices):
            rig.play(index, kills)
            rig.recover()
            broken = list(rig.broken_promises())
            assert not broken, (seed, index, broken[:5])
    return rig
