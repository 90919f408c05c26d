"""Kills at random points: whatever dies, no money is made or lost, and both books agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from kill_rig import KILLS, VICTIMS, kill_and_check

pytestmark = pytest.mark.engine
ROUNDS = {"phased": 9, "lock_across_call": 8, "batched": 8}  # 8 kills each: 200 points


def test_there_are_at_least_200_points() -> None:
    assert sum(ROUNDS.values()) * len(KILLS) >= 200


@pytest.mark.parametrize("design", ROUNDS)
def test_kills_neither_make_nor_lose_money(design: str, tmp_path: Path) -> None:
    rig = kill_and_check(tmp_path, design, ROUNDS[design], seed=20_260_000 + len(design))
    assert sum(rig.killed.values()) == ROUNDS[design] * len(KILLS)
    assert all(rig.killed[victim] >= ROUNDS[design] for victim in VICTIMS)
    statuses = {c.status for c in rig.gateway.books()}
    assert {"captured", "refunded"} <= statuses  # there was money to lose


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(28))
@pytest.mark.parametrize("design", ROUNDS)
def test_thousands_of_kills_neither_make_nor_lose_money(
    design: str, seed: int, tmp_path: Path
) -> None:
    kill_and_check(tmp_path, design, 3, seed=seed)  # 28 seeds x 3 designs x 24 = 2,016 points
