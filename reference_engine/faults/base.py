"""What a fault is, and what it may take hold of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import psycopg
from pydantic import BaseModel, ConfigDict

from reference_engine.scenario_model import Scenario


class FaultParameters(BaseModel):
    """Parameters of a fault: closed list, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FrontControl(Protocol):
    """What a fault may do to the fronts while they run."""

    @property
    def count(self) -> int:
        """Number of fronts."""

    def set_flags(self, flags: dict[str, Any]) -> None:
        """Change flags of every front; `design` is accepted as one more flag."""

    def stop(self, front: int) -> None:
        """Stop one front process at once (SIGSTOP or SIGKILL as the engine sees fit)."""

    def start(self, front: int) -> None:
        """Let that front go on."""


class Proxy(Protocol):
    """A fault-injecting TCP proxy."""

    def set(self, toxic: str, **parameters: float) -> None:
        """Switch one toxic on."""

    def clear(self, toxic: str | None = None) -> None:
        """Switch one toxic, or all, off."""


class Gateway(Protocol):
    """The card gateway's process."""

    def configure(self, **changes: float) -> None:
        """Change latency, decline share or capacity while it runs."""


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
    """The running parts that faults act on. `dsn` reaches the server directly, not by a proxy."""

    dsn: str
    schema: str
    folder: Path
    scenario: Scenario
    fronts: FrontControl
    gateway: Gateway
    gateway_proxy: Proxy
    server: Server | None = None
    database_proxy: Proxy | None = None
    flags: dict[str, Any] = field(default_factory=dict)

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

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(parameters)
        self._before: dict[str, Any] = {}

    def changes(self) -> dict[str, Any]:
        """The flags that this fault sets."""
        raise NotImplementedError

    def inject(self, ctx: FaultContext) -> None:
        """Set the flags in every front."""
        changes = self.changes()
        self._before = {name: ctx.flags[name] for name in changes}
        ctx.flags.update(changes)
        ctx.fronts.set_flags(changes)

    def heal(self, ctx: FaultContext) -> None:
        """Put the flags back."""
        ctx.flags.update(self._before)
        ctx.fronts.set_flags(self._before)


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
