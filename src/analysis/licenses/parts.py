"""One part of a classification: the regimes it needs, why, and what is still open."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.licenses.reasons import Reason


@dataclass(frozen=True)
class Part:
    """`settled` is False when the regimes are candidates, or unknown, rather than the answer."""

    regimes: tuple[str, ...]
    reason: Reason
    open_questions: tuple[str, ...] = ()
    settled: bool = True
