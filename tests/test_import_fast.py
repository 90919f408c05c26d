"""The recount that proves the fast way, against one byte after the other."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from log_case import import_text, record

from analysis.importers import fast


def _byte_by_byte(data: bytes) -> tuple[int, int, bool]:
    inside, records, newlines = False, 0, 0
    for byte in data:
        if byte == ord('"'):
            inside = not inside
        elif byte == ord("\n"):
            newlines += 1
            records += not inside
    return records, newlines, not inside and data.endswith(b"\n")


@pytest.mark.parametrize("block", [1, 7, 63, 64, 65, 256])
@pytest.mark.parametrize("quotes", [0.1, 1.0, 5.0])
def test_records_are_counted_as_one_byte_after_the_other_counts_them(
    block: int, quotes: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "_BLOCK", block)
    dice = random.Random(f"{block}/{quotes}")
    path = tmp_path / "log"
    for length in [*range(1, 70), 127, 128, 129, 1000]:
        data = bytes(dice.choices(b'a,"\n\x00\xe3', [6, 1, quotes, 1, 0.2, 1], k=length))
        path.write_bytes(data)
        assert fast.count_records(path, quoted=True) == _byte_by_byte(data), data


def test_newlines_inside_quotes_end_no_record(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'1,"a\nb ""quoted""\nc"\n2,"d"\n')
    assert fast.count_records(path, quoted=True) == (2, 4, True)
    assert fast.count_records(path, quoted=False) == (4, 4, True)


@pytest.mark.parametrize("end", [b'3,"open', b"3,no newline", b'3,"open\n'])
def test_a_file_that_ends_in_a_record_is_not_whole(end: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'1,"a"\n2,b\n' + end)
    assert fast.count_records(path, quoted=True)[2] is False


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"")
    assert fast.count_records(path, quoted=True) == (0, 0, False)


@pytest.mark.parametrize("before", ["half of, a record\n", "no csvlog\n" * 120_000])
def test_a_large_log_that_begins_with_no_record_is_read(before: str, tmp_path: Path) -> None:
    text = before + "".join(record(n, "x" * 2000) for n in range(1, 600))
    done = import_text(tmp_path, text, format="csv")
    assert (done.records, sum(done.rejects.values())) == (599, before.count("\n"))
