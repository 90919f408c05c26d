"""Executes notebooks with papermill, several at once, each in a kernel of its own."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_core.utils import ensure_event_loop
from papermill.exceptions import PapermillExecutionError

from analysis.report.kernels import Kernels
from analysis.report.manager import Manager
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
    kernels: Kernels | None = None,
) -> list[Outcome]:
    """Return the outcome of every job, in the order given; `finished` hears of each as it ends.

    Kernels that were started ahead are taken from `kernels`, which the caller ends; without it they
    are started and ended here. A failing notebook is an outcome, not an exception. On an interrupt
    the kernels are ended before the exception goes on. Raises EnvironmentFault when an executed
    notebook cannot be written.
    """
    if kernels is None:
        with Kernels() as own:
            return execute_all(jobs, workers=workers, finished=finished, kernels=own)
    count = max(1, min(workers or os.cpu_count() or 1, len(jobs)))
    logging.getLogger("papermill").setLevel(logging.ERROR)
    stop = threading.Event()
    pool = ThreadPoolExecutor(count, thread_name_prefix="notebook")
    try:
        futures = {
            pool.submit(_execute, job, kernels, stop): number for number, job in enumerate(jobs)
        }
        return _collect(futures, finished)
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        kernels.end_all()
        pool.shutdown(wait=True)


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


def _execute(job: Job, kernels: Kernels, stop: threading.Event) -> Outcome:
    began = time.monotonic()
    failure = node = None
    with space_guard(job.output):
        kernel = kernels.take(job.notebook)
        manager = Manager.of(kernel)
        try:
            node = papermill.execute_notebook(
                job.notebook,
                job.output,
                parameters=dict(job.parameters),
                progress_bar=False,
                request_save_on_cell_execute=False,
                start_timeout=_START_TIMEOUT_S,
                execution_timeout=CELL_TIMEOUT_S,
                km=manager,
            )
        except PapermillExecutionError as error:
            what = f"{error.ename}: {error.evalue}" if error.evalue else error.ename
            trace = _plain("\n".join(error.traceback))
            failure = Failure(error.exec_count, _one_line(what), trace)
        except OSError:
            raise
        except Exception as error:  # a dead or slow kernel ends this notebook, not the others
            if stop.is_set():
                raise
            failure = Failure(None, _one_line(f"{type(error).__name__}: {error}"))
        finally:
            kernel.end()
            manager.close()
            ensure_event_loop().close()  # the client made one for this thread and leaves it open
        if not job.output.exists():
            shutil.copyfile(job.notebook, job.output)
        if node is None:
            node = nbformat.read(job.output, as_version=4)
    return Outcome(job, node, failure, time.monotonic() - began)


def _one_line(words: str) -> str:
    return " ".join(_plain(words).split())[:500]


def _plain(words: str) -> str:
    """Return terminal text without its colours."""
    from nbconvert.filters.ansi import strip_ansi

    return str(strip_ansi(words))
