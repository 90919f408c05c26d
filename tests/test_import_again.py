"""Importing again: whatever a growing log was cut off at, two imports tell what one does."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from log_case import import_text, record, summary_of, table

from analysis.importers import fast, postgres
from analysis.importers.postgres import Imported, Options, import_postgres_logs
from runlog.manifest import read_manifest

_UTC = "2026-03-14 12:00:0{} UTC"


def _csv(pid: int) -> str:
    wait = "process 9 still waiting for ShareLock on transaction 5 after 1000.100 ms"
    detail = 'holding: 1.\nWait "queue": 9.'
    return (
        record(7, wait, pid=pid, detail=detail, query="select\n  é", columns=24)
        + "\nfree disk space\n"
        + record(8, "duration: 1.500 ms", pid=pid)
    )  # fmt: skip


def _json(pid: int) -> str:
    common = {"session_id": "65f2d000.4d", "error_severity": "LOG", "extra": {"a": [1.5]}}
    lines = [
        {"timestamp": f"2026-03-14 12:00:0{n}.100 UTC", "pid": pid, "line_num": n, "message": text}
        for n, text in enumerate(("duration: 1.5 ms", "é\nready"))
    ]
    told = [json.dumps(common | line | {"session_id": f"65f2d000.{pid:x}"}) for line in lines]
    return f"{told[0]}\n\n{{}}\n{told[1]}\n"


def _stderr(pid: int) -> str:
    stamp = "2026-03-14 12:00:0{}.100 UTC [" + str(pid) + "] "
    return (
        stamp.format(0) + "ERROR:  division by zero at character 8\n"
        + stamp.format(0) + "STATEMENT:  select 1\n\t  / 0 é\n"
        + stamp.format(1) + "LOG:  process 9 acquired ShareLock on transaction 5 after 2.5 ms\n"
        + "rsync: connection unexpectedly closed\n"
        + stamp.format(2) + "LO\n"
        + stamp.format(3).replace("] ", "]: [4-1] user=bob,db=shop ") + "LOG:  duration: 1.5 ms\n"
    )  # fmt: skip


def _syslog(pid: int) -> str:
    first, second = (f"2026-03-14T12:00:00.123456+00:00 db postgres[{pid}{n}]: [" for n in (1, 2))
    return (
        f"{first}4-1] LOG:  ready\n"
        f"{first}5-1] ERROR:  division by zero\n"
        f"{second}6-1] ERROR:  deadlock\n"
        f"{first}5-2] STATEMENT:  select 1\n"
        f"{second}6-2] DETAIL:  of the BACKLOG: x\n"
        f"{first}5-3] #011 / 0\n"
        f"{first}7-1] LOG:  duration: 1.5 ms\n"
        f"{second}6-3] #011and more\n"
        f"{second}8] LOG:  a#012#011b#012STATEMENT:  c\n"
    )


def _pgbouncer(pid: int) -> str:
    return (
        f"2026-03-14 12:00:00.100 UTC [{pid}] LOG stats: 10 xacts/s, 20 queries/s, in 5 B/s, "
        "out 6 B/s, xact 7 us, query 8 us, wait 9 us\n\nnoise\n"
        f"2026-03-14 12:00:01.100 UTC [{pid}] LOG C-0x1: shop/bob@10.0.0.1:5 login attempt\n"
    )  # fmt: skip


def _cloudsql(pid: int) -> str:
    head = f"2026-03-14 12:00:00.100 UTC [{pid}]: [1-1] db=shop,user=bob "
    said = [head + "ERROR:  division by zero", head + "STATEMENT:  select 1\n\t/ 0", "rsync"]
    told = [json.dumps({"insertId": f"{pid}.{n}", "textPayload": text})
            for n, text in enumerate(said)]  # fmt: skip
    return f"{told[0]}\n\n{{}}\n{told[1]}\n{told[2]}\n"


_LOGS = {
    "csv": _csv, "json": _json, "stderr": _stderr, "syslog": _syslog, "pgbouncer": _pgbouncer,
    "cloudsql": _cloudsql,
}  # fmt: skip


def told(run: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """Return records, rejects and counts of a run, without what the time of an import says."""
    rows = table(run)
    rows["session_id"] = [name.partition("~")[0] for name in rows["session_id"]]
    counts = [
        {name: source[name] for name in ("file", "format", "bytes", "lines", "records",
                                         "record_lines", "rejected_lines")}
        for source in read_manifest(run).sources
    ]  # fmt: skip
    return (
        sorted(map(str, rows.to_dict("records"))),
        sorted(map(str, table(run, "rejects").to_dict("records"))),
        sorted(counts, key=str),
    )


@pytest.mark.parametrize("kind", _LOGS)
def test_a_log_cut_off_at_any_byte_is_read_to_its_end(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    size = len(_LOGS[kind](10_000).encode())
    for cut in range(size + 1):
        (folder / f"{cut:04d}.log").write_bytes(_LOGS[kind](10_000 + cut).encode()[:cut])
    import_postgres_logs([folder], tmp_path / "run", Options())
    for cut in range(size + 1):
        (folder / f"{cut:04d}.log").write_bytes(_LOGS[kind](10_000 + cut).encode())
    again = import_postgres_logs([folder], tmp_path / "run", Options())
    import_postgres_logs([folder], tmp_path / "once", Options())
    sources = read_manifest(tmp_path / "run").sources
    new = again.new_lines < sum(source["lines"] for source in sources)
    assert new or kind == "cloudsql"  # whose entries are all put in order of time again
    for twice, once in zip(told(tmp_path / "run"), told(tmp_path / "once"), strict=True):
        assert len(twice) == len(once)
        for one, other in zip(twice, once, strict=True):
            assert one == other
    for source in sources:
        assert source["lines"] == source["record_lines"] + source["rejected_lines"]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_every_line_is_a_records_or_set_aside_the_fast_way_too(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "FAST_FROM_BYTES", 1)
    text = _LOGS[kind](10_000).encode() + b"noise\n" + _LOGS[kind](10_001).encode()
    folder = tmp_path / "logs"
    folder.mkdir()
    for size in range(len(text) // 2, len(text) + 1, 20):
        (folder / "a.log").write_bytes(text[:size])
        import_postgres_logs([folder], tmp_path / "run", Options())
        (source,) = read_manifest(tmp_path / "run").sources
        assert source["lines"] == source["record_lines"] + source["rejected_lines"]


def growing(folder: Path, *parts: str, name: str = "server.log", **options: Any) -> Imported:
    """Import a log again after each of its parts was appended; return the last import."""
    folder.mkdir(parents=True, exist_ok=True)
    done = None
    for part in parts:
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(part)
        done = import_postgres_logs([folder], folder.parent / "run", Options(**options))
    assert done is not None
    return done


def line(second: int, text: str, pid: int = 77) -> str:
    """Return one line of a stderr log."""
    return f"2026-03-14 12:00:{second:02d}.100 UTC [{pid}] {text}\n"


_READY = line(0, "LOG:  ready")


def test_a_prefix_that_came_after_the_start_is_found_at_the_second_import(tmp_path: Path) -> None:
    start = _READY + line(0, "LOG:  listening", pid=9)
    later = "".join(
        line(n, f"[user=bob,db=shop,app=my app] LOG:  duration: {n}.000 ms") for n in range(20)
    )
    done = growing(tmp_path / "logs", start, later)
    assert (done.records, done.rejects) == (22, {})
    assert summary_of(tmp_path / "run")["durations"]["count"] == 20
    assert set(table(tmp_path / "run")["application_name"].dropna()) == {"my app"}


def test_what_the_user_says_of_the_prefix_wins_at_the_second_import(tmp_path: Path) -> None:
    log = tmp_path / "logs"
    growing(log, _READY)
    later = "2026-03-14 12:00:01.100 UTC [77] <bob shop> LOG:  duration: 1.000 ms\n"
    done = growing(log, later, prefix="%m [%p] %q<%u %d> ")
    assert (done.records, done.rejects) == (2, {})
    assert table(tmp_path / "run")["user_name"].dropna().tolist() == ["bob"]
    assert read_manifest(tmp_path / "run").sources[0]["prefix"] == "%m [%p] %q<%u %d> "


def test_what_the_user_says_of_the_format_wins_at_the_second_import(tmp_path: Path) -> None:
    log = tmp_path / "logs"
    growing(log, _READY + line(1, "LOG:  ready"))
    done = growing(log, "2026-03-14 12:00:02.100 UTC [1] LOG hello\n", format="pgbouncer")
    assert read_manifest(tmp_path / "run").sources[0]["format"] == "pgbouncer"
    assert (done.records, done.rejects) == (2, {"not a pgBouncer record": 1})


@pytest.mark.parametrize("name", ["other.log", "b.log"])
def test_half_a_line_is_no_fingerprint_of_another_file(name: str, tmp_path: Path) -> None:
    log = tmp_path / "logs"
    log.mkdir()
    (log / "ok.log").write_text(line(0, "LOG:  ready", pid=9))
    growing(log, _READY[:15], name="half.log")
    (log / name).write_text("".join(line(n, "LOG:  duration: 1.0 ms", pid=8) for n in range(3)))
    done = growing(log, _READY[15:], name="half.log")
    assert (done.records, done.rejects) == (5, {})
    assert len(read_manifest(tmp_path / "run").sources) == 3


def test_a_format_that_half_a_line_did_not_tell_is_told_later(tmp_path: Path) -> None:
    log = tmp_path / "logs"
    log.mkdir()
    (log / "ok.log").write_text(line(0, "LOG:  ready", pid=9))
    first = growing(log, _READY[:15], name="half.log")
    assert first.rejects == {"unfinished last record": 1}
    assert growing(log, _READY[15:], name="half.log").rejects == {}
    assert len(table(tmp_path / "run")) == 2


def test_a_packed_copy_of_a_log_that_grew_tells_nothing_twice(tmp_path: Path) -> None:
    log = tmp_path / "logs"
    growing(log, _READY + line(1, "LOG:  one"))
    with (log / "server.log").open("a") as file:
        file.write(line(2, "LOG:  two"))
    (log / "server.log.1.gz").write_bytes(gzip.compress((log / "server.log").read_bytes()))
    for _ in range(2):
        done = import_postgres_logs([log], tmp_path / "run", Options())
        assert (done.records, done.rejects) == (3, {"duplicate of another record": 3})


def test_logs_that_only_begin_alike_are_two(tmp_path: Path) -> None:
    log = tmp_path / "logs"
    growing(log, _READY)
    for name in ("server.log", "twin.log"):
        (log / name).write_text(_READY + line(1, f"LOG:  of {name}"))
    import_postgres_logs([log], tmp_path / "run", Options())
    messages = set(table(tmp_path / "run")["message"])
    assert {"of server.log", "of twin.log"} <= messages


def test_files_of_one_name_in_two_folders_keep_their_rejects(tmp_path: Path) -> None:
    for folder, text in (("a", "garbage\n" + _READY), ("b", _READY.replace("77", "88"))):
        growing(tmp_path / folder / "logs", text, name="postgresql.log")
    files = [tmp_path / folder / "logs" / "postgresql.log" for folder in "ab"]
    for _ in range(3):
        done = import_postgres_logs(files, tmp_path / "both", Options())
        assert (done.records, done.rejects) == (2, {"not a log record": 1})
    names = {source["file"] for source in read_manifest(tmp_path / "both").sources}
    assert len(names) == 2


def test_a_file_of_a_name_that_is_taken_keeps_the_others_rejects(tmp_path: Path) -> None:
    log = tmp_path / "logs"
    growing(log, "garbage\n" + _READY)
    (log / "server.log").write_text(line(5, "LOG:  a new day", pid=5))  # the old one is gone
    for _ in range(2):
        done = import_postgres_logs([log], tmp_path / "run", Options())
        assert (done.records, done.rejects) == (2, {"not a log record": 1})


@pytest.mark.parametrize("digits", [30, 5000])
def test_a_last_record_with_a_number_that_is_none_stops_no_import(
    digits: int, tmp_path: Path
) -> None:
    hostile = record(2, "x").replace(",2,", f",{'9' * digits},", 1).rstrip("\n")
    done = growing(tmp_path / "logs", record(1, "ready") + hostile, "\n", name="a.csv")
    assert (done.records, done.rejects) == (1, {"no session and line number": 1})


def test_an_older_copy_in_the_place_of_a_log_takes_nothing_away(tmp_path: Path) -> None:
    log = tmp_path / "logs"
    whole = _READY + "".join(line(n, "LOG:  more") for n in range(1, 60))
    growing(log, whole, line(59, "LOG:  last"), name="server.log")
    (log / "server.log").write_text(whole)
    for _ in range(2):
        assert import_postgres_logs([log], tmp_path / "run", Options()).records == 61
    (log / "server.log").write_text(whole + line(59, "LOG:  last") + line(59, "LOG:  new"))
    assert import_postgres_logs([log], tmp_path / "run", Options()).records == 62


@pytest.mark.parametrize("more", range(0, 400, 80))
def test_a_damaged_record_at_the_end_of_a_slice_is_not_read_again(
    more: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [record(n, "ready") for n in range(10, 60)]
    records[20] = records[20].replace("ready", '"', 1)
    records[21] = record(31, "x" * 5000)
    monkeypatch.setattr(fast, "SLICE_BYTES", 2600 + more)
    monkeypatch.setattr(postgres, "FAST_FROM_BYTES", 0)
    first = import_text(tmp_path, "".join(records))
    again = import_postgres_logs([tmp_path / "a.csv"], tmp_path / "run", Options())
    assert again.new_lines == 0
    assert (again.records, again.rejects) == (first.records, first.rejects)
