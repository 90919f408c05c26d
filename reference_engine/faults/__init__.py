"""The catalogue of faults: public names, used in scenario files, `truth.json` and verdicts."""

from __future__ import annotations

from reference_engine.faults.base import Fault, FaultContext, catalogue
from reference_engine.faults.engine_faults import AdvisoryLock, LockAcrossCall
from reference_engine.faults.load_faults import AccessSurge

__all__ = ["FAULTS", "Fault", "FaultContext"]

FAULTS: dict[str, type[Fault]] = catalogue(AccessSurge, AdvisoryLock, LockAcrossCall)
