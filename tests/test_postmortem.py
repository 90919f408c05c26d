"""The draft post-mortem: complete headings, nothing invented, hostile text made harmless."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from run_maker import attempt, event, write_run

from analysis import paths, postmortem
from analysis.incidents.store import load_corpus
from analysis.outage.case import open_outage

HEADINGS = (
    "Summary",
    "Impact",
    "Timeline",
    "Detection",
    "Response",
    "Causes, with their evidence",
    "What is unknown",
    "Actions",
    "Sources",
)


@dataclass
class Page:
    notebook: Path
    parameters: dict[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize("incident_id", list(load_corpus().incidents))
def test_draft_of_every_incident_has_all_headings(incident_id):
    text = postmortem.draft(open_outage(incident_id))
    found = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert [h for h in found if h in HEADINGS] == list(HEADINGS)
    assert not re.search(r"\b(None|nan|NaT)\b", text)


def test_draft_tells_record_and_run_apart():
    text = postmortem.draft(open_outage("kyash-2018-10-09", "kyash-2018-10-09"))
    assert "216 min (206 to 226)" in text
    assert "| run, load |" in text
    assert "HYPOTHESIS" in text
    assert "page.kyash.co/maintenance/20181016" in text


def test_draft_of_november_shows_both_times_of_the_stop():
    text = postmortem.draft(open_outage("kyash-2018-11-03"))
    stops = [line for line in text.splitlines() if "| record | MITIGATED |" in line]
    assert len(stops) == 2
    assert "about 18:10" in stops[0] and "not used" in stops[0]
    assert "about 18:18" in stops[1] and "not used" not in stops[1]
    for offset in ("+164 min", "+209 min", "+279 min", "+20 h 35 min", "+26 h 37 min"):
        assert offset in text
    assert "23.2 to 24.2 days" in text


def test_timeline_of_the_draft_is_in_order():
    text = postmortem.draft(open_outage("kyash-2018-11-03"))
    rows = text.split("## Timeline")[1].split("##")[0].strip().splitlines()[2:]
    assert "START OF OUTAGE" in rows[0]
    assert "after 2018-11-29" in rows[-1]


def test_label_of_an_event_cannot_break_out_of_its_cell(tmp_path):
    label = "<script>alert(1)</script> | [x](http://e.example) `c`\n# not a heading"
    rows = [attempt(n, n, 0.1) for n in range(5)]
    out = write_run(tmp_path / "hostile", rows, [event(2, "load", label)])
    text = postmortem.draft(open_outage("", str(out)))
    assert "<script>" not in text
    assert "\n# not a heading" not in text
    line = next(line for line in text.splitlines() if "alert(1)" in line)
    assert line.replace("\\|", "").count("|") == 6
    assert "\\[x\\]" in line


def test_extra_belongs_to_the_timeline_report_only():
    other = Page(paths.notebooks() / "03_database_bottleneck.ipynb")
    assert postmortem.extra(other, {}) is None
    page = Page(
        paths.notebooks() / "01_outage_timeline.ipynb", {"incident": "kyash-2018-07-14", "run": ""}
    )
    made = postmortem.extra(page, {})
    assert made is not None
    words, name, text = made
    assert (words, name) == ("Draft post-mortem", "postmortem.md")
    assert "620 min (610 to 630)" in text


def test_figures_on_record_keep_their_confidence():
    text = postmortem.draft(open_outage("visa-eu-2018-06-01"))
    assert "| Transactions that failed | 5,200,000 | transactions | H |" in text
