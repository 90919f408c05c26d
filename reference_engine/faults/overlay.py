"""Settings that faults change for a while, on top of what operators set."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Overlay:
    """A base of settings, and a layer of changes for each fault that is on.

    A fault that ends takes back its own changes and no others, in whatever order faults end. What
    an operator sets while a fault is on stands, then and afterwards. Whatever changes by all this
    is handed to `apply` at once; None is a setting that is no more.

    >>> flags = Overlay({"shards": 8}, apply=print)
    >>> flags.lay("one", {"shards": 1})
    {'shards': 1}
    >>> flags.lay("two", {"shards": 2})
    {'shards': 2}
    >>> flags.lift("one")
    >>> flags.lift("two")
    {'shards': 8}
    """

    def __init__(self, base: dict[str, Any], apply: Callable[[dict[str, Any]], object]) -> None:
        self._base = dict(base)
        self._layers: dict[object, dict[str, Any]] = {}
        self._apply = apply
        self._lock = threading.Lock()

    @property
    def now(self) -> dict[str, Any]:
        """Every setting as it is in force."""
        found = dict(self._base)
        for layer in self._layers.values():
            found |= layer
        return found

    def set(self, changes: dict[str, Any]) -> None:
        """Take over what an operator sets."""
        with self._lock:
            before = self.now
            self._base |= changes
            for layer in self._layers.values():
                for name in changes:
                    layer.pop(name, None)
            self._tell(before)

    def lay(self, fault: object, changes: dict[str, Any]) -> None:
        """Change settings for as long as `fault` is on."""
        with self._lock:
            before = self.now
            self._layers[fault] = dict(changes)
            self._tell(before)

    def lift(self, fault: object) -> None:
        """Take back what `fault` changed; nothing when it changed nothing."""
        with self._lock:
            before = self.now
            self._layers.pop(fault, None)
            self._tell(before)

    def _tell(self, before: dict[str, Any]) -> None:
        now = self.now
        changed = {n: now.get(n) for n in before | now if before.get(n) != now.get(n)}
        if changed:
            self._apply(changed)
