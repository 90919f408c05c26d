"""The fronts of a run as their parent sees them: start, flags, stop, drain, what they told."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from reference_engine.child import ChildProcess
from reference_engine.guardian import Guardian
from reference_engine.scenario_model import Scenario
from reference_engine.spool import RunClock
from runlog.errors import EnvironmentFault


class Fronts:
    """All front processes of one run. A stopped one is killed; a started one plays on from now."""

    def __init__(
        self, scenario: Scenario, settings: dict[str, Any], folder: Path, guardian: Guardian
    ) -> None:
        self._scenario = scenario
        self._guardian = guardian
        self._folder = folder
        self._settings = settings | {"scenario": scenario.model_dump_json()}
        self._children: dict[int, ChildProcess] = {}
        self._lives: dict[int, int] = {}
        self._start_us = 0
        self.flags: dict[str, Any] = scenario.flags.model_dump()
        self.design: str = scenario.design
        self.lost: list[int] = []
        self._changing = threading.Lock()
        self._starters: list[threading.Thread] = []

    @property
    def count(self) -> int:
        return self._scenario.fronts

    def open(self) -> None:
        """Start every front process and wait until all have their pools."""
        with ThreadPoolExecutor(self.count) as starters:
            list(starters.map(self._open_one, range(self.count)))

    def _open_one(self, number: int) -> None:
        # each is on the list once it is up: when another one fails, it is closed, too
        self._children[number] = self._spawn(number)

    def _spawn(self, number: int) -> ChildProcess:
        life = self._lives[number] = self._lives.get(number, -1) + 1
        own = {"front": number, "life": life, "flags": self.flags, "design": self.design}
        log = self._folder / f"front-{number}.err"
        child = ChildProcess("reference_engine.front", self._settings | own, log)
        child.start()
        self._guardian.watch_process(child.pid)
        return child

    def begin(self, start_us: int) -> None:
        """Tell every front when the run starts (microseconds since 1970)."""
        self._start_us = start_us
        for child in self._children.values():
            child.ask(do="start", at_us=start_us, from_us=0)

    def set_flags(self, flags: dict[str, Any]) -> None:
        """Change flags of every front; `design` is accepted as one more flag."""
        rest = dict(flags)
        with self._changing:
            self.design = rest.pop("design", self.design)
            self.flags |= rest
            for number in list(self._children):
                self._ask(number, do="flags", set=flags)

    def stop(self, front: int) -> None:
        """Kill one front at once: what it did not write down is lost with it."""
        self._wait_for_starters()
        child = self._children.pop(front, None)
        if child is not None:
            child.kill()

    def start(self, front: int) -> None:
        """Start that front again, beside all else; it plays what is due from then on."""
        if front in self._children:
            return
        starter = threading.Thread(target=self._bring_back, args=(front,), daemon=True)
        self._starters.append(starter)
        starter.start()

    def _bring_back(self, front: int) -> None:
        clock = RunClock(self._settings["epoch_us"], self._settings["monotonic_ns"])
        child: ChildProcess | None = None
        try:
            child = self._spawn(front)
            with self._changing:  # flags may have changed while the process came up
                child.ask(do="flags", set=self.flags | {"design": self.design})
                now_us = clock.now_us() - self._start_us
                child.ask(do="start", at_us=self._start_us, from_us=now_us)
                self._children[front] = child
        except (EnvironmentFault, OSError):
            self.lost.append(front)
            if child is not None:
                child.kill()

    def _wait_for_starters(self) -> None:
        """Wait until every front that is coming up is up."""
        while self._starters:
            self._starters.pop().join()

    def drained(self) -> bool:
        """True when no front has anything left to do."""
        self._wait_for_starters()
        answers = [self._ask(number, do="drained") for number in list(self._children)]
        return all(a is None or a["drained"] for a in answers)

    def finish(self) -> None:
        """End the fronts in order; what they did is in their spools."""
        self._wait_for_starters()
        for number in list(self._children):
            self._ask(number, 40.0, do="finish")
        self.close()

    def close(self) -> None:
        """End every front, however it stands."""
        self._wait_for_starters()
        for child in self._children.values():
            with contextlib.suppress(EnvironmentFault):
                child.stop(2.0)
        self._children.clear()

    def _ask(self, number: int, limit_s: float = 15.0, /, **command: Any) -> dict[str, Any] | None:
        """Ask one front; one that died by itself is taken off the list and counted as lost."""
        child = self._children[number]
        try:
            return child.ask(limit_s, **command)
        except EnvironmentFault:
            if child.alive():
                raise
            self.lost.append(number)
            self._children.pop(number).kill()
            return None
