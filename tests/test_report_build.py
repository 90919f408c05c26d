"""A site is written whole or not at all, failures are told in red, metrics are stable."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from log_case import LOGS
from site_case import TINY, tiny_page

from analysis import paths
from analysis.cli import run_cli
from analysis.report import folder
from analysis.report.build import build
from runlog.errors import EnvironmentFault, UsageFault


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """One site of a good and a failing report, with a side file for the good one."""
    pages = [
        tiny_page("good", label="<b>bold</b>", incident="kyash-2018-10-09"),
        tiny_page("bad", fails=True),
    ]
    told: list[str] = []
    made = build(
        pages,
        tmp_path_factory.mktemp("site") / "reports",
        subtitle="A test.",
        extras=[lambda page, document: ("Draft", "draft.md", f"{page.slug} {document['title']}\n")],
        echo=told.append,
    )
    return made, told


def test_every_report_has_its_files(site):
    made, told = site
    for slug in ("good", "bad"):
        for name in ("report.html", "metrics.json", "executed.ipynb"):
            assert (made.index.parent / slug / name).stat().st_size > 0
    assert sum("FAILED" in line for line in told) == 1
    assert len(told) == 2


def test_metrics_hold_what_the_notebook_published(site):
    document = json.loads((site[0].index.parent / "good" / "metrics.json").read_text("utf-8"))
    assert document["metrics"] == {"points_count": 3, "value_last": 3.0}
    assert document["incident"] == "kyash-2018-10-09"
    assert document["window"] == {"start": "2018-10-09T05:00:00Z", "end": "2018-10-09T05:02:00Z"}
    assert document["parameters"] == {"label": "<b>bold</b>", "incident": "kyash-2018-10-09"}
    assert document["error"] is None


def test_index_lists_reports_with_window_figures_and_links(site):
    html = site[0].index.read_text("utf-8")
    for words in ("2018-10-09 14:00 to 14:02 JST", "kyash-2018-10-09", "Last value", "3.00"):
        assert words in html
    for link in ("good/report.html", "good/executed.ipynb", "good/metrics.json", "good/draft.md"):
        assert f'href="{link}"' in html
        assert (site[0].index.parent / link).is_file()
    assert "<b>bold" not in html


def test_failed_report_is_red_with_its_error_and_keeps_what_was_said(site):
    made, _ = site
    assert [entry.slug for entry in made.failed] == ["bad"]
    html = made.index.read_text("utf-8")
    assert html.count('class="wl-card wl-card-failed"') == 1
    assert "ValueError: asked to fail, label plain" in html
    report = (made.index.parent / "bad" / "report.html").read_text("utf-8")
    assert "This report failed in cell" in report
    assert "The last value is" in report
    assert "Findings and caveats" not in report
    assert not (made.index.parent / "bad" / "draft.md").exists()


def test_command_exits_non_zero_when_a_notebook_failed(tmp_path, capsys):
    code = run_cli(["report", "-n", str(TINY), "-p", "fails", "true", "--out", str(tmp_path / "r")])
    said = capsys.readouterr()
    assert code == 1
    assert said.out.strip() == str(tmp_path / "r" / "index.html")
    assert "1 report(s) failed · tiny" in said.err


def test_an_import_writes_its_report_when_asked(tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "r"
    log = str(LOGS / "pg15.csv")
    command = ["import", "postgres-log", log, "--out", str(run), "--report", str(out)]
    assert run_cli(command) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{run}: ")
    assert told[-1] == str(out / "index.html")
    assert (out / "03_database_bottleneck-run" / "report.html").exists()
    assert run_cli(["validate", str(run)]) == 0


def test_an_import_that_fails_writes_no_report(tmp_path, capsys):
    log = tmp_path / "server.csv"
    log.write_text("no log at all\n")
    command = ["import", "postgres-log", str(log), "--out", str(tmp_path / "run")]
    assert run_cli([*command, "--report", str(tmp_path / "r")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["server.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["/nonexistent"], 2, "no such run · /nonexistent"),
        (["-n", "nosuch"], 2, "no such notebook · nosuch"),
        (["-n", str(TINY), "-p", "labl", "x"], 2, "did you mean 'label'?"),
        (["-n", str(TINY), "-p", "count", "x"], 2, "parameter count has the wrong type"),
        (["-n", str(TINY), "-p", "count", "1", "-p", "count", "2"], 2, "parameter given twice"),
        (["-p", "count", "1"], 2, "parameter without a notebook"),
        (["--site", "-n", "01"], 2, "the whole site takes no RUN"),
        (["--nosuch"], 2, "No such option"),
    ],
)
def test_bad_request_is_one_line_and_leaves_nothing(tmp_path, capsys, arguments, code, words):
    assert run_cli(["report", *arguments, "--out", str(tmp_path / "r")]) == code
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_damaged_run_is_refused_before_anything_is_built(tmp_path, capsys):
    run = tmp_path / "damaged"
    shutil.copytree(paths.data("recorded", "healthy"), run)
    table = run / "requests.parquet"
    table.write_bytes(table.read_bytes()[:-100])
    assert run_cli(["report", str(run), "--out", str(tmp_path / "r")]) == 1
    said = capsys.readouterr().err
    assert "requests.parquet" in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


def test_folder_of_something_else_is_not_replaced(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "love.txt").write_text("dear")
    with (
        pytest.raises(UsageFault, match="output is not a report folder"),
        folder.replaced(tmp_path / "letters"),
    ):
        pass
    assert (tmp_path / "letters" / "love.txt").read_text() == "dear"


def test_failed_writing_leaves_the_old_site(tmp_path):
    out = tmp_path / "reports"
    with folder.replaced(out) as new:
        (new / "index.html").write_text("old")
    with pytest.raises(KeyboardInterrupt), folder.replaced(out) as new:
        (new / "index.html").write_text("half")
        raise KeyboardInterrupt
    assert (out / "index.html").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["reports"]


def test_reports_of_single_runs_survive_a_new_site(tmp_path):
    out = tmp_path / "reports"
    with folder.replaced(out / "runs" / "mine") as new:
        (new / "index.html").write_text("mine")
    for words in ("first", "second"):
        with folder.replaced(out) as new:
            (new / "index.html").write_text(words)
    assert (out / "index.html").read_text() == "second"
    assert (out / "runs" / "mine" / "index.html").read_text() == "mine"


def test_site_of_a_killed_builder_comes_back(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    old = tmp_path / f"reports.old-{dead.pid}"
    old.mkdir()
    (old / folder.MARK).touch()
    (old / "index.html").write_text("old")
    (tmp_path / f"reports.partial-{dead.pid}").mkdir()
    with pytest.raises(RuntimeError), folder.replaced(tmp_path / "reports"):
        raise RuntimeError
    assert (tmp_path / "reports" / "index.html").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["reports"]


def test_unwritable_place_is_an_environment_fault():
    with pytest.raises(EnvironmentFault, match="cannot write"):
        build([tiny_page()], folder.Path("/proc/reports"), subtitle="")


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals of POSIX systems")
def test_interrupt_ends_the_kernels_and_keeps_the_old_site(tmp_path):
    out = tmp_path / "reports"
    with folder.replaced(out) as new:
        (new / "index.html").write_text("old")
    program = [sys.executable, "-c", "from analysis.cli import main; main()"]
    process = subprocess.Popen(
        [*program, "report", "-n", str(TINY), "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = time.monotonic() + 60
    while not list(tmp_path.glob("reports.partial-*/tiny")) and time.monotonic() < limit:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("walletlab: interrupted")
    assert "Traceback" not in said
    assert (out / "index.html").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["reports"]
