"""Server logs of every form become one table: counted against an independent reader."""

from __future__ import annotations

import bz2
import csv
import gzip
import lzma
import math
import re
from collections import Counter
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from log_case import LOGS, import_text, record, summary_of, table

from analysis.importers import postgres
from analysis.importers.postgres import Options, import_postgres_logs
from runlog.errors import BadData, UsageFault

REAL = ("pg15.csv", "pg15.json", "pg15.log", "pg18.csv", "pg18.json", "pg18.log")
COUNTED = (
    "durations", "lock_waits", "deadlocks", "errors", "checkpoints", "temp_files", "autovacuums",
    "autoanalyzes", "connections", "connections_authorized", "disconnections",
)  # fmt: skip


def counted_by_csv(path: Path) -> dict[str, object]:
    """Count a csvlog with Python's csv module and plain string operations only."""
    durations: dict[str, list[int]] = {"statements": [], "binds": [], "parses": []}
    errors: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            message, level = row[13], row[11]
            counts["records"] += 1
            if message.startswith("duration: "):
                value, _, rest = message.removeprefix("duration: ").partition(" ms")
                word = rest.split()[0] if rest.split() else ""
                kind = {"bind": "binds", "parse": "parses"}.get(word, "statements")
                durations[kind].append(round(float(value) * 1000))
            if level in ("ERROR", "FATAL", "PANIC"):
                errors[row[12]] += 1
            acquired = re.fullmatch(r"process \d+ acquired .* after ([\d.]+) ms", message)
            counts["acquired"] += bool(acquired)
            counts["deadlock"] += "detected deadlock while waiting" in message
            counts["checkpoints"] += message.startswith("checkpoint complete")
            counts["temp_files"] += message.startswith("temporary file: ")
            counts["autovacuums"] += bool(re.match(r"automatic (aggressive )?vacuum", message))
            counts["received"] += message.startswith("connection received")
    return {"durations": durations, "errors": errors, "counts": counts}


def nearest_rank(values: list[int], share: float) -> int:
    return sorted(values)[math.ceil(share * len(values)) - 1]


@pytest.mark.parametrize("name", ["pg15.csv", "pg18.csv"])
def test_counters_and_percentiles_equal_an_independent_reader(name: str, tmp_path: Path) -> None:
    import_postgres_logs([LOGS / name], tmp_path / "run", Options())
    summary, counted = summary_of(tmp_path / "run"), counted_by_csv(LOGS / name)
    counts = counted["counts"]
    assert summary["records"] == counts["records"]
    assert summary["rejected"] == 0
    assert summary["errors"] == dict(counted["errors"])
    assert summary["lock_waits"]["acquired"] == counts["acquired"] >= 5
    assert summary["lock_waits"]["ended_in_deadlock"] == counts["deadlock"] == 1
    assert summary["deadlocks"] == 1
    assert summary["checkpoints"] == counts["checkpoints"]
    assert summary["temp_files"] == counts["temp_files"]
    assert summary["autovacuums"] == counts["autovacuums"]
    assert summary["connections"] == counts["received"]
    for kind, values in counted["durations"].items():
        told = summary["durations"][kind]
        assert told["count"] == len(values)
        assert told["sum_us"] == sum(values)
        assert told["max_us"] == max(values)
        for name_, share in (("p50_us", 0.5), ("p95_us", 0.95), ("p99_us", 0.99)):
            assert told[name_] == nearest_rank(values, share)


def test_a_generated_log_takes_the_fast_way_and_counts_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "FAST_FROM_BYTES", 0)
    monkeypatch.setattr(postgres, "_read_carefully", None)  # any use of it is an error
    import_postgres_logs([LOGS / "pg15.csv"], tmp_path / "run", Options())
    fast = summary_of(tmp_path / "run")
    monkeypatch.undo()
    import_postgres_logs([LOGS / "pg15.csv"], tmp_path / "careful", Options())
    careful = summary_of(tmp_path / "careful")
    assert {k: fast[k] for k in COUNTED} == {k: careful[k] for k in COUNTED}
    assert table(tmp_path / "run").equals(table(tmp_path / "careful"))


