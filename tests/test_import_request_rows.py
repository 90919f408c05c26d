"""Rows of request logs: none is lost, none counted twice, however often the file is imported."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from log_case import import_text, table
from request_case import HEADER, MAPPING, TOOK, imported, reasons, see_accounts, times

from runlog.errors import BadData
from runlog.manifest import read_manifest
from runlog.writer import connect

AT = "2026-03-14T12:00:00Z"


def row(name: str, took: str = "1") -> str:
    return f"{name},{AT},200,{took}\n"


def test_damaged_rows_are_set_aside_alone(tmp_path: Path) -> None:
    lines = [
        HEADER,
        row("a"),
        f"b,{AT}\n",
        "\n",
        f"c,{AT},200,1,9,9\n",
        f'd,"{AT},200,1\n',
        row("e"),
        "   \n",
        f'"f ""x"", y",{AT},200,"1\n2"\n',
        f'g "so",{AT},200,1\n',
        f"h,{AT},20",
    ]
    imported(tmp_path, "".join(lines))
    assert sorted(times(tmp_path / "run")) == ["a", "e", 'f "x", y', 'g "so"']
    assert reasons(tmp_path / "run") == {
        3: "damaged CSV line",
        5: "damaged CSV line",
        6: "damaged CSV line",
        12: "unfinished last record",
    }
    entry = read_manifest(tmp_path / "run").sources[0]
    assert (entry["rows"], entry["blank_lines"]) == (8, 2)


def test_a_line_without_end_is_bounded(tmp_path: Path) -> None:
    huge = b"x," + b"y" * (17 * 1024 * 1024) + b"\n"
    imported(tmp_path, (HEADER + row("a")).encode() + huge + row("b").encode())
    assert sorted(times(tmp_path / "run")) == ["a", "b"]
    assert reasons(tmp_path / "run") == {3: "line longer than 16 MiB"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_other_delimiters_and_line_ends(delimiter: str, newline: str, tmp_path: Path) -> None:
    text = (HEADER + row("a")).replace(",", delimiter).replace("\n", newline)
    imported(tmp_path, b"\xef\xbb\xbf" + text.encode())
    assert times(tmp_path / "run") == {"a": "2026-03-14T12:00:00"}


def test_columns_may_have_the_names_of_the_contract(tmp_path: Path) -> None:
    header = "request_id,source_row,scheduled_at_us,fields,zone_left,fault\n"
    mapping = MAPPING.replace('"id"', '"request_id"').replace('"ts"', '"source_row"')
    mapping = mapping.replace('"st"', '"fault"')
    imported(tmp_path, header + f"a,{AT},1,2,3,200\n", mapping)
    assert times(tmp_path / "run") == {"a": "2026-03-14T12:00:00"}


def test_a_grown_file_gives_what_one_import_gives(tmp_path: Path) -> None:
    text = HEADER + row("a") + row("b", "x") + row("a", "2") + row("c") + row("c") + "d,\n"
    text += row("e", "12345")
    mapping = MAPPING + TOOK
    imported(tmp_path, text, mapping, run="whole")
    for cut in (*range(text.index("b,"), len(text), 11), len(text)):
        run = f"run{cut}"
        imported(tmp_path, text[:cut], mapping, run=run)
        imported(tmp_path, text, mapping, run=run)
        for name in ("requests", "rejects"):
            assert table(tmp_path / run, name).equals(table(tmp_path / "whole", name)), cut
    assert list(reasons(tmp_path / "whole").values()).count("duplicate of another request") == 2


def test_known_rows_are_no_rejects_and_real_duplicates_stay(tmp_path: Path) -> None:
    for _ in range(3):
        done = imported(tmp_path, HEADER + row("a") + row("b") + row("a"))
        assert (done.requests, done.rejects) == (2, {"duplicate of another request": 1})
    other = HEADER + row("z") + row("b")
    for _ in range(2):
        done = imported(tmp_path, other, name="other.csv")
        assert (done.requests, done.rejects) == (3, {"duplicate of another request": 2})
    moved = HEADER + row("a") + row("b") + row("a") + row("c")
    done = imported(tmp_path, moved, name="rotated.csv")
    assert (done.requests, done.rejects) == (4, {"duplicate of another request": 2})
    assert len(read_manifest(tmp_path / "run").sources) == 2


def test_two_files_of_one_name_keep_their_own_rejects(tmp_path: Path) -> None:
    imported(tmp_path, HEADER + row("a") + "damaged\n", name="x/r.csv", run="../run")
    imported(tmp_path, HEADER + row("b") + "broken\n", name="y/r.csv", run="../run")
    rejects = table(tmp_path.parent / "run", "rejects")
    assert list(rejects["file"]) == ["r.csv", "r.csv (2)"]


def test_a_mended_mapping_takes_the_rows_that_were_rejected(tmp_path: Path) -> None:
    text = HEADER + row("a") + f"b,{AT},402,1\n"
    assert imported(tmp_path, text).rejects == {"unknown outcome": 1}
    done = imported(tmp_path, text, MAPPING + '"402" = "declined"\n')
    assert (done.requests, done.rejects) == (2, {})


def test_parquet_again_is_known(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    connect().execute(
        f"COPY (SELECT 'a' AS id, '{AT}' AS ts, 200 AS st UNION ALL SELECT 'b', 'x', 200) "
        f"TO '{path}'"
    )
    data = path.read_bytes()
    for _ in range(2):
        done = imported(tmp_path, data, name="r.parquet")
        assert (done.requests, sum(done.rejects.values())) == (1, 1)


def test_rejects_of_server_logs_stay_beside_those_of_requests(tmp_path: Path) -> None:
    import_text(tmp_path, "2026-03-14 12:00:00.100 UTC [77] LOG:  x\n", "a.log")
    for _ in range(2):
        imported(tmp_path, HEADER + row("a") + "damaged\n")
    import_text(tmp_path, "2026-03-14 12:00:00.100 UTC [78] LOG:  y\n", "b.log")
    see_accounts(tmp_path / "run")
    assert read_manifest(tmp_path / "run").rejects == {"damaged CSV line": 1}


@pytest.mark.parametrize("seed", range(16))
def test_mutated_rows_are_accepted_or_rejected(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    data = bytearray((HEADER + "".join(row(f"r{i}") for i in range(60))).encode())
    for _ in range(rng.randrange(1, 40)):
        at = rng.randrange(len(HEADER), len(data))
        data[at : at + rng.randrange(4)] = rng.choice((b'"', b"\n", b"\0", b"\xff", b",", b"\r"))
    try:
        imported(tmp_path, bytes(data), MAPPING + TOOK)  # asserts its accounts
    except BadData as fault:
        assert "no valid request" in str(fault)
    lines = bytes(data).count(b"\n") + (not data.endswith(b"\n"))
    entry = read_manifest(tmp_path / "run").sources[0]
    assert entry["rows"] + entry["blank_lines"] + 1 <= lines
