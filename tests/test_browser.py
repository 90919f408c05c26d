"""Every page in a real browser with the network off: all figures drawn, no error, nothing asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from site_case import figures_of, recorded_site, tiny_page

from analysis.report.build import Site, build

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next((path for path in map(shutil.which, NAMES) if path), None)
FLAGS = [
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One headless Chromium for the module; without one, the one skip of this file."""
    if BROWSER is None:
        pytest.skip(f"no browser on this machine (looked for {', '.join(NAMES)})")
    from playwright.sync_api import sync_playwright

    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS + as_root)
        yield chromium
        chromium.close()


def _look_at(browser: Any, path: Path, *, width: int = 1400) -> dict[str, Any]:
    """Open a page offline; return figures drawn, errors told, and addresses asked outside."""
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    outside: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(f"failed: {request.url}"))
    page.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else outside.append(r.url),
    )
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready=yes]", state="attached", timeout=60_000)
    drawn = page.evaluate(
        "[...document.querySelectorAll('.wl-figure')].filter(f => {"
        " const svg = f.querySelector('svg.main-svg');"
        " return f.dataset.drawn === 'yes' && svg && svg.getBoundingClientRect().width > 200;"
        "}).length"
    )
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    cloud = page.locator("[data-title*='Cloud' i], [data-title*='Share' i]").count()
    context.close()
    return {
        "drawn": drawn, "errors": errors, "outside": outside, "overflow": overflow, "cloud": cloud,
    }  # fmt: skip


def _assert_good(seen: dict[str, Any], figures: int) -> None:
    assert seen["errors"] == []
    assert seen["outside"] == []
    assert seen["cloud"] == 0
    assert seen["overflow"] <= 0
    assert seen["drawn"] == figures


@pytest.fixture(scope="module")
def tiny_site(browser, tmp_path_factory) -> Site:
    pages = [tiny_page("good", label="<b>料金</b> & more"), tiny_page("bad", fails=True)]
    return build(pages, tmp_path_factory.mktemp("tiny") / "reports", subtitle="Tiny.")


def test_every_page_of_the_recorded_site_is_drawn(browser):
    site = recorded_site()
    assert not site.failed
    _assert_good(_look_at(browser, site.index), 0)
    for entry in site.entries:
        report = site.index.parent / entry.slug / "report.html"
        figures = figures_of(report)
        assert figures > 0, entry.slug
        seen = _look_at(browser, report)
        _assert_good(seen, figures)


def test_narrow_screen_shows_everything(browser, tiny_site):
    report = tiny_site.index.parent / "good" / "report.html"
    _assert_good(_look_at(browser, report, width=420), 2)


def test_failed_report_shows_the_figures_before_the_error(browser, tiny_site):
    _assert_good(_look_at(browser, tiny_site.index.parent / "bad" / "report.html"), 2)


def test_single_file_page_stands_alone(browser, tmp_path):
    site = build([tiny_page()], tmp_path / "site", subtitle="One.", single_file=True)
    alone = tmp_path / "alone.html"
    shutil.move(site.index.parent / "tiny" / "report.html", alone)
    _assert_good(_look_at(browser, alone), 2)


def test_the_check_sees_what_is_wrong(browser, tmp_path):
    page = tmp_path / "wrong.html"
    page.write_text(
        "<!DOCTYPE html><html data-ready=yes><img src='https://192.0.2.1/x.png'>"
        "<script>throw new Error('told')</script><figure class='wl-figure'></figure></html>"
    )
    seen = _look_at(browser, page)
    assert seen["outside"] == ["https://192.0.2.1/x.png"]
    assert any("told" in error for error in seen["errors"])
    assert seen["drawn"] == 0
