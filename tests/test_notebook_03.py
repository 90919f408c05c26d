"""Facts of notebook 03: short cells, no code that belongs elsewhere, what it says of each run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from bottleneck_runs import Log, write_run

from analysis.bottleneck import report_words, show
from analysis.bottleneck.view import open_view
from analysis.paths import notebooks

SURGE, PHASED = "kyash-2018-10-09", "kyash-2018-10-09-phased"


@pytest.fixture(scope="module")
def cells() -> list:
    path = notebooks() / "03_database_bottleneck.ipynb"
    return nbformat.read(path, as_version=4).cells


def test_it_has_at_most_twelve_short_code_cells(cells: list) -> None:
    code = [c.source for c in cells if c.cell_type == "code"]
    assert len(code) <= 12
    assert all(len(source.splitlines()) <= 10 for source in code)
    assert not any("def " in source or "SELECT" in source for source in code)


def test_its_first_cells_are_the_header_and_the_parameters(cells: list) -> None:
    assert cells[0].source.startswith("# Where the bottleneck is")
    assert cells[1].metadata.tags == ["parameters"]
    assert f'run: str = "{SURGE}"' in cells[1].source


def test_it_says_with_numbers_that_only_one_design_waits_behind_idle_transactions() -> None:
    view = open_view(SURGE, PHASED)
    said = " ".join(report_words.summary(view))
    called, total = report_words.idle_waiting(view)
    other, _ = report_words.idle_waiting(view.other)
    assert called > 100
    assert called / total > 0.5
    assert other < called / 100
    assert f"against {called:.1f} s here" in said
    assert f"{other:.1f} s of waiting behind a root idle in transaction" in said


def test_an_imported_log_has_no_scenario_and_says_what_is_not_recorded(tmp_path: Path) -> None:
    log = Log()
    for second in range(0, 60, 2):
        log.duration(second, "s", 1, 5.0, "SELECT <script>alert(?)</script>")
    folder = write_run(tmp_path / "run", pg_log=log.records)
    view = open_view(str(folder), PHASED)
    assert view.other is None
    assert any(f"Not compared with {PHASED}" in said for said in report_words.caveats(view))
    shown: list = []
    for part in (show.summary, show.verdict, show.sessions, show.statements, show.blocking,
                 show.hot_rows, show.pool, show.states, show.phases, show.log_tables,
                 show.ending):  # fmt: skip
        shown += _displayed(part, view)
    text = " ".join(shown)
    assert "not recorded: no pool statistics, or no request log" in text
    assert "not recorded: no spans" in text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def _displayed(part, view) -> list[str]:
    """What one section shows, as HTML or as the figure's JSON."""
    shown: list[str] = []
    original = show.display
    show.display = lambda *things: shown.extend(_html(thing) for thing in things)
    try:
        part(view)
    finally:
        show.display = original
    return shown


def _html(thing) -> str:
    if hasattr(thing, "to_plotly_json"):
        return str(thing.to_plotly_json())
    return thing.to_html() if hasattr(thing, "to_html") else thing._repr_html_()


def test_tables_a_log_reader_expects_are_there(tmp_path: Path) -> None:
    log = Log()
    log.duration(1, "s", 1, 5.0, "SELECT ?")
    log.error(2, "s", 1, "23505", "duplicate key value violates unique constraint")
    log.add(3, "c", 2, "checkpoint starting: time")
    log.add(9, "c", 2,
    "checkpoint complete: wrote 10 buffers (0.1%); 0 WAL file(s) added, 0 removed,"
            " 0 recycled; write=1.000 s, sync=0.500 s, total=1.600 s; sync files=3, "
            "longest=0.400 s, "
            "average=0.100 s; distance=10 kB, estimate=10 kB")  # fmt: skip
    log.add(4, "s", 1, 'temporary file: path "base/pgsql_tmp/pgsql_tmp1.0", size 1234',
            query="SELECT ? ORDER BY ?")  # fmt: skip
    log.add(5, "s", 1, "connection authorized: user=w database=d")
    view = open_view(str(write_run(tmp_path / "run", pg_log=log.records)))
    assert view.log_table("errors")["sql_state_code"].tolist() == ["23505"]
    assert view.log_table("checkpoints")["sync_us"].tolist() == [500_000]
    assert view.log_table("temp_files")["size_bytes"].tolist() == [1234]
    assert view.log_table("connections")["connections"].tolist() == [1]
