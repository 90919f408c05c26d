"""Kernels of a build: started before the modules that drive them are imported, ended with it.

A kernel takes about a second to start, and so do papermill and all that it brings. On two
processors both happen at once. What a notebook is going to import its kernel imports meanwhile.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from analysis.report.kernel_main import VARIABLE
from runlog.schema import CHECKED, MANIFEST

_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
_IMPORT = re.compile(r"^(?:from|import) (analysis[\w.]*)(?: import (\w+))?", re.MULTILINE)


@dataclass(frozen=True)
class Kernel:
    """A running IPython kernel and the file that says how to speak to it."""

    process: subprocess.Popen[bytes]
    connection_file: Path

    def end(self) -> None:
        """End the kernel at once: it has said what it had to say, and keeps nothing."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Kernels:
    """Context manager over the kernels of one build; all have ended when it has."""

    def __init__(self) -> None:
        # unix sockets have short names only: a folder near the root, not the long TMPDIR of macOS
        base = "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108
        self._folder = Path(tempfile.mkdtemp(prefix="wl-", dir=base))
        self._all: list[Kernel] = []
        self._ahead: dict[Path, Kernel] = {}
        self._checked: set[str] = set()
        self._ended = False

    def __enter__(self) -> Kernels:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.end_all()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start_ahead(self, notebooks: Iterable[Path], runs: Iterable[Path] = ()) -> None:
        """Start kernels for these notebooks, as many as there are processors.

        The caller checks `runs` itself while the kernels start; they need not do it again.
        """
        manifests = [(run / MANIFEST).read_bytes() for run in runs]
        self._checked |= {hashlib.sha256(manifest).hexdigest() for manifest in manifests}
        for notebook in itertools.islice(notebooks, os.cpu_count()):
            self._ahead[notebook] = self._start(notebook)

    def take(self, notebook: Path) -> Kernel:
        """Return a kernel that nobody has used: the one started ahead, else a new one."""
        return self._ahead.pop(notebook, None) or self._start(notebook)

    def end_all(self) -> None:
        """End every kernel; none is started any more."""
        self._ended = True
        for kernel in self._all:
            kernel.end()

    def _start(self, notebook: Path) -> Kernel:
        if self._ended:
            msg = "the kernels of this build have ended"
            raise RuntimeError(msg)
        name = f"k{len(self._all)}-{secrets.token_hex(3)}"
        file = self._folder / f"{name}.json"
        connection = {
            "transport": "ipc",
            "ip": str(self._folder / name),
            "key": secrets.token_hex(32),
            "signature_scheme": "hmac-sha256",
            "kernel_name": "python3",
            **{port: number for number, port in enumerate(_PORTS, start=1)},
        }
        file.touch(mode=0o600)
        file.write_text(json.dumps(connection), "utf-8")
        command = [
            sys.executable, "-m", "analysis.report.kernel_main", "-f", str(file),
            "--HistoryManager.enabled=False",
            "--IPKernelApp.extra_extensions=analysis.report.kernel_main",
            # a kernel tells of the signal that ends it: nothing a reader needs
            "--IPKernelApp.log_level=50",
        ]  # fmt: skip
        surroundings = {
            "JPY_PARENT_PID": str(os.getpid()),  # a kernel ends itself when its parent is gone
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            VARIABLE: " ".join(sorted(_modules(notebook))),
            CHECKED: " ".join(sorted(self._checked)),
        }
        # a group of its own, which Ctrl-C spares, but the same session: it shares our priority
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, env=os.environ | surroundings, process_group=0
        )
        kernel = Kernel(process, file)
        self._all.append(kernel)
        return kernel


def _modules(notebook: Path) -> set[str]:
    """Return the modules of this package that the code cells of a notebook import."""
    found = set()
    # a notebook that cannot be read is told of where it is executed
    with suppress(OSError, ValueError, KeyError, TypeError):
        for cell in json.loads(notebook.read_bytes())["cells"]:
            source = "".join(cell["source"]) if cell["cell_type"] == "code" else ""
            for module, name in _IMPORT.findall(source):
                found |= {module, f"{module}.{name}"} if name else {module}
    return found
