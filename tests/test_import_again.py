"""Importing again: whatever a growing log was cut off at, two imports tell what one does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from log_case import record, table

from analysis.importers.postgres import Options, import_postgres_logs
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


_LOGS = {
    "csv": _csv, "json": _json, "stderr": _stderr, "syslog": _syslog, "pgbouncer": _pgbouncer,
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
    assert again.new_lines < sum(source["lines"] for source in sources)
    for twice, once in zip(told(tmp_path / "run"), told(tmp_path / "once"), strict=True):
        assert len(twice) == len(once)
        for one, other in zip(twice, once, strict=True):
            assert one == other
    for source in sources:
        assert source["lines"] == source["record_lines"] + source["rejected_lines"]
