"""Resolve pyproject.toml anew into requirements.lock and environment.yml (`make lock`).

The lock is universal: one file for Linux and macOS and for Python 3.11 to 3.13, with hashes and
without addresses. environment.yml is derived from the lock, so that a conda user gets the same
versions; tests/test_environment.py proves that it was.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
ENVIRONMENT = ROOT / "environment.yml"
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+(\[[a-z,]+\])?)==(?P<rest>[^\\]+)")

_HEAD = """\
# The same versions as requirements.lock, for conda. Made by `make lock`; do not edit.
# conda env create -f environment.yml && conda activate wallet-outage-lab
name: wallet-outage-lab
channels:
  - conda-forge
dependencies:
  - python=3.12
  - pip
  - make
  - pip:
"""


def pins(lock_text: str) -> list[str]:
    """Return `name==version ; marker` of every requirement in the lock, in its order."""
    found = []
    for line in lock_text.splitlines():
        match = _PIN.match(line)
        if match:
            found.append(f"{match['name']}=={' '.join(match['rest'].split())}")
    return found


def environment_yml(lock_text: str) -> str:
    """Return the text of environment.yml that belongs to this lock."""
    lines = [f"    - {_quoted(pin)}\n" for pin in pins(lock_text)]
    return _HEAD + "".join(lines) + "    - -e .\n"


def _quoted(pin: str) -> str:
    return '"' + pin.replace('"', "'") + '"'


def main() -> None:
    """Run the resolver, then write both files."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--extra", "dev"]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header"]
    command += ["--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--quiet"]
    command += ["--index-strategy", "unsafe-best-match", "--upgrade", "-o", LOCK.name]
    subprocess.run(command, cwd=ROOT, check=True)
    ENVIRONMENT.write_text(environment_yml(LOCK.read_text("utf-8")), "utf-8")
    print(f"{LOCK.name} and {ENVIRONMENT.name}: {len(pins(LOCK.read_text('utf-8')))} pins")  # noqa: T201


if __name__ == "__main__":
    main()