@pytest.mark.parametrize("name", [*REAL, "pg15.syslog"])
def test_every_format_of_one_server_tells_the_same(name: str, tmp_path: Path) -> None:
    import_postgres_logs([LOGS / name], tmp_path / "run", Options())
    import_postgres_logs([LOGS / f"{name[:4]}.csv"], tmp_path / "csv", Options())
    told, csvlog = summary_of(tmp_path / "run"), summary_of(tmp_path / "csv")
    assert {k: told[k] for k in COUNTED} == {k: csvlog[k] for k in COUNTED}
    assert told["rejected"] == 0


def test_formats_of_one_server_together_are_counted_once(tmp_path: Path) -> None:
    files = [LOGS / f"pg18.{suffix}" for suffix in ("csv", "json", "log")]
    import_postgres_logs(files, tmp_path / "run", Options())
    together = summary_of(tmp_path / "run")
    import_postgres_logs(files[:1], tmp_path / "csv", Options())
    alone = summary_of(tmp_path / "csv")
    assert {k: together[k] for k in COUNTED} == {k: alone[k] for k in COUNTED}
    assert together["records"] == alone["records"]
    assert set(together["rejected_by_reason"]) == {"duplicate of another record"}


def test_lock_waits_end_in_four_ways_and_all_count(tmp_path: Path) -> None:
    waits = "process 4711 still waiting for ShareLock on transaction 9 after 1000.500 ms"
    holder = "Process holding the lock: 12. Wait queue: 4711."
    text = (
        record(1, waits, detail=holder)
        + record(2, "process 4711 acquired ShareLock on transaction 9 after 2500.250 ms")
        + record(3, waits, detail=holder, at="2026-03-14 12:00:10.000 UTC")
        + record(
            4, "canceling statement due to statement timeout", level="ERROR", state="57014",
            at="2026-03-14 12:00:13.000 UTC",
        )
        + record(
            5,
            "process 4711 detected deadlock while waiting for ShareLock on transaction 11 "
            "after 1000.000 ms",
            detail="Process holding the lock: 12. Wait queue: .",
        )
        + record(6, "deadlock detected", level="ERROR", state="40P01")
        + record(7, waits.replace("9 after", "15 after"), detail=holder)
    )  # fmt: skip
    import_text(tmp_path, text)
    assert summary_of(tmp_path / "run")["lock_waits"] == {
        "started": 4,
        "acquired": 1,
        "ended_in_deadlock": 1,
        "ended_otherwise": 2,
        # 2500.25 acquired, 1000.5 + 3000 until the error, 1000 deadlock, 1000.5 as last told
        "wait_us_sum": 2_500_250 + 4_000_500 + 1_000_000 + 1_000_500,
    }


@pytest.mark.parametrize("columns", [23, 24, 26])
def test_csvlog_of_every_version_is_read(columns: int, tmp_path: Path) -> None:
    import_text(tmp_path, "".join(record(n, "checkpoint starting: time", columns=columns)
                                  for n in range(1, 4)))  # fmt: skip
    rows = table(tmp_path / "run")
    assert len(rows) == 3
    assert rows["backend_type"].notna().all() == (columns >= 24)
    assert rows["query_id"].notna().all() == (columns == 26)


def test_a_file_of_two_versions_is_read_whole(tmp_path: Path) -> None:
    text = record(1, "shutting down", columns=23) + record(1, "ready", pid=9, columns=26)
    assert import_text(tmp_path, text).records == 2


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        ("gz", gzip.compress),
        ("zst", zstandard.ZstdCompressor().compress),
        ("lz4", lz4.frame.compress),
        ("bz2", bz2.compress),
        ("xz", lzma.compress),
    ],
)
def test_compressed_logs_are_read(suffix: str, pack: object, tmp_path: Path) -> None:
    plain = (LOGS / "pg15.csv").read_bytes()
    done = import_text(tmp_path, pack(plain), f"pg15.csv.{suffix}")  # type: ignore[operator]
    assert done.records == 172
    assert not done.rejects


