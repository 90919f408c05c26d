"""Executes notebooks with papermill, several at once, each in a kernel of its own."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
from jupyter_core.utils import ensure_event_loop
from nbconvert.filters.ansi import strip_ansi
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from runlog.writer import space_guard

CELL_TIMEOUT_S = 300
_START_TIMEOUT_S = 120


@dataclass(frozen=True)
class Job:
    """One notebook to execute: where it is, its parameters (already checked), where it goes."""

    name: str
    notebook: Path
    parameters: Mapping[str, Any]
    output: Path


@dataclass(frozen=True)
class Failure:
    """Why a notebook failed: the cell's number, the error in one line, and the full trace."""

    cell: int | None
    error: str
    trace: str = ""


@dataclass
class Outcome:
    """An executed notebook, complete or up to the cell that failed."""

    job: Job
    node: Any
    failure: Failure | None
    seconds: float = field(compare=False, default=0.0)


def execute_all(
    jobs: list[Job],
    *,
    workers: int | None = None,
    finished: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Return the outcome of every job, in the order given; `finished` hears of each as it ends.

    A failing notebook is an outcome, not an exception. On an interrupt the kernels are ended before
    the exception goes on. Raises EnvironmentFault when an executed notebook cannot be written.
    """
    count = max(1, min(workers or os.cpu_count() or 1, len(jobs)))
    # unix sockets have short names only: a folder near the root, not the long TMPDIR of macOS
    base = "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108
    sockets = Path(tempfile.mkdtemp(prefix="wl-", dir=base))
    logging.getLogger("papermill").setLevel(logging.ERROR)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    stop = threading.Event()
    pool = ThreadPoolExecutor(count, thread_name_prefix="notebook")
    try:
        futures = {
            pool.submit(_execute, job, sockets / f"k{number}.json", stop): number
            for number, job in enumerate(jobs)
        }
        return _collect(futures, finished)
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        _end_kernels(sockets)
        pool.shutdown(wait=True)
        shutil.rmtree(sockets, ignore_errors=True)


def _collect(
    futures: dict[Future[Outcome], int], finished: Callable[[Outcome], None]
) -> list[Outcome]:
    done: dict[int, Outcome] = {}
    waiting = set(futures)
    while waiting:
        # a timeout keeps the main thread awake for Ctrl-C
        ready, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
        for future in ready:
            outcome = future.result()
            done[futures[future]] = outcome
            finished(outcome)
    return [done[number] for number in sorted(done)]


def _execute(job: Job, connection_file: Path, stop: threading.Event) -> Outcome:
    began = time.monotonic()
    failure = None
    settings = {"transport": "ipc", "connection_file": str(connection_file)}
    with space_guard(job.output):
        try:
            papermill.execute_notebook(
                job.notebook,
                job.output,
                parameters=dict(job.parameters),
                progress_bar=False,
                request_save_on_cell_execute=False,
                start_timeout=_START_TIMEOUT_S,
                execution_timeout=CELL_TIMEOUT_S,
                config=Config({"KernelManager": settings}),
                # a kernel tells of the signal that ends it: nothing a reader needs
                extra_arguments=["--IPKernelApp.log_level=50"],
            )
        except PapermillExecutionError as error:
            what = f"{error.ename}: {error.evalue}" if error.evalue else error.ename
            trace = strip_ansi("\n".join(error.traceback))
            failure = Failure(error.exec_count, _one_line(what), trace)
        except OSError:
            raise
        except Exception as error:  # a dead or slow kernel ends this notebook, not the others
            if stop.is_set():
                raise
            failure = Failure(None, _one_line(f"{type(error).__name__}: {error}"))
        finally:
            ensure_event_loop().close()  # the client made one for this thread and leaves it open
        if not job.output.exists():
            shutil.copyfile(job.notebook, job.output)
        node = nbformat.read(job.output, as_version=4)
    return Outcome(job, node, failure, time.monotonic() - began)


def _one_line(words: str) -> str:
    return " ".join(strip_ansi(words).split())[:500]


def _end_kernels(sockets: Path) -> None:
    """End the kernels of this build that still run; they are known by their connection file."""
    for child in psutil.Process().children(recursive=True):
        try:
            if any(str(sockets) in word for word in child.cmdline()):
                child.kill()
        except psutil.Error:
            continue
