"""A user's own two files: read, refused when they cannot be trusted, and made into books."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from analysis import sql
from analysis.reconcile.books import judge, materialise
from analysis.reconcile.mapping import LedgerColumns, Mapping, StatementColumns
from analysis.reconcile.result import Reconciliation, summarise
from runlog.errors import BadData
from runlog.literals import sql_text
from runlog.writer import connect

_YEN = r"^(0|[1-9][0-9]{0,14})$"
_TIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
_ZONE = r"(Z|z|[+-]\d{2}(:?\d{2})?)$"


@dataclass(frozen=True)
class _Check:
    """One reason to refuse a row: its condition (SQL on raw text), column and words."""

    reason: str
    condition: str
    column: str
    todo: str


def reconcile_files(ledger: Path, statement: Path, mapping: Mapping) -> Reconciliation:
    """Return the reconciliation of a ledger export with an acquirer statement.

    Raises BadData with file, row and reason when a file cannot be trusted: other currency,
    duplicate key, amount with decimals, time without a zone, unknown status, missing column.
    """
    con = connect()
    try:
        load_files(con, ledger, statement, mapping)
        return summarise(con)
    finally:
        con.close()


def load_files(
    con: duckdb.DuckDBPyConnection, ledger: Path, statement: Path, mapping: Mapping
) -> None:
    """Build `wallet_book`, `card_book` and `findings` from the two files on a connection."""
    _read(con, "ledger_raw", ledger, mapping.ledger)
    _read(con, "statement_raw", statement, mapping.statement)
    materialise(con, "ledger_typed", _ledger_typed(mapping.ledger))
    materialise(con, "wallet_book", sql.load("reconcile_file_wallet_book"))
    materialise(con, "gateway_charges", _charges(mapping.statement))
    materialise(con, "card_book", sql.load("reconcile_card_book"))
    judge(con)


def _read(
    con: duckdb.DuckDBPyConnection,
    name: str,
    path: Path,
    columns: LedgerColumns | StatementColumns,
) -> None:
    """Load the mapped columns of a CSV file as text and refuse the first bad row."""
    if not path.is_file():
        raise BadData("no such file", path, "give a CSV file")
    found = _header(con, path)
    wanted = _wanted(columns)
    missing = [c for c in wanted.values() if c not in found]
    if missing:
        todo = "the file has: " + ", ".join(found)
        raise BadData("column missing", f"{path.name}: '{missing[0]}'", todo)
    chosen = ", ".join(f"trim({_name(c)}) AS {field}" for field, c in wanted.items())
    try:
        materialise(con, name, f"SELECT {chosen} FROM {_source(path)}")
    except duckdb.Error as error:
        what = " ".join(str(error).split())[:300]
        raise BadData("file is not readable as CSV", path.name, what) from error
    _refuse_first(con, name, path, columns)


def _header(con: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    try:
        rows = con.execute(f"DESCRIBE SELECT * FROM {_source(path)}").fetchall()
    except duckdb.Error as error:
        what = " ".join(str(error).split())[:300]
        raise BadData("file is not readable as CSV", path.name, what) from error
    return [str(r[0]) for r in rows]


def _source(path: Path) -> str:
    quoted = sql_text(path)
    return f"read_csv({quoted}, header = true, all_varchar = true, strict_mode = true)"


def _wanted(columns: LedgerColumns | StatementColumns) -> dict[str, str]:
    """Field of ours -> column of the file, for the columns the mapping names."""
    skip = {"status_values", "timezone", "currency_is"}
    named = columns.model_dump(exclude_none=True)
    return {field: column for field, column in named.items() if field not in skip}


def _checks(columns: LedgerColumns | StatementColumns) -> list[_Check]:
    wanted = _wanted(columns)
    checks = [
        _Check(f"{field} is empty", f"coalesce({field}, '') = ''", field, "give it")
        for field in ("idempotency_key", "charge_id")
        if field in wanted
    ]
    if "currency" in wanted:
        condition = "coalesce(upper(currency), '') <> 'JPY'"
        checks.append(_Check("currency is not JPY", condition, "currency", "export yen only"))
    for field in ("amount", "card_amount", "balance_amount"):
        if field in wanted:
            checks += _amount_checks(field)
    for field in ("card_amount", "balance_amount"):
        if field in wanted:
            condition = f"{field}::BIGINT > amount::BIGINT"
            checks.append(
                _Check(f"{field} is above the amount", condition, field, "correct the export")
            )
    words = [w for group in columns.status_values.model_dump().values() for w in group]
    known = ", ".join(sql_text(w) for w in words) or "NULL"
    todo = "add it to status_values in the mapping"
    checks.append(
        _Check(
            "status is not in the mapping", f"coalesce(status, '') NOT IN ({known})", "status", todo
        )
    )
    return checks + _time_checks(columns)


def _amount_checks(field: str) -> list[_Check]:
    decimals = f"regexp_full_match({field}, '-?[0-9]+[.][0-9]*')"
    wrong = f"NOT regexp_matches(coalesce({field}, ''), '{_YEN}')"
    todo = "give whole yen: digits only, no sign, no separator"
    return [
        _Check(f"{field} has decimals", decimals, field, "yen has none; check the currency's unit"),
        _Check(f"{field} is not whole yen", wrong, field, todo),
    ]


def _time_checks(columns: LedgerColumns | StatementColumns) -> list[_Check]:
    wrong = f"NOT regexp_matches(coalesce(time, ''), '{_TIME}')"
    checks = [_Check("time is not ISO 8601", wrong, "time", "write 2018-11-03T15:00:00+09:00")]
    if columns.timezone is None:
        todo = "write the offset, or give timezone in the mapping"
        no_zone = f"NOT regexp_matches(time, '{_ZONE}')"
        checks.append(_Check("time has no time zone", no_zone, "time", todo))
    impossible = f"try_cast({_instant(columns)} AS TIMESTAMPTZ) IS NULL"
    checks.append(_Check("time does not exist", impossible, "time", "correct it"))
    return checks


def _refuse_first(
    con: duckdb.DuckDBPyConnection,
    name: str,
    path: Path,
    columns: LedgerColumns | StatementColumns,
) -> None:
    """Raise BadData for the first bad row. The row number counts records, the header is row 1."""
    checks = _checks(columns)
    verdict = " ".join(f"WHEN {c.condition} THEN {i}" for i, c in enumerate(checks))
    bad = con.execute(
        f"SELECT count(*) FROM {name} WHERE CASE {verdict} ELSE -1 END >= 0"
    ).fetchall()
    if bad[0][0]:
        query = (
            f"SELECT *, CASE {verdict} ELSE -1 END AS verdict FROM "
            f"(SELECT *, row_number() OVER () + 1 AS row_in_file FROM {name}) "
            "WHERE verdict >= 0 ORDER BY row_in_file LIMIT 1"
        )
        row = con.execute(query).df().iloc[0]
        check = checks[int(row["verdict"])]
        value = row[check.column] if isinstance(row[check.column], str) else ""
        shown = f"{path.name} row {row['row_in_file']}: {check.reason}, '{value}'"
        more = f"{check.todo} ({bad[0][0]} bad row(s) in this file)"
        raise BadData("row refused", shown, more)
    _refuse_duplicates(con, name, path, columns)


def _refuse_duplicates(
    con: duckdb.DuckDBPyConnection,
    name: str,
    path: Path,
    columns: LedgerColumns | StatementColumns,
) -> None:
    key = "charge_id" if getattr(columns, "charge_id", None) else "idempotency_key"
    counts = con.execute(f"SELECT count(*), count(DISTINCT {key}) FROM {name}").fetchall()[0]
    if counts[0] == counts[1]:
        return
    query = (
        f"SELECT * FROM (SELECT {key} AS k, row_number() OVER () + 1 AS row_in_file FROM {name}) "
        "QUALIFY row_number() OVER (PARTITION BY k ORDER BY row_in_file) > 1 "
        "ORDER BY row_in_file LIMIT 1"
    )
    row = con.execute(query).df().iloc[0]
    todo = f"{counts[0] - counts[1]} row(s) repeat a key; export each once"
    if key == "idempotency_key" and isinstance(columns, StatementColumns):
        todo += ", or map charge_id, so that a double charge can be told from a repeated row"
    shown = f"{path.name} row {row['row_in_file']}: duplicate {key}, '{row['k']}'"
    raise BadData("row refused", shown, todo)


def _ledger_typed(columns: LedgerColumns) -> str:
    """SQL that gives the checked ledger rows their types and the contract's words."""
    words = columns.status_values
    told = _cases({"approved": words.paid, "failed": words.failed, "timed_out": words.unknown})
    card = "card_amount" if columns.card_amount else "amount"
    drawn = "balance_amount::BIGINT" if columns.balance_amount else "0::BIGINT"
    customer = "customer" if columns.customer else "NULL::VARCHAR"
    return (
        f"SELECT idempotency_key, {customer} AS wallet_id, amount::BIGINT AS asked_jpy, "
        f"{card}::BIGINT AS card_part_jpy, {drawn} AS drawn_jpy, {told} AS told, "
        f"({_instant(columns)})::TIMESTAMPTZ AS at FROM ledger_raw"
    )


