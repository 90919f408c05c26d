"""The free-form notebook and what it calls; it runs in any working directory, and in JupyterLab."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbclient
import nbformat
import pytest
from site_case import ROOT, report_notebooks

from analysis import explore
from analysis.report.runner import Job, execute_all
from runlog.errors import UsageFault
from runlog.schema import TABLES

NOTEBOOK = ROOT / "notebooks" / "explore" / "explore_a_run.ipynb"


@pytest.fixture(scope="module")
def run():
    opened = explore.open_named("healthy")
    yield opened
    opened.close()


def test_recorded_runs_are_found():
    found = explore.available_runs()
    assert {"healthy", "kyash-2018-10-09"} <= set(found[found["place"] == "recorded"]["run"])


def test_tables_are_listed_with_their_rows(run):
    frame = explore.tables_of(run).set_index("table")
    assert list(frame.index) == list(TABLES)
    for name in run.manifest.tables:
        assert frame.loc[name, "rows"] == len(explore.frame_of(run, name))


def test_columns_are_those_of_the_contract():
    assert explore.columns_of("requests")["column"].tolist() == TABLES["requests"].column_names


def test_limit_is_kept(run):
    assert len(explore.frame_of(run, "requests", limit=7)) == 7


def test_stored_queries_are_listed_with_their_headers():
    frame = explore.queries().set_index("query")
    assert "timeline_intervals" in frame.index
    assert any(name.startswith("duckdb/") for name in frame.index)
    assert frame["header"].str.len().min() > 20


def test_unknown_table_and_query_are_refused_with_a_suggestion(run):
    with pytest.raises(UsageFault, match="did you mean 'requests'"):
        explore.frame_of(run, "request")
    with pytest.raises(UsageFault, match="did you mean 'timeline_intervals'"):
        explore.ask(run, "timeline_interval")


def test_notebook_is_stripped():
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_notebook_runs_in_its_own_folder_as_in_jupyterlab():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    nbclient.NotebookClient(notebook, resources=resources, timeout=120).execute()
    assert sum(len(cell.get("outputs", [])) for cell in notebook.cells) >= 6


def test_notebook_runs_in_a_foreign_folder_as_under_papermill(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [outcome] = execute_all([Job("explore", NOTEBOOK, {"run": "healthy"}, tmp_path / "x.ipynb")])
    assert outcome.failure is None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listing(port: int) -> list[str] | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/api/contents?token=test")
        answer = connection.getresponse()
        return (
            [e["name"] for e in json.loads(answer.read())["content"]]
            if answer.status == 200
            else None
        )
    except OSError:
        return None
    finally:
        connection.close()


def test_make_lab_serves_the_notebooks(tmp_path):
    """The very command line of `make lab`, without its set-up and without a browser."""
    port = _free_port()
    options = f"LAB_ARGS=--no-browser --port={port} --IdentityProvider.token=test"
    shown = subprocess.run(
        ["make", "-n", "lab", options], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    line = next(line for line in shown.splitlines() if re.search(r"/jupyter lab ", line))
    words = line.lstrip("@").split()
    command = [str(Path(sys.executable).parent / "jupyter"), *words[1:]]
    environment = {**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path / "r"), "HOME": str(tmp_path)}
    log = tmp_path / "log"
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment)
    try:
        limit = time.monotonic() + 60
        names = None
        while names is None and server.poll() is None and time.monotonic() < limit:
            time.sleep(0.3)
            names = _listing(port)
        assert names is not None, log.read_text()
        assert {path.name for path in report_notebooks()} | {"explore"} <= set(names)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)
