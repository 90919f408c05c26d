"""The catalogue of faults: public names, used in scenario files, `truth.json` and verdicts."""

from __future__ import annotations

from reference_engine.faults.base import Fault, FaultContext, catalogue
from reference_engine.faults.client_faults import (
    FrontStopped,
    GatewayPartition,
    GatewaySlow,
    PoolExhaustion,
    RetryStorm,
    SerializationFailures,
)
from reference_engine.faults.engine_faults import AdvisoryLock, LockAcrossCall
from reference_engine.faults.load_faults import AccessSurge
from reference_engine.faults.lock_faults import DdlLockQueue, Deadlock, HotRow, LongTransaction
from reference_engine.faults.server_faults import (
    ConnectionLimit,
    MissingIndex,
    PlanFlip,
    ServerCrash,
    WalStall,
)
from reference_engine.faults.standby_faults import SyncStandbyLost

__all__ = ["FAULTS", "Fault", "FaultContext"]

FAULTS: dict[str, type[Fault]] = catalogue(
    HotRow,
    LockAcrossCall,
    PoolExhaustion,
    ConnectionLimit,
    RetryStorm,
    MissingIndex,
    PlanFlip,
    WalStall,
    LongTransaction,
    Deadlock,
    SerializationFailures,
    AdvisoryLock,
    DdlLockQueue,
    GatewayPartition,
    GatewaySlow,
    AccessSurge,
    SyncStandbyLost,
    FrontStopped,
    ServerCrash,
)
