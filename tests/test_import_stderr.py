"""Lines of stderr logs: each is a record, a part of its own session's record, or set aside."""

from __future__ import annotations

from pathlib import Path

import pytest
from log_case import import_text, summary_of, table

from analysis.importers.prefix import best_prefix, split

_STAMP = "2026-03-14 12:00:{:02d}.100 UTC [{}] "


def stderr(*told: str, pid: int = 77) -> str:
    """Return lines with a stamp of one session, one a second."""
    return "".join(_STAMP.format(n, pid) + text + "\n" for n, text in enumerate(told))


_WAIT = (
    "LOG:  process 77 still waiting for ShareLock on transaction 5 after 1000.100 ms",
    "LOG:  process 77 acquired ShareLock on transaction 5 after 3000.100 ms",
)


@pytest.mark.parametrize("tabbed", [False, True])
def test_garbage_after_an_event_is_set_aside_and_the_event_kept(
    tabbed: bool, tmp_path: Path
) -> None:
    text = stderr(*_WAIT) + "\0\1garbage not a log line\n"
    text += stderr('LOG:  temporary file: path "base/1", size 1000', pid=78)
    text += "rsync: connection unexpectedly closed\n\n"
    text += "2026-03-14 12:00:04.100 UTC [78] LO\n"
    text += stderr("LOG:  duration: 1.000 ms", "ERROR:  oops")
    text += "\tof two lines\n" * tabbed
    done = import_text(tmp_path, text, "server.log")
    assert done.rejects == {
        "not a log record": 2, "empty line": 1, "a time stamp without a known level": 1
    }  # fmt: skip
    told = summary_of(tmp_path / "run")
    assert told["lock_waits"]["acquired"] == 1
    assert told["lock_waits"]["wait_us_sum"] == 3_000_100
    assert (told["temp_files_bytes"], told["durations"]["count"]) == (1000, 1)


def test_what_follows_a_line_set_aside_is_no_other_sessions_text(tmp_path: Path) -> None:
    text = stderr("ERROR:  oops", "STATEMENT:  select 1") + "2026-03-14 12:00:04.100 UTC [78] ER\n"
    text += "\tits second line\n" + stderr("HINT:  of nobody", pid=79) + "\tnor this\n"
    done = import_text(tmp_path, text, "server.log")
    assert table(tmp_path / "run")["query"].tolist() == ["select ?"]
    assert sum(done.rejects.values()) == 4


def test_lines_whose_tabs_a_collector_took_away_stay_together(tmp_path: Path) -> None:
    text = stderr("ERROR:  oops", "STATEMENT:  select a") + "\nfrom b\nwhere c\n"
    text += stderr("LOG:  duration: 1.500 ms  statement: update a") + "set b = c\n"
    done = import_text(tmp_path, text, "server.log")
    assert not done.rejects
    rows = table(tmp_path / "run")
    assert rows["query"].dropna().tolist() == ["select a\n\nfrom b\nwhere c"]
    assert rows["statement"].dropna().tolist() == ["update a\nset b = c"]


def test_a_line_without_a_tab_is_foreign_where_others_have_one(tmp_path: Path) -> None:
    text = stderr("ERROR:  oops", "STATEMENT:  select a") + "\tfrom b\nrsync: closed\n\twhere c\n"
    done = import_text(tmp_path, text, "server.log")
    assert done.rejects == {"not a log record": 1}
    assert table(tmp_path / "run")["query"][0] == "select a\nfrom b\nwhere c"


def test_a_prefix_that_changes_far_down_is_followed(tmp_path: Path) -> None:
    duration = "LOG:  duration: 1.000 ms"
    text = stderr(*[duration] * 60) * 8  # the seconds do not matter
    header = "2026-03-14 13:00:00 UTC [78]: [1-1] user=bob,db=shop,app=my app,client=::1"
    text += f"{header} {duration}\n"
    text += f"2026-03-14 13:00:01.000 UTC <9> [79] user=eve {duration}\n"
    done = import_text(tmp_path, text, "server.log")
    assert (done.records, done.rejects) == (482, {})
    rows = table(tmp_path / "run").set_index("process_id")
    assert (rows["user_name"][78], rows["application_name"][78]) == ("bob", "my app")
    assert rows["user_name"][79] == "eve"


