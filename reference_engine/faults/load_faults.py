"""Faults that come with the load: more of it, or more of it because of what went wrong before."""

from __future__ import annotations

from pydantic import Field

from reference_engine.faults.base import Fault, FaultContext, FaultParameters


class AccessSurge(Fault):
    """Many more requests than usual at once.

    The surge is part of the seeded schedule (`load.offered_rate` reads it), so that it is the same
    in every run of one seed; nothing is switched at run time.

    Signature: offered load steps up; sessions active without a wait event (processor) and time in
    the fronts' queues grow together; no one holder at the root of the waits.
    Source: Kyash's notices of October and November 2018 (concentrated access); PayPay's campaign of
    2018-12-04 (itmedia.co.jp 1812/04 news094).
    """

    name = "access_surge"
    target = "load"

    class Parameters(FaultParameters):
        factor: float = Field(default=5.0, gt=0, le=1_000)  # times the rate of the phase
        ramp_s: float = Field(default=1.0, ge=0, le=3_600)  # up to it, and down again

    def inject(self, ctx: FaultContext) -> None:
        """Nothing to switch: the schedule carries the surge."""

    def heal(self, ctx: FaultContext) -> None:
        """Nothing to switch: the schedule carries the surge."""
