"""Logs that went through syslog: chunks, years that are not told, messages that were not split."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from log_case import import_text, summary_of, table

from analysis.importers.postgres import Options, import_postgres_logs

_BSD = "Mar 14 12:00:00 db1 postgres[77]: "
_ISO = "2026-03-14T12:00:00.123456+00:00 db1 postgres[77]: "
_OWN = "2026-03-14 12:00:00.123 UTC [77] "


@pytest.mark.parametrize("header", [_BSD, _ISO])
@pytest.mark.parametrize("prefix", [_OWN, ""])
@pytest.mark.parametrize(
    "more", [" the BACKLOG: x", "LOG:  x", _OWN + "LOG:  x", " DETAIL:  x", "a_DETAIL:  x"]
)
def test_a_later_chunk_starts_no_record(
    header: str, prefix: str, more: str, tmp_path: Path
) -> None:
    text = f"{header}[5-1] {prefix}LOG:  hello\n{header}[5-2] {more}\n"
    done = import_text(tmp_path, text, "syslog", log_timezone="UTC", keep_literals=True)
    assert (done.records, done.rejects) == (1, {})
    assert table(tmp_path / "run")["message"].tolist() == [f"hello{more}"]


def test_a_new_message_without_a_level_is_not_the_one_before(tmp_path: Path) -> None:
    text = f"{_ISO}[5-1] {_OWN}LOG:  hello\n{_ISO}[6-1] segfault\n{_ISO}[6-2] #011at 5\n"
    done = import_text(tmp_path, text, "syslog")
    assert table(tmp_path / "run")["message"].tolist() == ["hello"]
    assert done.rejects == {"a message without a known level": 1, "not a log record": 1}


@pytest.mark.parametrize("own", [_OWN, ""])
@pytest.mark.parametrize("number", ["[5] ", ""])
def test_a_message_that_was_not_split_is_taken_apart(own: str, number: str, tmp_path: Path) -> None:
    text = (
        f"{_ISO}{number}{own}LOG:  process 77 acquired ShareLock on transaction 5 after 3.100 ms"
        f"#012{own}DETAIL:  of two#012#011lines"
        f'#012{own}CONTEXT:  while updating tuple (0,1) in relation "t"'
        f"#012{own}STATEMENT:  update t set a = b#012#011where c#012#011\n"
        f"{_ISO}{number.replace('5', '6')}{own}LOG:  duration: 1.200 ms\n"
    )
    done = import_text(tmp_path, text, "syslog")
    assert (done.records, done.new_lines, done.rejects) == (2, 2, {})
    row = table(tmp_path / "run").set_index("session_line_num").loc[1]
    assert row["message"] == "process 77 acquired ShareLock on transaction 5 after 3.100 ms"
    assert (row["detail"], row["context"], row["query"]) == (
        "of two\nlines",
        'while updating tuple (0,1) in relation "t"',
        "update t set a = b\nwhere c\n",
    )
    assert summary_of(tmp_path / "run")["lock_waits"]["acquired"] == 1


def test_a_hash_in_a_split_message_is_text(tmp_path: Path) -> None:
    text = f"{_ISO}[5-1] {_OWN}LOG:  colour#012 x\n"
    import_text(tmp_path, text, "syslog", keep_literals=True)
    assert table(tmp_path / "run")["message"].tolist() == ["colour#012 x"]


def test_iso_stamps_keep_their_microseconds(tmp_path: Path) -> None:
    import_text(tmp_path, f"{_ISO}[5-1] LOG:  ready\n", "syslog")
    assert str(table(tmp_path / "run")["log_time"][0]) == "2026-03-14 12:00:00.123456+00:00"


@pytest.mark.parametrize(
    ("written", "stamp", "year"),
    [
        ("2026-12-31 14:00", "Dec 31 11:00:00", 2026),
        ("2026-12-31 14:00", "Dec  1 11:00:00", 2026),
        ("2026-12-31 14:00", "Jan  1 08:00:00", 2027),  # a zone ahead of UTC
        ("2026-12-31 14:00", "Jan  2 08:00:00", 2026),
        ("2027-01-01 03:00", "Dec 31 23:00:00", 2026),
        ("2027-01-01 03:00", "Jan  1 02:00:00", 2027),
        ("2026-06-15 12:00", "Jul  1 12:00:00", 2025),
        ("2026-06-15 12:00", "Feb 29 12:00:00", 2024),
    ],
)
def test_a_year_that_is_not_told_is_the_latest_that_can_be(
    written: str, stamp: str, year: int, tmp_path: Path
) -> None:
    log = tmp_path / "syslog"
    log.write_text(f"{stamp} db1 postgres[77]: [5-1] LOG:  ready\n")
    at = dt.datetime.fromisoformat(f"{written}+00:00").timestamp()
    os.utime(log, (at, at))
    import_postgres_logs([log], tmp_path / "run", Options(log_timezone="UTC"))
    assert table(tmp_path / "run")["log_time"][0].year == year