@pytest.mark.parametrize(
    ("level", "part"),
    [
        ("ERRO", "COMANDO"), ("错误", "语句"), ("ОШИБКА", "ОПЕРАТОР"), ("ПОМИЛКА", "ІНСТРУКЦІЯ"),
        ("ERREUR", "INSTRUCTION "), ("ERRORE", "ISTRUZIONE"), ("FEL", "SATS"),
        ("오류", "명령 구문"),
        ("შეცდომა", "ოპერატორი"), ("錯誤", "陳述式"), ("ERROR", "文"), ("ERROR", "SENTENCIA"),
    ],
)  # fmt: skip
def test_labels_of_the_servers_translations_are_known(
    level: str, part: str, tmp_path: Path
) -> None:
    text = stderr("LOG:  duration: 1.000 ms") + stderr(f"{level}:  x", f"{part}:  select 1", pid=78)
    done = import_text(tmp_path, text, "server.log")
    assert (done.records, done.rejects) == (2, {})
    rows = table(tmp_path / "run").set_index("process_id")
    assert (rows["message"][77], rows["message"][78]) == ("duration: 1.000 ms", "x")
    assert (rows["error_severity"][78], rows["query"][78]) == (level, "select ?")


def test_a_label_nobody_knows_is_set_aside_though_the_text_has_one(tmp_path: Path) -> None:
    text = stderr("LOG:  ready") + stderr("FOUT:  x LOG:  y", pid=78)
    done = import_text(tmp_path, text, "server.log")
    assert done.rejects == {"a time stamp without a known level": 1}
    assert table(tmp_path / "run")["message"].tolist() == ["ready"]


@pytest.mark.parametrize(
    ("text", "state", "message"),
    [
        ("AUDIT: SESSION", None, "AUDIT: SESSION"),
        ("STEP1: done", None, "STEP1: done"),
        ("42P01: no table", "42P01", "no table"),
        ("XX000: broken", "XX000", "broken"),
    ],
)
def test_a_word_before_a_colon_is_a_state_only_if_it_is_one(
    text: str, state: str | None, message: str, tmp_path: Path
) -> None:
    import_text(tmp_path, stderr(f"ERROR:  {text}"), "server.log")
    row = table(tmp_path / "run").iloc[0]
    assert row["message"] == message
    assert row["sql_state_code"] == state or (state is None and row.isna()["sql_state_code"])


def test_a_state_that_an_application_made_up_is_known_by_the_location(tmp_path: Path) -> None:
    text = stderr("ERROR:  UE001: mine", "LOCATION:  exec_stmt_raise, pl_exec.c:3908")
    import_text(tmp_path, text, "server.log")
    row = table(tmp_path / "run").iloc[0]
    assert (row["sql_state_code"], row["message"]) == ("UE001", "mine")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("2026-03-14 12:00:00 UTC 77 ", {"process_id": "77"}),
        ("2026-03-14 12:00:00.000 UTC 77 42P01 ", {"process_id": "77", "sql_state_code": "42P01"}),
        ("2026-03-14 12:00:00.000 UTC [77] 22012 ",
         {"process_id": "77", "sql_state_code": "22012"}),
        ("2026-03-14 12:00:00.000 UTC [77] bob@shop 42P01 ", {"sql_state_code": "42P01"}),
        ("2026-03-14 12:00:00.000 UTC <7> pid=77 state=22012 ",
         {"process_id": "77", "sql_state_code": "22012"}),
    ],
)  # fmt: skip
def test_a_bare_process_id_and_a_state_are_found_unasked(header: str, told: dict[str, str]) -> None:
    prefix = best_prefix([f"{header}LOG:  ready"])
    assert prefix is not None
    found = split(prefix, f"{header}LOG:  ready")
    assert found is not None
    assert told.items() <= found.values.items()


def test_five_digits_are_no_state(tmp_path: Path) -> None:
    text = "".join(
        f"2026-03-14 12:00:00.000 UTC [77] {xid} LOG:  ready\n" for xid in (98765, 42123, 42124)
    )
    import_text(tmp_path, text, "server.log")
    assert table(tmp_path / "run")["sql_state_code"].isna().all()


def test_a_line_of_nul_bytes_is_kept(tmp_path: Path) -> None:
    text = stderr("ERROR:  x").encode() + b"\t" + b"\0" * (12 << 20) + b"\n"
    done = import_text(tmp_path, text + stderr("LOG:  ready", pid=78).encode(), "server.log")
    assert (done.records, done.rejects) == (2, {})
