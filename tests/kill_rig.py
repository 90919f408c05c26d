"""A rig that lives long: one durable server, gateway, proxy and two fronts, killed again and again.

The load is one long schedule, played in rounds. In a round parts are killed at random moments; then
the rig comes to rest, unknown outcomes are settled, and both books are compared to the yen.
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

FRONTS = 3
RATE_PER_S = 70.0
LENGTH_S = 400.0
KILLS = (*("front", "gateway", "proxy") * 2, "postgres_kill", "postgres_immediate")  # of a round
VICTIMS = tuple(dict.fromkeys(KILLS))
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


def kill_scenario(design: str, seed: int) -> Scenario:
    """Load without end: card payments above all, few wallets, little balance, much auto-charge."""
    base = load_scenario("healthy", seed=seed, design=design, flags=_FLAGS)
    mix = {"card_payment": 0.7, "p2p_transfer": 0.12, "top_up": 0.06, "refund": 0.12}
    rate = (RATE_PER_S, RATE_PER_S)
    phase = base.phases[0].model_copy(update={"end_s": LENGTH_S, "rate_per_s": rate, "mix": mix})
    people = base.population.model_copy(update={"wallets": 150, "opening_balance_jpy": (0, 500)})
    gateway = base.gateway.model_copy(update={"latency_ms": 25.0, "decline_share": 0.05})
    changes = {"phases": (phase,), "duration_s": LENGTH_S, "fronts": FRONTS}
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
        self._start_us = 0

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
        self._start_missing_fronts()
        self._start_us = self.clock.now_us()

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

    def _start_missing_fronts(self) -> None:
        missing = [n for n in range(FRONTS) if n not in self._fronts]
        with ThreadPoolExecutor(FRONTS) as starters:
            list(starters.map(self._spawn, missing))

    # --- one round ---------------------------------------------------------------------------

    def play(self) -> None:
        """Play on with load, kill at random moments, then stop the load and come to rest."""
        for child in self._fronts.values():
            self._begin(child)
        victims = list(KILLS)
        self.random.shuffle(victims)
        server = [v for v in victims if v.startswith("postgres")]
        others = [v for v in victims if not v.startswith("postgres")]
        broken: list[BaseException] = []
        # the server and the rest die independently of each other, sometimes at the same time
        threads = [
            threading.Thread(target=self._kill_all, args=(group, self.random.random(), broken))
            for group in (server, others)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if broken:
            raise broken[0]
        self._start_missing_fronts()
        for child in self._fronts.values():
            child.ask(30.0, do="pause")
        self._wait_for_rest()

    def _begin(self, child: ChildProcess) -> None:
        from_us = self.clock.now_us() - self._start_us
        child.ask(30.0, do="start", at_us=self._start_us, from_us=from_us)

    def _kill_all(self, victims: list[str], seed: float, broken: list[BaseException]) -> None:
        drawn = random.Random(seed)
        try:
            for victim in victims:
                time.sleep(drawn.uniform(0.02, 0.5))
                getattr(self, f"_{victim}")()
                self.killed[victim] += 1
        except BaseException as error:
            broken.append(error)

    def _front(self) -> None:
        """Kill a front. Its successor comes at the end of the round, or now for the last one."""
        number = self.random.choice(list(self._fronts))
        self._fronts.pop(number).kill()
        if not self._fronts:
            self._wait_for_server()
            with contextlib.suppress(EnvironmentFault):  # the server died while it was starting
                self._spawn(number)
                self._begin(self._fronts[number])

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
        """Settle unknown outcomes, then reconcile: what one book has and the other lacks.

        A charge without a payment is given back (the refund list). A charge given back whose refund
        was rolled back in the ledger is carried through there.
        """
        settled = settle_unknown(self.server.dsn, "wallet", self.gateway.port)
        assert settled.still_unknown == 0, settled
        asyncio.run(self._refund(self.refund_list()))
        self._carry_refunds_through()

    def _carry_refunds_through(self) -> None:
        posted = self.posted_charges()
        back = [c.idempotency_key for c in self.gateway.books() if c.status == "refunded"]
        with psycopg.connect(self.server.dsn, options="-c search_path=wallet") as connection:
            for key in back:
                if key in posted:
                    begin = (
                        "SELECT (refund_begin(%s, idempotency_key, wallet_id, false)).state "
                        "FROM operations WHERE idempotency_key = %s"
                    )
                    state = connection.execute(begin, (f"repair:{key}", key)).fetchone()
                    assert state == ("pending",), (key, state)
                    finish = "SELECT operation_finish(%s, 'captured', NULL, false)"
                    connection.execute(finish, (f"repair:{key}",))

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


def kill_and_check(folder: Path, design: str, rounds: int, seed: int) -> Rig:
    """Kill at random points in one rig, 8 a round; assert every promise after each round."""
    with Rig(folder, kill_scenario(design, seed)) as rig:
        for number in range(rounds):
            rig.play()
            rig.recover()
            broken = list(rig.broken_promises())
            assert not broken, (seed, number, broken[:5])
    return rig
