"""The card gateway: durable, idempotent by key, and honest about what nobody can know."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from reference_engine.gateway import GatewayProcess
from reference_engine.gateway_client import GatewayAnswer, GatewayClient
from reference_engine.scenario_model import Gateway

Work = Callable[[GatewayClient], Awaitable[Any]]


def calling(gateway: GatewayProcess, work: Work, timeout_s: float = 5.0) -> Any:
    """Run `work` with a client of the gateway."""

    async def main() -> Any:
        async with GatewayClient(gateway.port, timeout_s=timeout_s) as client:
            return await work(client)

    return asyncio.run(main())


def started(folder: Path, **changes: Any) -> GatewayProcess:
    settings = {"latency_ms": 1.0, "latency_sigma": 0.0, "decline_share": 0.0} | changes
    return GatewayProcess(folder, Gateway.model_validate(settings), seed=5)


def test_a_repeated_key_is_charged_once(tmp_path: Path) -> None:
    async def work(client: GatewayClient) -> list[GatewayAnswer]:
        return await asyncio.gather(*(client.charge("k", 320) for _ in range(20)))

    with started(tmp_path) as gateway:
        answers = calling(gateway, work)
        assert {(a.outcome, a.charge_id, a.amount_jpy) for a in answers} == {
            ("captured", "ch00000001", 320)
        }
        assert [(c.amount_jpy, c.status) for c in gateway.books()] == [(320, "captured")]


def test_a_key_with_another_amount_is_declined_and_changes_nothing(tmp_path: Path) -> None:
    async def work(client: GatewayClient) -> GatewayAnswer:
        await client.charge("k", 320)
        return await client.charge("k", 9_680)

    with started(tmp_path) as gateway:
        answer = calling(gateway, work)
        assert (answer.outcome, answer.reason) == ("declined", "amount_differs")
        assert [c.amount_jpy for c in gateway.books()] == [320]


def test_void_and_refund_give_back_once(tmp_path: Path) -> None:
    async def work(client: GatewayClient) -> list[str]:
        await client.charge("a", 150)
        await client.charge("b", 150)
        said = [await client.void("a"), await client.void("a"), await client.refund("a")]
        said += [await client.refund("b"), await client.void("b"), await client.status("b")]
        return [s.outcome for s in said]

    with started(tmp_path) as gateway:
        assert calling(gateway, work) == ["voided"] * 3 + ["refunded"] * 3


def test_a_void_that_overtakes_its_charge_keeps_the_card_uncharged(tmp_path: Path) -> None:
    async def work(client: GatewayClient) -> list[GatewayAnswer]:
        return [await client.void("late"), await client.charge("late", 500)]

    with started(tmp_path) as gateway:
        void, charge = calling(gateway, work)
        assert void.outcome == "cancelled"
        assert (charge.outcome, charge.reason) == ("declined", "cancelled")
        assert all(c.status == "cancelled" and c.amount_jpy == 0 for c in gateway.books())


def test_a_key_never_seen_is_absent(tmp_path: Path) -> None:
    async def work(client: GatewayClient) -> list[str]:
        return [(await client.status("x")).outcome, (await client.refund("x")).outcome]

    with started(tmp_path) as gateway:
        assert calling(gateway, work) == ["absent", "absent"]
        assert gateway.books() == []


def test_the_same_keys_are_declined_in_every_run(tmp_path: Path) -> None:
    async def work(client: GatewayClient) -> list[str]:
        answers = await asyncio.gather(*(client.charge(f"k{n}", 10) for n in range(300)))
        return [a.outcome for a in answers]

    with started(tmp_path / "1", decline_share=0.3) as gateway:
        first = calling(gateway, work)
    with started(tmp_path / "2", decline_share=0.3) as gateway:
        assert calling(gateway, work) == first
    assert 50 < first.count("declined") < 130  # 90 expected


def test_what_was_answered_survives_kill_and_the_rest_is_unknown(tmp_path: Path) -> None:
    with started(tmp_path, latency_ms=150.0, latency_sigma=1.0) as gateway:

        async def work(client: GatewayClient) -> list[tuple[str, GatewayAnswer]]:
            keys = [f"k{n}" for n in range(400)]
            calls = [asyncio.create_task(client.charge(key, 100)) for key in keys]
            while sum(call.done() for call in calls) < 40:
                await asyncio.sleep(0.005)
            gateway.kill()
            return list(zip(keys, await asyncio.gather(*calls), strict=True))

        said = calling(gateway, work)
        outcomes = Counter(answer.outcome for _, answer in said)
        assert outcomes["captured"] >= 40
        assert outcomes["unknown"] > 0
        assert set(outcomes) == {"captured", "unknown"}
        gateway.restart()
        gateway.configure(latency_ms=1.0)
        booked = {c.idempotency_key for c in gateway.books()}
        assert {key for key, answer in said if answer.outcome == "captured"} <= booked

        async def settle(client: GatewayClient) -> set[str]:
            return {(await client.void(key)).outcome for key, _ in said}

        assert calling(gateway, settle) <= {"voided", "cancelled"}
        assert not [c for c in gateway.books() if c.status == "captured"]


def test_a_call_that_cannot_connect_was_not_sent(tmp_path: Path) -> None:
    with started(tmp_path) as gateway:
        gateway.kill()
        answer = calling(gateway, lambda c: c.charge("k", 1))
        assert (answer.outcome, answer.known) == ("not_sent", True)
        gateway.restart()
        assert calling(gateway, lambda c: c.charge("k", 1)).outcome == "captured"


def test_a_call_that_takes_too_long_is_unknown_and_may_have_happened(tmp_path: Path) -> None:
    with started(tmp_path, latency_ms=600.0) as gateway:
        answer = calling(gateway, lambda c: c.charge("k", 1), timeout_s=0.1)
        assert (answer.outcome, answer.reason, answer.known) == ("unknown", "timeout", False)
        gateway.configure(latency_ms=1.0)
        assert calling(gateway, lambda c: c.charge("k", 1)).outcome == "captured"
        assert len(gateway.books()) == 1


def test_calls_beyond_capacity_wait_their_turn(tmp_path: Path) -> None:
    async def work(client: GatewayClient) -> list[str]:
        answers = await asyncio.gather(*(client.charge(f"k{n}", 1) for n in range(40)))
        return [a.outcome for a in answers]

    with started(tmp_path, latency_ms=5.0, capacity=2) as gateway:
        assert calling(gateway, work) == ["captured"] * 40
        gateway.configure(capacity=100)
        assert calling(gateway, work) == ["captured"] * 40


def test_abandoned_calls_are_still_carried_out(tmp_path: Path) -> None:
    with started(tmp_path, latency_ms=100.0, capacity=1) as gateway:

        async def work(client: GatewayClient) -> list[GatewayAnswer]:
            return await asyncio.gather(*(client.charge(f"k{n}", 1) for n in range(5)))

        answers = calling(gateway, work, timeout_s=0.15)
        assert "unknown" in {a.outcome for a in answers}

        async def until_all_are_booked(client: GatewayClient) -> None:
            for n in range(5):
                while (await client.status(f"k{n}")).outcome != "captured":
                    await asyncio.sleep(0.02)

        calling(gateway, until_all_are_booked, timeout_s=30.0)


@pytest.mark.parametrize(
    "call",
    [
        {"verb": "steal", "key": "k", "amount_jpy": 1},
        {"verb": "charge", "key": "", "amount_jpy": 1},
        {"verb": "charge", "key": "k", "amount_jpy": 0},
        {"verb": "charge", "key": "k", "amount_jpy": -5},
        {"verb": "charge", "key": "k", "amount_jpy": 2**63},  # more than the books can hold
        {"verb": "charge", "key": "k", "amount_jpy": 1.5},
        {"verb": "charge", "key": 7, "amount_jpy": 1},
    ],
)
def test_a_bad_call_is_refused_and_leaves_no_trace(tmp_path: Path, call: dict[str, Any]) -> None:
    with started(tmp_path) as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port), 5) as line:
            line.sendall(orjson.dumps(call | {"id": 1}) + b"\n")
            answer = orjson.loads(line.makefile().readline())
        assert (answer["outcome"], answer["reason"]) == ("refused", "bad_call")
        assert gateway.books() == []
