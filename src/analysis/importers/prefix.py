"""log_line_prefix as a regular expression, and the prefixes tried when the user names none.

Escapes as in the PostgreSQL documentation, "Error Reporting and Logging", log_line_prefix.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from runlog.errors import UsageFault

_STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_ZONE = r"(?: [A-Za-z0-9+\-/_]{1,20}?)?"
_ESCAPES = {
    "a": r"(?P<application_name>.*?)",
    "u": r"(?P<user_name>\[unknown\]|[^\s@,;\]|]*?)",
    "d": r"(?P<database_name>\[unknown\]|[^\s,;:\]|]*?)",
    "r": r"(?P<connection_from>(?:[^\s()]*\(\d+\)|\[local\]|[^\s,;:]*?)?)",
    "h": r"(?P<host>\[local\]|[^\s,;]*?)",
    "L": r"(?P<local_address>[^\s,;]*?)",
    "b": r"(?P<backend_type>[a-zA-Z_ ]*?)",
    "p": r"(?P<process_id>\d+)",
    "P": r"(?P<leader_pid>\d*)",
    "t": rf"(?P<log_time>{_STAMP}{_ZONE})",
    "m": rf"(?P<log_time>{_STAMP}\.\d+{_ZONE})",
    "n": r"(?P<epoch>\d+\.\d+)",
    "i": r"(?P<command_tag>[A-Za-z ]*?)",
    "e": r"(?P<sql_state_code>[0-9A-Z]{5})",
    "c": r"(?P<session_id>[0-9a-f]+\.[0-9a-f]+)",
    "l": r"(?P<line_number>\d+)",
    "s": rf"(?P<session_start_time>{_STAMP}{_ZONE})",
    "v": r"(?P<virtual_transaction_id>(?:-?\d+/\d+)?)",
    "x": r"(?P<transaction_id>\d*)",
    "Q": r"(?P<query_id>-?\d*)",
}
RDS = "%t:%r:%u@%d:[%p]:"
CLOUD_SQL = "%m [%p]: [%l-1] db=%d,user=%u "
CANDIDATES = (
    "%m [%p] %q%u@%d %a ",
    "%m [%p] %q%u@%d ",
    "%m [%p] ",
    "%m [%p]: ",
    "%t [%p] ",
    "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%t [%p]: [%l-1] user=%u,db=%d ",
    "%t [%p]: [%l-1] ",
    "%t [%p]: ",
    CLOUD_SQL,
    "%m [%p]: [%l-1] ",
    "%t [%p-%l] %q%u@%d ",
    "%m [%p-%l] %q%u@%d ",
    "%m [%p] %q[user=%u,db=%d,app=%a] ",
    "%m [%p] %q%u@%d app=%a xid=%x state=%e",
    RDS,
    "%m:%r:%u@%d:[%p]:",
    "%t-%c-",
    "%m %c %l ",
    "%m ",
    "%t ",
)
LEVELS = (
    "LOG", "ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "INFO", "DEBUG", "DEBUG1", "DEBUG2",
    "DEBUG3", "DEBUG4", "DEBUG5", "FEHLER", "PANIK", "WARNUNG", "HINWEIS", "ERREUR", "PANIC",
    "ATTENTION", "ADVERTENCIA", "PÁNICO", "ОШИБКА", "СООБЩЕНИЕ", "ПРЕДУПРЕЖДЕНИЕ", "ВАЖНО",
    "エラー", "警告", "日志", "错误", "致命错误", "警告",
)  # fmt: skip
# label of a further part of a record, in the languages met -> contract column
PARTS = {
    "DETAIL": "detail", "HINT": "hint", "QUERY": "internal_query", "CONTEXT": "context",
    "STATEMENT": "query", "LOCATION": "location", "BACKTRACE": "backtrace",
    "TIPP": "hint", "ANFRAGE": "internal_query", "ZUSAMMENHANG": "context", "ANWEISUNG": "query",
    "DÉTAIL": "detail", "ASTUCE": "hint", "CONTEXTE": "context", "INSTRUCTION": "query",
    "DETALLE": "detail", "CONTEXTO": "context", "SENTENCIA": "query",
    "詳細": "detail", "ヒント": "hint", "コンテキスト": "context", "文": "query",
    "ПОДРОБНОСТИ": "detail", "ПОДСКАЗКА": "hint", "КОНТЕКСТ": "context", "ОПЕРАТОР": "query",
}  # fmt: skip
_LABELS = "|".join(sorted((*set(LEVELS), *PARTS), key=len, reverse=True))
LABELLED = rf"(?P<label>{_LABELS}) ?: {{1,2}}(?P<text>.*)"
# any prefix that starts with a time stamp and has the process id in brackets
_GUESS = (
    rf"(?P<log_time>{_STAMP}(?:\.\d+)?{_ZONE})[ :](?:.*?\[(?P<process_id>\d+)(?:-\d+)?\])?"
    r"(?:.*?(?:user=(?P<user_name>[^\s,]*)|db=(?P<database_name>[^\s,]*)|app=(?P<application_name>"
    r"[^\s,]*)))*.*?\s"
)


@cache
def compiled(prefix: str) -> re.Pattern[str]:
    """Return the pattern of a whole line under a log_line_prefix; "" stands for the guess.

    Raises UsageFault for an escape that PostgreSQL does not have.
    """
    if prefix == "":
        return re.compile(_GUESS + LABELLED, re.DOTALL)
    pattern, rest, optional = "", prefix, 0
    while rest:
        char, rest = rest[0], rest[1:]
        if char != "%":
            pattern += re.escape(char)
            continue
        found = re.match(r"-?\d*", rest)
        padding = found.group(0) if found else ""
        rest = rest[len(padding) :]
        name, rest = rest[:1], rest[1:]
        piece = _escape(name, prefix, pattern)
        pattern += piece if not padding or not name.isalpha() else rf" *{piece} *"
        optional += name == "q"
    return re.compile(pattern + ")?" * optional + r"\s*" + LABELLED, re.DOTALL)


def _escape(name: str, prefix: str, so_far: str) -> str:
    if name == "%":
        return "%"
    if name == "q":
        return "(?:"
    piece = _ESCAPES.get(name)
    if piece is None:
        todo = "give the server's log_line_prefix setting as it is"
        raise UsageFault(f"unknown escape %{name} in --prefix", prefix, todo)
    group = re.match(r"\(\?P<(\w+)>", piece)
    if group and f"(?P<{group.group(1)}>" in so_far:  # the same thing twice: read it once
        return "(?:" + piece[group.end() :]
    return piece


def best_prefix(lines: Iterable[str]) -> str | None:
    """Return the candidate that reads most of the lines, "" for the guess, None for none at all."""
    sample = [line for line in lines if line and not line.startswith("\t")][:400]
    best, most = None, 0
    for candidate in (*CANDIDATES, ""):
        pattern = compiled(candidate)
        count = sum(1 for line in sample if pattern.match(line))
        if count > most:
            best, most = candidate, count
    return best
