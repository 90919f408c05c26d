"""What happens beside the load: faults, trouble on the network, what operators do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from reference_engine.faults import Fault
from reference_engine.scenario_model import EventSpec, FaultSpec, NetworkSpec

if TYPE_CHECKING:
    from reference_engine.run import Stage


def script_of(
    stage: Stage, faults: list[tuple[FaultSpec, Fault]], on: list[Fault]
) -> list[tuple[float, Callable[[], None]]]:
    """Everything that happens beside the load, in order of time."""
    script: list[tuple[float, Callable[[], None]]] = []
    for spec, fault in faults:
        entry: dict[str, Any] = {
            "fault": spec.name,
            "target": spec.target or fault.target,
            "parameters": fault.described(),
        }
        script.append((spec.start_s, partial(_inject, stage, fault, entry, on)))
        script.append((spec.end_s, partial(_heal, stage, fault, entry, on)))
    for part in stage.scenario.network:
        told = part.model_dump(exclude={"start_s", "end_s"})
        script.append((part.start_s, partial(_disturb, stage, part, told)))
        script.append((part.end_s, partial(_calm, stage, part, told)))
    script += [(event.at_s, partial(_event, stage, event)) for event in stage.scenario.events]
    return sorted(script, key=lambda item: item[0])


def _inject(stage: Stage, fault: Fault, entry: dict[str, Any], on: list[Fault]) -> None:
    entry["start"] = utc(stage.clock.now_us())
    stage.truth.append(entry)
    on.append(fault)
    fault.inject(stage.context)


def _heal(stage: Stage, fault: Fault, entry: dict[str, Any], on: list[Fault]) -> None:
    on.remove(fault)  # what cannot heal fails the run, and is not healed once more at its end
    fault.heal(stage.context)
    entry["end"] = utc(stage.clock.now_us())


def heal_all(stage: Stage, on: list[Fault]) -> None:
    """End every fault that is on, one by one, each whatever happens to the others."""
    with ExitStack() as each:
        for fault in on:
            each.callback(fault.heal, stage.context)


def _disturb(stage: Stage, part: NetworkSpec, told: dict[str, Any]) -> None:
    told["start"] = utc(stage.clock.now_us())
    stage.trouble.append(told)
    stage.ways[part.way].lay(id(part), {part.trouble: part.parameters})


def _calm(stage: Stage, part: NetworkSpec, told: dict[str, Any]) -> None:
    stage.ways[part.way].lift(id(part))
    told["end"] = utc(stage.clock.now_us())


def _event(stage: Stage, event: EventSpec) -> None:
    stage.context.flags.set(event.set)
    stage.happened.append((stage.clock.now_us(), event))
    stage.echo(event.label)


def utc(at_us: int) -> dt.datetime:
    """The moment so many microseconds after 1970."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=at_us)
