"""Ten thousand damaged logs: no crash, no hang, and every line is a record or a reject."""

from __future__ import annotations

import random
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from log_case import LOGS, import_text, record, table

from analysis.importers.postgres import Options, import_postgres_logs
from runlog.manifest import read_manifest
from runlog.writer import connect

_FORMATS = ("pg15.csv", "pg18.csv", "pg15.json", "pg15.log", "pg15.syslog")
_FILES_AN_IMPORT = 500
_IMPORTS = 20


def _truncated(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(1, len(data))]


def _beheaded(rng: random.Random, data: bytes) -> bytes:
    return data[rng.randrange(1, len(data)) :]


def _interleaved(rng: random.Random, data: bytes) -> bytes:
    at, other = rng.randrange(len(data)), rng.randrange(len(data))
    return data[:at] + data[other : other + rng.randrange(1, 400)] + data[at:]


def _line_lost_its_end(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    index = rng.randrange(len(lines))
    lines[index] = lines[index][: rng.randrange(len(lines[index]) + 1)]
    return b"\n".join(lines)


def _bits_flipped(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 30)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _nul_inside(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + b"\0" * rng.randrange(1, 50) + data[at:]


def _invalid_utf8(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.randrange(1, 60)) + data[at:]


def _stray_quotes(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + b'"' * rng.randrange(1, 8) + data[at:]


def _line_breaks_lost(rng: random.Random, data: bytes) -> bytes:
    return data.replace(b"\n", b"", rng.randrange(1, 4))


def _line_breaks_won(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + b"\n" * rng.randrange(1, 200) + b"\r\n" + data[at:]


def _bomb(rng: random.Random, data: bytes) -> bytes:
    piece = rng.choice([b'"', b",", b'"",', b"\n", b'"\n', b",\n", b"[", b'{"a":', b"\t\n"])
    return data + piece * rng.randrange(1, 4000)


def _long_line(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + b"x" * rng.randrange(1, 20000) + data[at:]


_MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _truncated, _beheaded, _interleaved, _line_lost_its_end, _bits_flipped, _nul_inside,
    _invalid_utf8, _stray_quotes, _line_breaks_lost, _line_breaks_won, _bomb, _long_line,
)  # fmt: skip


def _lines_in(data: bytes) -> int:
    return data.count(b"\n") + (not data.endswith(b"\n") and data != b"")


def _excerpt(rng: random.Random, lines: list[bytes]) -> bytes:
    first = rng.randrange(len(lines) - 12)
    return b"".join(lines[first : first + rng.randrange(4, 12)])


def _accounts(run: Path) -> tuple[int, int, int]:
    """Records read of all sources, records kept, and records set aside after reading."""
    manifest = read_manifest(run)
    read = sum(source["records"] for source in manifest.sources)
    con = connect()
    aside = con.execute(
        "SELECT count(*) FROM read_parquet($1) WHERE reason IN ('duplicate of another record', "
        "'time stamp cannot be read', 'a number cannot be read', 'no session and line number', "
        "'session start time cannot be read', 'no severity', "
        "'session and line number of another record')",
        [str(run / "rejects.parquet")],
    ).fetchall()[0][0]
    return read, manifest.tables["pg_log"].rows, aside


@pytest.mark.parametrize("number", range(_IMPORTS))
def test_five_hundred_mutated_logs_lose_no_line(number: int, tmp_path: Path) -> None:
    rng = random.Random(number)
    name = _FORMATS[number % len(_FORMATS)]
    lines = (LOGS / name).read_bytes().splitlines(keepends=True)
    folder = tmp_path / "logs"
    folder.mkdir()
    expected = {}
    for index in range(_FILES_AN_IMPORT):
        data = _excerpt(rng, lines)
        for mutation in rng.sample(_MUTATIONS, rng.choice((1, 1, 2))):
            data = mutation(rng, data or b"\n")
        path = folder / f"{index:03d}-{name}"
        path.write_bytes(data)
        expected[path.name] = _lines_in(data)
    options = Options(format=name.rpartition(".")[2].replace("log", "stderr")
                      if name.endswith((".log",)) else name.rpartition(".")[2],
                      log_timezone="Asia/Tokyo")  # fmt: skip
    done = import_postgres_logs([folder], tmp_path / "run", options)
    for source in read_manifest(tmp_path / "run").sources:
        accounted = source["record_lines"] + source["rejected_lines"]
        assert accounted == source["lines"] == expected[source["file"]], source
    read, kept, aside = _accounts(tmp_path / "run")
    assert read == kept + aside
    assert kept == done.records > 20


def test_mutated_logs_whose_format_must_be_guessed(tmp_path: Path) -> None:
    rng = random.Random(4)
    folder = tmp_path / "logs"
    folder.mkdir()
    expected = {}
    for index in range(300):
        name = rng.choice(_FORMATS)
        data = _excerpt(rng, (LOGS / name).read_bytes().splitlines(keepends=True))
        path = folder / f"{index:03d}"
        path.write_bytes(rng.choice(_MUTATIONS)(rng, data))
        expected[path.name] = _lines_in(path.read_bytes())
    import_postgres_logs([folder], tmp_path / "run", Options(log_timezone="Asia/Tokyo"))
    for source in read_manifest(tmp_path / "run").sources:
        assert source["record_lines"] + source["rejected_lines"] == expected[source["file"]]


def test_a_huge_line_and_a_quote_bomb_cost_no_memory(tmp_path: Path) -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    text = (
        record(1, "ready").encode()
        + b"x" * 20_000_000
        + b"\n"
        + b'2026-03-14 12:00:00.123 UTC,"'
        + b'a""\n' * 300_000
        + record(2, "ready").encode()
    )
    done = import_text(tmp_path, text)
    after_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert done.records == 2
    assert sum(done.rejects.values()) == 300_001
    assert after_kb - before_kb < 900_000


@pytest.mark.parametrize("way", ["fast", "careful"])
def test_damage_deep_in_a_large_log_costs_only_what_is_damaged(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analysis.importers import fast, postgres

    monkeypatch.setattr(fast, "SLICE_BYTES", 300_000)
    if way == "careful":
        monkeypatch.setattr(postgres, "FAST_FROM_BYTES", 1 << 40)
    good = [record(n, f"duration: {n}.000 ms  statement: select\n  {n}") for n in range(1, 12001)]
    damaged = list(good)
    damaged[6000] = damaged[6000][:100] + "\n"
    damaged[9000] = '"' + damaged[9000]
    done = import_text(tmp_path, "".join(damaged))
    assert done.records == 11998
    assert sum(done.rejects.values()) == 1 + 2  # a cut line; a record of two lines
    rejected = table(tmp_path / "run", "rejects")
    assert sorted(rejected["line"]) == [2 * 6000 + 1, 2 * 9000, 2 * 9000 + 1]
    assert len(table(tmp_path / "run")) == 11998
