"""Faults on the same settings: each takes back its own change, and no operator is overruled."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_engine.faults.overlay import Overlay


class Wallet:
    """What is told to the wallet, added up."""

    def __init__(self, **base: Any) -> None:
        self.now = dict(base)
        self.told: list[dict[str, Any]] = []
        self.flags = Overlay(base, self.take)

    def take(self, changes: dict[str, Any]) -> None:
        self.told.append(changes)
        self.now |= changes


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_two_faults_on_one_flag_end_in_any_order(order: tuple[str, str]) -> None:
    wallet = Wallet(shards=8, pool=12)
    wallet.flags.lay("one", {"shards": 1})
    wallet.flags.lay("two", {"shards": 1, "pool": 2})
    assert wallet.now == {"shards": 1, "pool": 2}
    wallet.flags.lift(order[0])
    assert wallet.now["shards"] == 1
    wallet.flags.lift(order[1])
    assert wallet.now == {"shards": 8, "pool": 12}


def test_what_an_operator_sets_while_a_fault_is_on_stands_then_and_afterwards() -> None:
    wallet = Wallet(retries=0, pool=12)
    wallet.flags.lay("storm", {"retries": 12})
    wallet.flags.set({"retries": 1})
    assert wallet.now["retries"] == 1
    wallet.flags.lift("storm")
    assert wallet.now == {"retries": 1, "pool": 12}


def test_nothing_is_told_when_nothing_changes() -> None:
    wallet = Wallet(shards=1)
    wallet.flags.lay("one", {"shards": 1})
    wallet.flags.lift("one")
    wallet.flags.lift("never laid")
    assert wallet.told == []


_step = st.one_of(
    st.tuples(st.just("lay"), st.sampled_from("abc"), st.sampled_from(["x", "y"]), st.integers()),
    st.tuples(st.just("lift"), st.sampled_from("abc"), st.just(""), st.just(0)),
)


@given(st.lists(_step, max_size=20))
def test_without_faults_everything_is_as_it_was(steps: list[tuple[str, str, str, int]]) -> None:
    wallet = Wallet(x="as it was", y="as it was")
    for what, fault, name, value in steps:
        if what == "lay":
            wallet.flags.lay(fault, {name: value})
        else:
            wallet.flags.lift(fault)
        assert wallet.now == wallet.flags.now
    for fault in "abc":
        wallet.flags.lift(fault)
    assert wallet.now == {"x": "as it was", "y": "as it was"}