def _charges(columns: StatementColumns) -> str:
    """SQL of the statement in the shape of the contract's gateway_charges."""
    words = columns.status_values
    status = _cases(
        {"captured": words.captured, "voided": words.voided, "refunded": words.refunded}
    )
    charge = "charge_id" if columns.charge_id else "idempotency_key"
    return (
        f"SELECT {charge} AS charge_id, idempotency_key, amount::BIGINT AS amount_jpy, "
        f"{status} AS status, ({_instant(columns)})::TIMESTAMPTZ AS at FROM statement_raw"
    )


def _cases(words: dict[str, list[str]]) -> str:
    """SQL that turns the file's status words into ours."""
    cases = [f"WHEN status IN ({_list(group)}) THEN '{ours}'" for ours, group in words.items()]
    return "CASE " + " ".join(cases) + " END"


def _instant(columns: LedgerColumns | StatementColumns) -> str:
    """SQL that turns the time's text into an instant; the zone of the mapping where it has none."""
    if columns.timezone is None:
        return "time"
    zone = sql_text(columns.timezone)
    local = f"timezone({zone}, try_cast(time AS TIMESTAMP))::VARCHAR"
    return f"CASE WHEN regexp_matches(time, '{_ZONE}') THEN time ELSE {local} END"


def _list(words: list[str]) -> str:
    return ", ".join(sql_text(w) for w in words) or "NULL"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
