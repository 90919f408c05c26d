"""What the site consists of, and which notebooks speak about a run."""

from __future__ import annotations

import json
import shutil

import pytest
from site_case import report_notebooks

from analysis import paths
from analysis.report.parameters import declared
from analysis.report.site import (
    GROUPS,
    SITE_RUNS,
    incident_pages,
    recorded_runs,
    run_pages,
    site_pages,
    unique,
)
from runlog.errors import BadData, UsageFault


def test_site_has_every_notebook_in_a_known_group():
    pages = unique(site_pages(recorded_runs()))
    assert {page.notebook for page in pages} == set(report_notebooks())
    assert {page.group for page in pages} <= set(GROUPS)
    assert len({page.slug for page in pages}) == len(pages)


def test_live_site_reads_live_runs_only(tmp_path):
    """No default may bring a recorded run into a report that calls itself live."""
    live = {}
    for name, folder in recorded_runs().items():
        live[name] = tmp_path / f"{name}-live"
        shutil.copytree(folder, live[name])
    for page in site_pages(live):
        named = {n for n in declared(page.notebook) if n == "run" or n.endswith("_run")}
        assert named <= set(page.parameters)
        assert set(page.runs) <= set(live.values())


def test_recorded_runs_are_those_of_the_live_site():
    for name, (scenario, design) in SITE_RUNS.items():
        manifest = json.loads((recorded_runs()[name] / "manifest.json").read_text("utf-8"))
        assert manifest["scenario"]["name"] == scenario
        assert design in (None, manifest["design"])


def test_every_incident_gets_one_page():
    there = site_pages(recorded_runs())
    more = incident_pages(there)
    corpus = {path.stem for path in paths.data("incidents").glob("*.yaml")}
    shown = [page.parameters.get("incident") for page in [*there, *more]]
    assert {name for name in shown if name} == corpus
    assert not {page.slug for page in there} & {page.slug for page in more}


def test_a_run_is_not_compared_with_a_recorded_one_unasked():
    run = paths.data("recorded", "healthy")
    pages = run_pages([run], [], {})
    assert {page.notebook.stem[:2] for page in pages} == {"01", "03", "04"}
    assert all(page.runs == (run,) for page in pages)
    [asked] = run_pages([run], ["03"], {"compare_run": "kyash-2018-10-09"})
    assert [place.name for place in asked.runs] == ["healthy", "kyash-2018-10-09"]


def test_a_run_without_ledger_has_no_money_report(tmp_path):
    folder = tmp_path / "logs-only"
    shutil.copytree(paths.data("recorded", "healthy"), folder)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    del manifest["tables"]["ledger_transfers"]
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    assert {page.notebook.stem[:2] for page in run_pages([folder], [], {})} == {"01", "03"}


def test_parameter_that_no_chosen_notebook_has_is_refused():
    with pytest.raises(UsageFault, match="did you mean 'bucket_s'"):
        run_pages([], ["01"], {"bucket": "5"})


def test_notebook_without_a_run_refuses_one():
    with pytest.raises(UsageFault, match="notebook does not take a run"):
        run_pages([paths.data("recorded", "healthy")], ["00"], {})


def test_two_reports_of_one_name_are_refused(tmp_path):
    other = tmp_path / "healthy"
    shutil.copytree(paths.data("recorded", "healthy"), other)
    pages = run_pages([paths.data("recorded", "healthy"), other], ["03"], {})
    with pytest.raises(BadData, match="two reports would share one folder"):
        unique(pages)
