"""Text formats: any log_line_prefix, syslog, managed services, pgBouncer."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from log_case import import_text, record, summary_of, table

from analysis.importers import postgres
from analysis.importers.postgres import Options, import_postgres_logs
from analysis.importers.prefix import CANDIDATES, split
from runlog.errors import UsageFault


def one(folder: Path, text: str, name: str = "server.log", **options: object) -> dict[str, object]:
    """Import a log of one record; return it."""
    done = import_text(folder, text, name, **options)
    assert done.records == 1, done
    return table(folder / "run").iloc[0].to_dict()


@pytest.mark.parametrize(
    ("prefix", "line", "told"),
    [
        (
            "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
            "2026-03-14 12:00:00 UTC [77]: [3-1] user=bob,db=shop,app=my app,client=10.0.0.1 ",
            {"process_id": 77, "user_name": "bob", "database_name": "shop",
             "application_name": "my app", "connection_from": "10.0.0.1"},
        ),
        (
            "%m [%p] %q%u@%d ",
            "2026-03-14 12:00:00.000 UTC [77] bob@shop ",
            {"process_id": 77, "user_name": "bob", "database_name": "shop"},
        ),
        ("%n %p %e %x %Q ", "1773489600.000 77 00000 0 -5 ", {"process_id": 77, "query_id": -5}),
        ("%m|%c|%l|%e|", "2026-03-14 12:00:00.000 UTC|69b4cf30.4d|9|00000|", {}),
        ("%%m%% %m %-8p%10u ", "%m% 2026-03-14 12:00:00.000 UTC 77            bob ",
         {"process_id": 77, "user_name": "bob"}),
    ],
)  # fmt: skip
def test_any_prefix_is_read_when_told(
    prefix: str, line: str, told: dict[str, object], tmp_path: Path
) -> None:
    record = one(
        tmp_path, f"{line}LOG:  checkpoint starting: time\n", prefix=prefix, format="stderr"
    )
    assert record["message"] == "checkpoint starting: time"
    assert str(record["log_time"]) == "2026-03-14 12:00:00+00:00"
    assert {k: record[k] for k in told} == told


def test_an_unknown_prefix_is_guessed_from_its_stamp(tmp_path: Path) -> None:
    line = "2026-03-14 12:00:00.5 CET ### [77-3] app=pay db=shop user=bob ~~ LOG:  ready\n"
    record = one(tmp_path, line)
    assert str(record["log_time"]) == "2026-03-14 11:00:00.500000+00:00"
    assert (record["process_id"], record["user_name"], record["database_name"]) == (
        77,
        "bob",
        "shop",
    )


def test_an_escape_postgresql_does_not_have_is_a_usage_fault(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="%z"):
        import_text(tmp_path, "x\n", "a.log", prefix="%z", format="stderr")


@pytest.mark.parametrize("prefix", CANDIDATES)
def test_hostile_lines_cost_no_more_than_long_ones(prefix: str) -> None:
    for piece in ("x", " ", "a@b ", "[", "2026-03-14 12:00:00 UTC ", "LOG", "user=", "ERROR: "):
        split(prefix, "2026-03-14 12:00:00.000 UTC [1] " + piece * 20000)
        split("", "2026-03-14 12:00:00.000 UTC [1] " + piece * 20000)


def test_sessions_that_interleave_keep_their_details(tmp_path: Path) -> None:
    text = (
        "2026-03-14 12:00:00.000 UTC [1] ERROR:  first\n"
        "2026-03-14 12:00:00.000 UTC [2] ERROR:  second\n"
        "\tof two lines\n"
        "2026-03-14 12:00:00.000 UTC [1] DETAIL:  of the first\n"
        "2026-03-14 12:00:00.000 UTC [2] STATEMENT:  select\n"
        "\t  x\n"
        "2026-03-14 12:00:00.000 UTC [3] HINT:  of nobody\n"
    )
    done = import_text(tmp_path, text, "server.log", prefix="%m [%p] ")
    rows = table(tmp_path / "run").set_index("process_id")
    assert rows["detail"][1] == "of the first"
    assert rows["message"][2] == "second\nof two lines"
    assert rows["query"][2] == "select\n  x"
    assert done.rejects == {"HINT without its record": 1}


def test_verbose_errors_and_positions_go_to_their_columns(tmp_path: Path) -> None:
    text = 'ERROR:  42P01: relation "a" does not exist at character 15'
    record = one(tmp_path, f"2026-03-14 12:00:00.000 UTC [1] {text}\n")
    assert (record["sql_state_code"], record["query_pos"]) == ("42P01", 15)
    assert record["message"] == 'relation "a" does not exist'


def test_rds_logs_are_recognised(tmp_path: Path) -> None:
    text = (
        "2026-03-14 12:00:00 UTC:10.0.0.9(52002):bob@shop:[77]:ERROR:  division by zero\n"
        "2026-03-14 12:00:00 UTC:10.0.0.9(52002):bob@shop:[77]:STATEMENT:  select 1/0\n"
        "2026-03-14 12:00:01 UTC::@:[5]:LOG:  checkpoint starting: time\n"
    )
    import_text(tmp_path, text, "postgresql.log.2026-03-14-12")
    rows = table(tmp_path / "run").set_index("process_id")
    assert rows["connection_from"][77] == "10.0.0.9(52002)"
    assert (rows["user_name"][77], rows["query"][77]) == ("bob", "select ?/?")
    assert summary_of(tmp_path / "run")["errors"] == {"22012": 1}


def entry(second: int, text: str) -> dict[str, object]:
    stamp = f"2026-03-14 12:00:{second:02d}.000 UTC [77]: [1-1] db=shop,user=bob "
    payload = text if text.startswith("\t") else stamp + text
    return {
        "insertId": f"i{second}", "severity": "INFO",
        "timestamp": f"2026-03-14T12:00:{second:02d}.000000Z", "textPayload": payload,
    }  # fmt: skip


@pytest.mark.parametrize("form", ["lines", "array"])
def test_cloud_sql_exports_are_read_in_order_of_time(form: str, tmp_path: Path) -> None:
    entries = [
        entry(1, "ERROR:  deadlock detected"),
        entry(2, "DETAIL:  Process 77 waits for ShareLock on transaction 9; blocked by process 8."),
        entry(3, "\tProcess 8 waits for ShareLock on transaction 7; blocked by process 77."),
        entry(4, "LOG:  duration: 12.500 ms  statement: select 1"),
    ]
    newest_first = entries[::-1]
    text = (
        json.dumps(newest_first, indent=1)
        if form == "array"
        else "\n".join(json.dumps(e) for e in newest_first) + "\n"
    )
    done = import_text(tmp_path, text, "cloudsql.json")
    assert (done.records, done.rejects) == (2, {})
    summary = summary_of(tmp_path / "run")
    assert summary["deadlocks"] == 1
    assert summary["durations"]["sum_us"] == 12_500


def test_pgbouncer_records_and_statistics(tmp_path: Path) -> None:
    text = (
        "2026-03-14 12:00:00.000 UTC [9] LOG C-0x5581: shop/bob@10.0.0.1:5000 login attempt: "
        "db=shop\n"
        "2026-03-14 12:00:01.000 UTC [9] WARNING C-0x5581: shop/bob@10.0.0.1:5000 pooler error: "
        "query_wait_timeout\n"
        "2026-03-14 12:01:00.000 UTC [9] LOG stats: 5 xacts/s, 10 queries/s, in 123 B/s, "
        "out 456 B/s, xact 1500 us, query 700 us, wait 90000 us\n"
        "garbage\n"
    )
    done = import_text(tmp_path, text, "pgbouncer.log")
    assert (done.records, done.rejects) == (3, {"not a pgBouncer record": 1})
    rows = table(tmp_path / "run")
    assert set(rows["backend_type"]) == {"pgbouncer"}
    assert list(rows["user_name"].fillna("")) == ["bob", "bob", ""]
    counters = table(tmp_path / "run", "pg_counters").set_index("metric")["value"].to_dict()
    assert counters == {
        "xacts_per_s": 5, "queries_per_s": 10, "in_bytes_per_s": 123, "out_bytes_per_s": 456,
        "xact_us": 1500, "query_us": 700, "wait_us": 90000,
    }  # fmt: skip


@pytest.mark.parametrize(
    "header",
    [
        "2026-03-14T12:00:00.250+09:00 db1 postgres[77]: [5-{chunk}] ",
        "<134>1 2026-03-14T03:00:00.250Z db1 postgres 77 - - [5-{chunk}] ",
        "<134>Mar 14 2026 12:00:00 db1 postgres[77]: [5-{chunk}] ",
    ],
)
def test_syslog_headers_and_chunks(header: str, tmp_path: Path) -> None:
    text = (
        header.format(chunk=1) + "bob@shop ERROR:  deadlock detected\n"
        + header.format(chunk=2) + "bob@shop DETAIL:  Process 1 waits for ShareLock on\n"
        + header.format(chunk=3) + " transaction 9; blocked by process 2.\n"
        + header.format(chunk=4) + "#011Process 2 waits for ShareLock on transaction 8; "
        "blocked by process 1.\n"
    )  # fmt: skip
    record = one(tmp_path, text, "syslog", log_timezone="Asia/Tokyo")
    assert (record["user_name"], record["process_id"]) == ("bob", 77)
    assert str(record["log_time"]).startswith("2026-03-14 03:00:00")
    assert record["detail"] == (
        "Process 1 waits for ShareLock on transaction 9; blocked by process 2.\n"
        "Process 2 waits for ShareLock on transaction 8; blocked by process 1."
    )


def test_records_in_another_language_are_kept_and_told(tmp_path: Path) -> None:
    text = (
        "2026-03-14 12:00:00.000 UTC [1] FEHLER:  Division durch Null\n"
        "2026-03-14 12:00:00.000 UTC [1] ANWEISUNG:  select 1/0\n"
    )
    done = import_text(tmp_path, text, "server.log", prefix="%m [%p] ")
    assert done.records == 1
    assert table(tmp_path / "run")["query"][0] == "select ?/?"
    assert any("another language" in note for note in done.notes)


@pytest.mark.parametrize("kind", ["csv", "json", "stderr"])
@pytest.mark.parametrize("large", [False, True])
def test_a_byte_order_mark_costs_no_record(
    kind: str, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "FAST_FROM_BYTES", 0 if large else 1 << 40)
    text = {
        "csv": "".join(record(n, "ready") for n in range(1, 4)),
        "json": "".join(jsonlog(n) for n in range(1, 4)),
        "stderr": "".join(f"2026-03-14 12:00:00.000 UTC [{n}] LOG:  ready\n" for n in range(1, 4)),
    }[kind]
    done = import_text(tmp_path, b"\xef\xbb\xbf" + text.encode(), f"a.{kind}")
    assert (done.records, done.new_lines, done.rejects) == (3, 3, {})
    again = import_postgres_logs([tmp_path / f"a.{kind}"], tmp_path / "run", Options())
    assert (again.records, again.rejects) == (3, {})


def jsonlog(line: int, **more: object) -> str:
    """Return one jsonlog record with its newline."""
    told = {"timestamp": "2026-03-14 12:00:00.100 UTC", "pid": 77, "session_id": "65f2d000.4d",
            "line_num": line, "error_severity": "LOG", "message": "ready"}  # fmt: skip
    return json.dumps(told | more) + "\n"


@pytest.mark.parametrize("large", [False, True])
def test_keys_that_jsonlog_does_not_have_are_left_out(
    large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "FAST_FROM_BYTES", 0 if large else 1 << 40)
    text = jsonlog(1, labels={"a": [1]}) + jsonlog(2, took=1.5) + jsonlog(3, tags=["x"])
    done = import_text(tmp_path, text, "a.json")
    assert (done.records, done.rejects) == (3, {})


def test_a_pipe_is_refused_in_one_line(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageFault, match="not a regular file"):
        import_postgres_logs([pipe], tmp_path / "run", Options())