def test_an_archive_that_breaks_off_gives_what_is_in_it(tmp_path: Path) -> None:
    packed = gzip.compress((LOGS / "pg15.csv").read_bytes())
    done = import_text(tmp_path, packed[: len(packed) // 2], "cut.csv.gz")
    assert 0 < done.records < 172
    assert any("breaks off" in note for note in done.notes)


def test_rotated_files_and_folders_are_one_log(tmp_path: Path) -> None:
    lines = (LOGS / "pg15.log").read_text().splitlines(keepends=True)
    cut = next(n for n in range(100, 200) if " LOG:  " in lines[n])
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "server.log.1").write_text("".join(lines[:cut]))
    (folder / "server.log.2").write_text("".join(lines[cut:]))
    done = import_postgres_logs([folder], tmp_path / "run", Options())
    assert done.records == 172


def test_a_second_import_reads_only_what_is_new(tmp_path: Path) -> None:
    whole = (LOGS / "pg15.csv").read_bytes()
    log, run = tmp_path / "server.csv", tmp_path / "run"
    log.write_bytes(whole[: len(whole) // 2])  # ends in the middle of a record
    first = import_postgres_logs([log], run, Options())
    assert first.records < 172
    log.write_bytes(whole)
    second = import_postgres_logs([log], run, Options())
    assert second.records == 172
    assert not second.rejects
    assert second.new_lines < first.new_lines + 40
    third = import_postgres_logs([log], run, Options())
    assert (third.records, third.new_lines, third.rejects) == (172, 0, {})
    import_postgres_logs([LOGS / "pg15.csv"], tmp_path / "once", Options())
    assert table(run).equals(table(tmp_path / "once"))


def test_a_growing_stderr_log_gets_the_end_of_its_last_record(tmp_path: Path) -> None:
    whole = (LOGS / "pg15.log").read_text()
    at = whole.index("DETAIL:  Process holding the lock")
    log, run = tmp_path / "server.log", tmp_path / "run"
    log.write_text(whole[: whole.rindex("\n", 0, at) + 1])
    import_postgres_logs([log], run, Options())
    log.rename(tmp_path / "server.log.1")  # rotated: known again by its beginning
    (tmp_path / "server.log.1").write_text(whole)
    done = import_postgres_logs([tmp_path / "server.log.1"], run, Options())
    assert (done.records, done.rejects) == (172, {})
    import_postgres_logs([LOGS / "pg15.log"], tmp_path / "once", Options())
    columns = ["log_time", "process_id", "message", "detail", "context", "query"]
    again, once = (table(folder)[columns] for folder in (run, tmp_path / "once"))
    assert (
        again.sort_values(columns)
        .reset_index(drop=True)
        .equals(once.sort_values(columns).reset_index(drop=True))
    )


def test_an_engine_run_is_never_changed(tmp_path: Path) -> None:
    from run_maker import attempt, write_run

    run = write_run(tmp_path / "engine", [attempt(1, 0, 0.1)])
    with pytest.raises(UsageFault, match="engine"):
        import_postgres_logs([LOGS / "pg15.csv"], run, Options())


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageFault, match="no run"):
        import_postgres_logs([LOGS / "pg15.csv"], tmp_path / "out", Options())


def test_a_log_without_a_record_is_refused_with_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="format not recognised"):
        import_text(tmp_path, "one\ntwo\n")
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.glob("*partial*"))


def test_an_empty_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="empty"):
        import_text(tmp_path, "")


def test_a_missing_file_and_an_unknown_format_are_usage_faults(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="no such log file"):
        import_postgres_logs([tmp_path / "none.csv"], tmp_path / "run", Options())
    with pytest.raises(UsageFault, match="unknown --format"):
        import_text(tmp_path, record(1, "x"), format="cvs")


def test_a_half_written_last_line_is_told(tmp_path: Path) -> None:
    text = record(1, "shutting down") + record(2, "ready")[:70]
    done = import_text(tmp_path, text)
    assert (done.records, done.rejects) == (1, {"unfinished last record": 1})
    rejected = table(tmp_path / "run", "rejects").iloc[0]
    assert (rejected["file"], rejected["line"]) == ("a.csv", 2)
    assert rejected["byte_offset"] == len(record(1, "shutting down"))


def test_a_last_record_without_newline_counts(tmp_path: Path) -> None:
    done = import_text(tmp_path, (record(1, "shutting down") + record(2, "ready")).rstrip("\n"))
    assert (done.records, done.rejects) == (2, {})
