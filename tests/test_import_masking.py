"""Literals are masked before anything is stored; what the server says of itself stays."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_case import LOGS, import_text, record, table

from analysis.importers import fast, postgres
from analysis.importers.postgres import Options, import_postgres_logs
from analysis.sql import load
from runlog.writer import connect

GRAPH = (
    "Process 12 waits for ShareLock on transaction 7; blocked by process 9.\n"
    "Process 12: update a set b = "
)
_CON = connect()
_CON.execute(load("duckdb/import_masking"))

SECRETS = (
    "dup@example.com", "Jane Roe", "personal data", "it''s secret", "it's secret", "two\nlines",
    "'unterminated", "dollar", "comment's", "1.5e3", "'x'", "<script>", "7*7",
)  # fmt: skip


def mask(text: str, macro: str = "mask_sql", *severity: str) -> str:
    given = ", ".join(f"${place}" for place in range(1, 2 + len(severity)))
    return _CON.execute(f"SELECT {macro}({given})", [text, *severity]).fetchall()[0][0]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("select 1, -2.5e3, 0x1F, $1, t1.c2", "select ?, -?, ?, ?, t1.c2"),
        ("select 'it''s', E'it\\'s', ''", "select ?, ?, ?"),
        ("select $q$dollar ' secret$q$, 2", "select ?, ?"),
        ("select 1 /* secret ' */, 'b' -- don't\nfrom t", "select ? ?, ? ?\nfrom t"),
        ("insert into t values ('cut off at 12", "insert into t values (?"),
        ('select "quo\'ted", \'secret\' from "a b"', 'select "quo\'ted", ? from "a b"'),
        ("select a /* a /* b */ Jane 'secret' */, b", "select a ?"),
        ("select \"a\" /* a * /* b */ 'c' Jane */", 'select "a" ?'),
        ("select /* one */ a /* two **/ from t", "select ? a ? from t"),
        ("select a -- it's\n, 'secret'", "select a ?\n, ?"),
        ("select \"a\" -- it's\n, 'secret'", 'select "a" ?\n, ?'),
        ("select a /* don't */, 'secret'", "select a ?, ?"),
    ],
)
def test_literals_of_a_statement_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@given(st.text(alphabet="ab '\"1$\\-/*E\n", max_size=30), st.sampled_from(["'", "'x ''", "''' "]))
@settings(max_examples=300, deadline=None)
def test_a_string_is_masked_wherever_it_stands(noise: str, quote: str) -> None:
    """A proper string after any noise that is itself whole leaves nothing of its content."""
    before = noise.replace("'", "").replace('"', "").replace("\\", "").replace("$", "")
    before = before.replace("--", "").replace("/*", "").replace("E", "e").replace("e", "")
    text = f"{before} {quote}SECRETWORD' after"
    assert "SECRETWORD" not in mask(text)


@pytest.mark.parametrize(
    ("macro", "text", "masked"),
    [
        ("mask_detail", "Key (mail)=(a@b.c (x)) already exists.", "Key (mail)=(?) already exists."),
        ("mask_detail", "parameters: $1 = 'secret'", "parameters: ?"),
        ("mask_detail", "Failing row contains (1, Jane).", "Failing row contains (?)."),
        (
            "mask_detail",
            "Process holding the lock: 14515. Wait queue: 14517, 14519.",
            "Process holding the lock: 14515. Wait queue: 14517, 14519.",
        ),
        ("mask_detail", GRAPH + "'x\ny' where id = 5", GRAPH + "? where id = ?"),
        (
            "mask_context",
            'while updating tuple (0,11) in relation "a"\nSQL statement "UPDATE a SET x = \'b\'"',
            'while updating tuple (0,11) in relation "a"\nSQL statement "UPDATE a SET x = ?"',
        ),
        ("mask_context", 'COPY a, line 1: "12 a "b" secret"', 'COPY a, line ?: "?"'),
    ],
)  # fmt: skip
def test_user_data_goes_and_evidence_stays(macro: str, text: str, masked: str) -> None:
    assert mask(text, macro, "ERROR") == masked


def test_statements_of_a_deadlock_are_masked_each_for_itself() -> None:
    """The server cuts them to track_activity_query_size, which may be within a string."""
    text = GRAPH + "'cut\nProcess 9: update c\nset d = 'Jane' where e = 7"
    masked = GRAPH + "?\nProcess 9: update c\nset d = ? where e = ?"
    assert mask(text, "mask_detail", "ERROR") == masked


AUDIT = "AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.t,"
PLAN = '{\n "Query Text": "SELECT 1 WHERE n = \'Jane\'",\n "Filter": "(n = \'Jane\'::text)"\n}'


@pytest.mark.parametrize(
    ("macro", "severity", "text", "masked"),
    [
        ("mask_message", "LOG", AUDIT + "\"SELECT a, b FROM t WHERE n = 'Jane'\",<not logged>",
         AUDIT + '"SELECT a, b FROM t WHERE n = ?",<not logged>'),
        ("mask_message", "LOG", AUDIT + "SELECT a FROM t WHERE n = $1,Jane",
         AUDIT + "SELECT a FROM t WHERE n = ?,?"),
        ("mask_message", "NOTICE", AUDIT + '"SELECT ""it\'s"" = \'Jane\', 1","Jane,x",7',
         AUDIT + '"SELECT ""it\'s"" = ?, ?",?'),
        ("mask_message", "LOG", 'parameter "primary_conninfo" changed to "password=Jane"',
         'parameter "primary_conninfo" changed to "?"'),
        ("mask_message", "FEHLER", "ungültige Eingabesyntax für Typ integer: »Jane«",
         "ungültige Eingabesyntax für Typ integer: ?"),
        ("mask_message", "ERREUR", "la valeur d'une clé rompt la contrainte « Jane »",
         "la valeur d’une clé rompt la contrainte ?"),
        ("mask_message", "ERROR", "構文エラー 「Jane」", "構文エラー ?"),
        ("mask_message", "ERROR", "column \"quo'ted\" of 7 does not exist",
         "column \"quo'ted\" of ? does not exist"),
        ("mask_context", "ERROR", "SQL statement \"UPDATE \"it's\" SET x = 'Jane'\"",
         'SQL statement "UPDATE "it?'),
        ("mask_message", "ERROR", "the users' own 'Jane'", "the users?"),
        ("mask_message", "LOG", "instruction d'exécution : SELECT 'Jane'", "instruction d?"),
        ("mask_detail", "ERROR", "Partition key of the failing row contains (region) = (Jane).",
         "Partition key of the failing row contains (?)."),
        ("mask_detail", "ERROR", "Key (lower(a)) = (Jane) is not present in table \"x\".",
         'Key (lower(a))=(?) is not present in table "x".'),
        ("mask_detail", "ERROR", "Could not apply remote row (1, Jane (x)).",
         "Could not apply remote row (?)."),
        ("mask_detail", "ERROR", 'Expected "," or "}", but found "Jane".',
         'Expected "," or "}", but found "?".'),
        ("mask_detail", "FATAL", "Schlüssel »(name)=(Jane)« existiert bereits.",
         "Schlüssel ? existiert bereits."),
        ("mask_detail", "FEHLER", "Fehlgeschlagene Zeile enthält (null, Jane).", "?"),
        ("mask_detail", "ERREUR", "La clé « (name)=(Jane) » existe déjà.", "?"),
        ("mask_context", "FEHLER", "COPY t, Zeile drei: »Jane«", "COPY t, Zeile drei: ?"),
    ],
)  # fmt: skip
def test_values_in_other_words_go_too(macro: str, severity: str, text: str, masked: str) -> None:
    assert mask(text, macro, severity) == masked


@pytest.mark.parametrize(
    "plan",
    [PLAN, "<explain><Query-Text>SELECT 'Jane: x'</Query-Text></explain>",
     "Query Text: SELECT 1 FROM \"T\" WHERE n = 'Jane'\n\tSeq Scan on \"T\""],
)  # fmt: skip
def test_plans_of_auto_explain_are_masked_in_every_format(plan: str, tmp_path: Path) -> None:
    import_text(tmp_path, record(1, f"duration: 1.000 ms  plan:\n{plan}") + record(2, "ready"))
    stored = table(tmp_path / "run").iloc[0]
    assert "Jane" not in stored["message"]
    assert stored["message"].startswith("duration: 1.000 ms  plan:\n")
    assert (stored["duration_us"], stored["duration_kind"]) == (1000, "plan")


@pytest.mark.parametrize("name", ["pg15.csv", "pg15.json", "pg15.log", "pg18.csv", "pg15.syslog"])
def test_no_literal_of_a_real_log_is_stored(name: str, tmp_path: Path) -> None:
    import_postgres_logs([LOGS / name], tmp_path / "run", Options())
    stored = table(tmp_path / "run").to_csv(quoting=csv.QUOTE_NONE, escapechar="\x01")
    for secret in SECRETS:
        assert secret not in stored, secret
    assert "process " in stored
    assert "still waiting for ShareLock on transaction" in stored


@pytest.mark.parametrize("level", ["ERROR", "WARNING", "NOTICE"])
@pytest.mark.parametrize("context", ["", "PL/pgSQL function f(uuid) line 3 at RAISE"])
def test_what_a_function_raises_keeps_its_words_only(
    level: str, context: str, tmp_path: Path
) -> None:
    said = "no balance for 'Jane Roe' j.roe@x.example DE89370400440532013000 +81 90-1234-5678"
    more = ' id f47ac10b-58cc-4372-a567-0e02b2c3d479 of "Roe": "Jane"'
    text = record(1, said + more, level=level, state="00000" if context else "P0001",
                  detail="account JP12X: 4711", context=context)  # fmt: skip
    import_text(tmp_path, text)
    stored = table(tmp_path / "run").iloc[0]
    assert stored["message"].startswith("no balance for ? ? ? +")
    found = f"{stored['message']} {stored['detail']}"
    for secret in ("Jane", "roe@", "DE89", "81", "1234", "ac10b", "a567", "JP12", "4711"):
        assert secret not in found, secret


def test_rejected_lines_are_masked_too(tmp_path: Path) -> None:
    text = record(1, "ready") + "insert into t values ('Jane Roe', 4111111111111111)\n"
    text += "DETAIL:  Key (name)=(Jane) already exists.\nAUDIT: SESSION,1,1,READ,x,,,$1,Jane\n"
    import_text(tmp_path, text)
    rejected = "\n".join(table(tmp_path / "run", "rejects")["text"])
    assert "Jane" not in rejected
    assert "4111" not in rejected


def test_statements_known_by_heart_are_masked_like_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "FAST_FROM_BYTES", 0)
    monkeypatch.setattr(postgres, "_read_carefully", None)  # any use of it is an error
    said = ["select 'Jane Roe', $1", 'update "it\'s" set a = 7', "commit", "select 1;: 2"]
    text = "".join(
        record(n + 1, f"duration: {n}.250 ms  execute s_{n}: {said[n % 4]}") for n in range(40)
    )
    (tmp_path / "known").mkdir()
    (tmp_path / "unknown").mkdir()
    import_text(tmp_path / "known", text)
    monkeypatch.setattr(fast, "_FREQUENT_MAX", 0)
    import_text(tmp_path / "unknown", text)
    known = table(tmp_path / "known" / "run")
    assert known.equals(table(tmp_path / "unknown" / "run"))
    assert not known["message"].str.contains("Jane").any()
    assert known["duration_us"].tolist() == [n * 1000 + 250 for n in range(40)]


def test_literals_are_kept_when_asked(tmp_path: Path) -> None:
    import_postgres_logs([LOGS / "pg15.csv"], tmp_path / "run", Options(keep_literals=True))
    stored = "\n".join(table(tmp_path / "run")["message"])
    assert "<script>alert(1)</script>" in stored
    assert "{{7*7}}" in stored


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    hostile = "'); DROP TABLE pg_log; -- <script>alert(1)</script> {{7*7}} \u202e ${x} %s"
    text = record(1, f"duration: 1.000 ms  statement: {hostile}") + record(2, "ready")
    import_text(tmp_path, text, keep_literals=True)
    assert table(tmp_path / "run")["message"].iloc[0].endswith(hostile)
