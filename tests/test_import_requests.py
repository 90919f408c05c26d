"""Request logs and traces by a mapping file, alone and beside server logs."""

from __future__ import annotations

from pathlib import Path

import pytest
from log_case import LOGS, summary_of, table

from analysis.importers.postgres import Options, import_postgres_logs
from analysis.importers.requests import import_requests
from runlog.errors import BadData, UsageFault
from runlog.writer import connect

MAPPING = """
[columns]
request_id = "id"
scheduled_at = "ts"
outcome = "status"
amount_jpy = "amount"
wallet_id = "wallet"
reason = "why"

[constants]
operation = "card_payment"

[values.outcome]
"200" = "approved"
"402" = "declined"
"504" = "timed_out"

[time]
zone = "Asia/Tokyo"

[durations]
finished_at = { from = "scheduled_at", column = "took_ms", unit = "ms" }
"""
ROWS = """id,ts,status,amount,wallet,why,took_ms
a,2018-10-09 18:00:00.250,200,1200,7,,12.5
b,2018-10-09T09:00:01Z,402,,7,no funds,3
c,2018-10-09 18:00:02+09:00,504,500,8,timeout,5000
d,2018-10-09 18:00:03,418,500,8,,1
e,yesterday,200,500,8,,1
f,2018-10-09 18:00:04,200,12.5x,8,,1
a,2018-10-09 18:00:05,200,1,1,,1
"""


def files(folder: Path, rows: str = ROWS, mapping: str = MAPPING) -> tuple[Path, Path]:
    (folder / "requests.csv").write_text(rows)
    (folder / "mapping.toml").write_text(mapping)
    return folder / "requests.csv", folder / "mapping.toml"


def test_a_mapped_csv_becomes_requests_and_rejects(tmp_path: Path) -> None:
    done = import_requests(*files(tmp_path), tmp_path / "run")
    assert done.requests == 3
    assert done.rejects == {
        "unknown outcome": 1,
        "scheduled_at is missing or cannot be read": 1,
        "amount_jpy cannot be read": 1,
        "duplicate of another request": 1,
    }
    rows = table(tmp_path / "run", "requests").set_index("request_id")
    assert list(rows["outcome"]) == ["approved", "declined", "timed_out"]
    assert str(rows["scheduled_at"]["a"]) == "2018-10-09 09:00:00.250000+00:00"
    assert str(rows["scheduled_at"]["b"]) == "2018-10-09 09:00:01+00:00"
    assert str(rows["scheduled_at"]["c"]) == "2018-10-09 09:00:02+00:00"
    assert str(rows["finished_at"]["a"]) == "2018-10-09 09:00:00.262500+00:00"
    assert rows["amount_jpy"]["a"] == 1200
    assert rows["amount_jpy"].isna()["b"]
    assert list(table(tmp_path / "run", "rejects")["line"]) == [5, 6, 7, 8]  # the header is 1


def test_parquet_with_typed_columns_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "r.parquet")
    connect().execute(
        "COPY (SELECT 5 AS id, TIMESTAMPTZ '2026-01-01 00:00:00+00' AS ts, 200 AS status, "
        f"700 AS amount, 1 AS wallet, '' AS why, 2.0 AS took_ms) TO '{path}'"
    )
    _, mapping = files(tmp_path)
    assert import_requests(Path(path), mapping, tmp_path / "run").requests == 1
    row = table(tmp_path / "run", "requests").iloc[0]
    assert str(row["finished_at"]) == "2026-01-01 00:00:00.002000+00:00"


def test_epoch_times_are_read_to_the_microsecond(tmp_path: Path) -> None:
    mapping = MAPPING.replace('zone = "Asia/Tokyo"', 'format = "epoch_ms"')
    rows = ROWS.splitlines()[0] + "\nz,1539075600250.125,200,1,1,,1\n"
    import_requests(*files(tmp_path, rows, mapping), tmp_path / "run")
    row = table(tmp_path / "run", "requests").iloc[0]
    assert str(row["scheduled_at"]) == "2018-10-09 09:00:00.250125+00:00"


def test_stamps_without_zone_are_not_guessed(tmp_path: Path) -> None:
    mapping = MAPPING.replace('zone = "Asia/Tokyo"', "")
    done = import_requests(*files(tmp_path, mapping=mapping), tmp_path / "run")
    assert done.requests == 2  # those that carry an offset


def test_requests_join_an_import_of_server_logs_and_back(tmp_path: Path) -> None:
    run = tmp_path / "run"
    import_postgres_logs([LOGS / "pg15.csv"], run, Options())
    import_requests(*files(tmp_path), run)
    assert summary_of(run)["rows"] == {"pg_log": 172, "requests": 3}
    done = import_postgres_logs([LOGS / "pg18.csv"], run, Options())
    assert done.records == 172 + 205
    assert summary_of(run)["rows"] == {"pg_log": 377, "requests": 3}
    assert import_requests(*files(tmp_path), run).requests == 3


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("amount_jpy =", "amout_jpy ="), "did you mean 'amount_jpy'"),
        (('"approved"', '"aproved"'), "did you mean 'approved'"),
        (('"amount"', '"betrag"'), "no such column in the request log"),
        (('outcome = "status"', ""), "leaves out · outcome"),
        (("[time]", "[times]"), "wrong mapping file"),
        (("[columns]", "[columns"), "broken mapping file"),
        (('unit = "ms"', 'unit = "min"'), "wrong mapping file"),
        (('"card_payment"', '"card"'), "operation has no such value"),
    ],
)
def test_a_wrong_mapping_is_told_in_one_line(
    change: tuple[str, str], fault: str, tmp_path: Path
) -> None:
    paths = files(tmp_path, mapping=MAPPING.replace(*change))
    with pytest.raises(BadData, match=fault.replace("(", "\\(")) as told:
        import_requests(*paths, tmp_path / "run")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "run").exists()


def test_the_mapping_in_the_documentation_works(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[1] / "docs" / "imports.md").read_text("utf-8")
    mapping = text.split("```toml\n")[1].split("```")[0]
    rows = ROWS.replace("ts,", "received,", 1)
    assert import_requests(*files(tmp_path, rows, mapping), tmp_path / "run").requests == 3


def test_missing_files_are_usage_faults(tmp_path: Path) -> None:
    requests, mapping = files(tmp_path)
    with pytest.raises(UsageFault, match="no such request log"):
        import_requests(tmp_path / "none.csv", mapping, tmp_path / "run")
    with pytest.raises(UsageFault, match="no such mapping file"):
        import_requests(requests, tmp_path / "none.toml", tmp_path / "run")


def test_damaged_csv_lines_are_set_aside(tmp_path: Path) -> None:
    rows = [*ROWS.splitlines()[:3], "x,y", 'q,"2018', ROWS.splitlines()[3]]
    done = import_requests(*files(tmp_path, "\n".join(rows) + "\n"), tmp_path / "run")
    assert done.requests >= 2
    assert done.rejects["damaged CSV line"] >= 1
