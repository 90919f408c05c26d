"""Kills at random points: whatever dies, no money is made or lost, and both books agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from kill_rig import VICTIMS, kill_and_check

pytestmark = pytest.mark.engine
DESIGNS = {"phased": 80, "lock_across_call": 64, "batched": 64}  # 208 points


@pytest.mark.parametrize("design", DESIGNS)
def test_kills_neither_make_nor_lose_money(design: str, tmp_path: Path) -> None:
    rig = kill_and_check(tmp_path, design, DESIGNS[design], seed=20_260_000 + len(design))
    assert sum(rig.killed.values()) >= DESIGNS[design]
    assert all(rig.killed[victim] >= 8 for victim in VICTIMS)
    statuses = {c.status for c in rig.gateway.books()}
    assert {"captured", "refunded"} <= statuses  # there was money to lose


@pytest.mark.soak
@pytest.mark.parametrize("round_number", range(5))
@pytest.mark.parametrize("design", DESIGNS)
def test_thousands_of_kills_neither_make_nor_lose_money(
    design: str, round_number: int, tmp_path: Path
) -> None:
    kill_and_check(tmp_path, design, 136, seed=1_000 * round_number + len(design))
