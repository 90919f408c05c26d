"""Two builds from the same recorded run differ in the provenance footer only."""

from __future__ import annotations

import re

import pytest
from site_case import recorded_site

from analysis.postmortem import extra
from analysis.report.build import build
from analysis.report.site import recorded_runs, site_pages

FOOTER = re.compile(r'<footer class="wl-provenance">.*?</footer>', re.DOTALL)
AGAIN = ("01_outage_timeline-kyash-2018-10-09", "03_database_bottleneck-kyash-2018-10-09")


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    """A second build of the pages that read a recorded run, into another folder."""
    pages = [page for page in site_pages(recorded_runs()) if page.slug in AGAIN]
    folder = tmp_path_factory.mktemp("again") / "other"
    return build(pages, folder, subtitle="Again.", workers=1, extras=[extra])


@pytest.mark.parametrize("slug", AGAIN)
def test_metrics_are_byte_identical(again, slug):
    first = recorded_site().index.parent / slug / "metrics.json"
    assert first.read_bytes() == (again.index.parent / slug / "metrics.json").read_bytes()


@pytest.mark.parametrize("slug", AGAIN)
def test_pages_differ_in_the_footer_only(again, slug):
    texts = [
        (site.index.parent / slug / "report.html").read_text("utf-8")
        for site in (recorded_site(), again)
    ]
    for text in texts:
        assert len(FOOTER.findall(text)) == 1
        assert "Project commit" in FOOTER.findall(text)[0]
    assert FOOTER.sub("", texts[0]) == FOOTER.sub("", texts[1])


def test_draft_postmortem_is_byte_identical(again):
    drafts = [
        (site.index.parent / AGAIN[0] / "postmortem.md").read_bytes()
        for site in (recorded_site(), again)
    ]
    assert drafts[0] == drafts[1]


def test_no_page_has_an_external_url():
    site = recorded_site()
    for path in sorted(site.index.parent.rglob("*.html")):
        assert not re.search(r"https?:|[\"'(]//", path.read_text("utf-8")), path
