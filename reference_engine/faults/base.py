"""What a fault is, and what it may take hold of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import psycopg
from pydantic import BaseModel, ConfigDict

from reference_engine.faults.overlay import Overlay
from reference_engine.scenario_model import Scenario


class FaultParameters(BaseModel):
    """Parameters of a fault: closed list, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FrontControl(Protocol):
    """What a fault may do to the fronts while they run."""

    @property
    def count(self) -> int:
        """Number of fronts."""

    def stop(self, front: int) -> None:
        """Kill one front process at once."""

    def start(self, front: int) -> None:
        """Start that front again; it plays what is due from then on. Returns at once."""


class Server(Protocol):
    """The PostgreSQL server of the run."""

    def kill(self) -> None:
        """kill -9 the postmaster."""

    def restart(self) -> None:
        """Start again (crash recovery when it was killed)."""

    def set(self, **settings: str) -> None:
        """ALTER SYSTEM and reload."""


@dataclass
class FaultContext:
    """The running parts that faults act on. `dsn` reaches the server directly, not by a proxy.

    `flags` are the wallet's switches (`design` is one more), `gateway` the card gateway's settings,
    `gateway_way` the toxics on the way there, with their parameters.
    """

    dsn: str
    schema: str
    folder: Path
    scenario: Scenario
    fronts: FrontControl
    flags: Overlay
    gateway: Overlay
    gateway_way: Overlay
    server: Server | None = None

    def connect(self, name: str, *, autocommit: bool = True) -> psycopg.Connection[Any]:
        """Return a session of a background job, named so that it can be told from the wallet's."""
        return psycopg.connect(
            self.dsn,
            application_name=f"job {name}",
            autocommit=autocommit,
            options=f"-c search_path={self.schema}",
            connect_timeout=10,
        )


class Fault:
    """One way in which the wallet breaks. `inject` starts it, `heal` ends it; both return soon.

    The class docstring tells the signature that the fault should leave, and its public source.
    """

    name: ClassVar[str]
    target: ClassVar[str]
    needs_embedded_server: ClassVar[bool] = False
    Parameters: ClassVar[type[FaultParameters]] = FaultParameters

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        self.parameters: Any = type(self).Parameters.model_validate(parameters or {})

    def prepare(self, ctx: FaultContext) -> None:
        """Make what must be there before the load starts. Does nothing by default."""

    def inject(self, ctx: FaultContext) -> None:
        """Start the fault."""
        raise NotImplementedError

    def heal(self, ctx: FaultContext) -> None:
        """End the fault and put back what it changed."""
        raise NotImplementedError

    def close(self, ctx: FaultContext) -> None:
        """Put away what `prepare` made, after the load has ended. Does nothing by default."""

    def described(self) -> dict[str, Any]:
        """Every parameter with its value, for the truth of the run."""
        values: dict[str, Any] = self.parameters.model_dump()
        return values


class FlagFault(Fault):
    """A fault that changes the wallet's switches, and puts them back at its end."""

    def changes(self) -> dict[str, Any]:
        """The flags that this fault sets."""
        raise NotImplementedError

    def inject(self, ctx: FaultContext) -> None:
        """Set the flags in every front."""
        ctx.flags.lay(self, self.changes())

    def heal(self, ctx: FaultContext) -> None:
        """Put the flags back."""
        ctx.flags.lift(self)


def catalogue(*classes: type[Fault]) -> dict[str, type[Fault]]:
    """Return the classes by their public names, in the order given."""
    found = {c.name: c for c in classes}
    assert len(found) == len(classes), "two faults of one name"
    return found


class Jobs:
    """Background sessions of a fault: threads that repeat one piece of work until told to stop.

    A job that loses its connection, or is chosen as the victim of a deadlock, tries again: that is
    what such jobs do. Other database errors end it and are raised by `stop()`.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._broken: list[BaseException] = []

    def start(self, ctx: FaultContext, name: str, work: JobWork, copies: int = 1) -> None:
        """Start `copies` sessions that each call `work(connection, copy, stopping)` repeatedly."""
        for copy in range(copies):
            thread = threading.Thread(
                target=self._run, args=(ctx, name, work, copy), name=f"job {name}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self, timeout_s: float = 15.0) -> None:
        """Stop all sessions; blocks until they ended, at most `timeout_s`."""
        self.stopping.set()
        for thread in self._threads:
            thread.join(timeout_s)
        self._threads.clear()
        if self._broken:
            raise self._broken[0]

    def _run(self, ctx: FaultContext, name: str, work: JobWork, copy: int) -> None:
        while not self.stopping.is_set():
            try:
                with ctx.connect(name) as connection:
                    while not self.stopping.is_set():
                        _patiently(connection, work, copy, self.stopping)
            except psycopg.OperationalError:
                self.stopping.wait(0.2)  # the server is away; the job comes back as it would
            except BaseException as error:
                self._broken.append(error)
                return


JobWork = Callable[[psycopg.Connection[Any], int, threading.Event], None]


def _patiently(
    connection: psycopg.Connection[Any], work: JobWork, copy: int, stopping: threading.Event
) -> None:
    try:
        work(connection, copy, stopping)
    except (
        psycopg.errors.DeadlockDetected,
        psycopg.errors.SerializationFailure,
        psycopg.errors.QueryCanceled,
        psycopg.errors.LockNotAvailable,
    ):
        if not connection.autocommit:
            connection.rollback()
