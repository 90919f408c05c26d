"""What a server tells twice is counted once, and two servers are not taken for one."""

from __future__ import annotations

from pathlib import Path

from log_case import record, summary_of, table

from analysis.importers.postgres import Options, import_postgres_logs

DUPLICATE = "duplicate of another record"
TAKEN = "session and line number of another record"


def _import(folder: Path, **texts: str) -> None:
    """Write each text into a file (its last "_" is the dot) and import them in this order."""
    paths = []
    for name, text in texts.items():
        path = folder / ".".join(name.rsplit("_", 1))
        path.write_text(text)
        paths.append(path)
    import_postgres_logs(paths, folder / "run", Options())


def test_a_prefix_with_whole_seconds_tells_the_same_record(tmp_path: Path) -> None:
    """A second is cut off, not rounded: .047 and .987 are the same one."""
    numbers = range(30)
    stamps = [f"2026-03-14 12:00:{n:02d}.{n * 47 % 1000:03d} UTC" for n in numbers]
    csvlog = "".join(record(n + 1, f"duration: {n}.000 ms", at=stamps[n]) for n in numbers)
    stderr = "".join(
        f"2026-03-14 12:00:{n:02d} UTC [4711]: [{n + 1}-1] user=u,db=shop,app=psql,client=10.0.0.1 "
        f"LOG:  duration: {n}.000 ms\n"
        for n in numbers
    )
    _import(tmp_path, a_csv=csvlog, b_log=stderr)
    summary = summary_of(tmp_path / "run")
    assert summary["records"] == 30
    assert summary["rejected_by_reason"] == {DUPLICATE: 30}


def test_two_servers_with_one_session_id_lose_nothing_silently(tmp_path: Path) -> None:
    """A session's id is its second and its process id: twin containers have the same ones."""
    first = record(1, "ready") + record(2, "duration: 1.000 ms")
    other = record(1, "ready") + record(2, "another", at="2026-03-14 12:00:00.124 UTC")
    again = record(2, "duration: 1.000 ms")
    _import(tmp_path, a_csv=first, b_csv=other, c_csv=again)
    assert list(table(tmp_path / "run")["message"]) == ["ready", "duration: 1.000 ms"]
    rejects = table(tmp_path / "run", "rejects")
    assert list(zip(rejects["file"], rejects["reason"], strict=True)) == [
        ("b.csv", DUPLICATE), ("b.csv", TAKEN), ("c.csv", DUPLICATE),
    ]  # fmt: skip
    assert rejects["text"].str.contains("another").sum() == 1
