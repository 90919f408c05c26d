"""log_line_prefix as a regular expression, and the prefixes tried when the user names none.

Escapes as in the PostgreSQL documentation, "Error Reporting and Logging", log_line_prefix.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from analysis.importers.labels import LABEL, SQLSTATE, find_label
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
    "%m [%p] %e ",
    "%t [%p] %e ",
    "%m [%p] %q%u@%d %e ",
    "%m %p %e ",
    "%t %p %e ",
    "%m %p %q%u@%d ",
    "%t %p %q%u@%d ",
    "%m %p ",
    "%t %p ",
    "%t-%c-",
    "%m %c %l ",
    "%m ",
    "%t ",
)
# a prefix ends somewhere in here: it bounds what a hostile line can cost
PREFIX_MAX = 400
_GUESSED_STAMP = re.compile(rf"(?P<log_time>{_STAMP}(?:\.\d+)?{_ZONE})(?=[ :])")
_STAMPED = re.compile(r"\d{4}-\d\d-\d\d \d\d:")
_STAMP_BEGUN = re.compile(r"\d{4}-[\d :.-]{0,19}")
_FOREIGN = re.compile(r"\w ?:  ")  # a label that is not known stands before a word that is one
_STATE = re.compile(SQLSTATE)
_GUESSED = (
    re.compile(r"\[(?P<process_id>\d+)(?:-\d+)?\]"),
    re.compile(r"^[ :]*(?P<process_id>[1-9]\d{0,9})(?=[ :,|]|$)"),
    re.compile(r"\bpid=(?P<process_id>\d+)"),
    re.compile(rf"\b(?:state|sqlstate|code|e)=(?P<sql_state_code>{SQLSTATE})\b"),
    # five digits may be a number of another kind, unless they say success
    re.compile(rf"(?<![^\s\[|])(?P<sql_state_code>00000|(?=\d*[A-Z]){SQLSTATE})(?![^\s\]|])"),
    re.compile(r"\buser=(?P<user_name>[^\s,]+)"),
    re.compile(r"\bdb=(?P<database_name>[^\s,]+)"),
    re.compile(r"\bapp=(?P<application_name>[^\s,]+)"),
    re.compile(r"(?:^|[ ])(?P<user_name>[\w.-]+)@(?P<database_name>[\w.-]+)"),
)


class Split(NamedTuple):
    """One line taken apart: what its prefix tells, its label (LOG, DETAIL, ...), the rest."""

    values: dict[str, str]
    label: str
    text: str


def split(prefix: str, line: str) -> Split | None:
    """Take a line apart under a log_line_prefix ("" guesses it); None when it has no such prefix.

    >>> split("%m [%p] ", "2026-03-14 12:00:00.123 UTC [77] LOG:  ready").label
    'LOG'
    """
    if prefix == "":
        stamp = _GUESSED_STAMP.match(line)
        label = find_label(line, stamp.end(), PREFIX_MAX) if stamp else None
        if stamp is None or label is None or _FOREIGN.search(line, stamp.end(), label.start()):
            return None
        values = {"log_time": stamp["log_time"], **guess(line[stamp.end() : label.start()])}
        return Split(values, label["label"], line[label.end() :])
    match = compiled(prefix).match(line, 0, PREFIX_MAX)
    if match is None:
        return None
    values = {name: value for name, value in match.groupdict().items() if value}
    label_text = values.pop("label")
    return Split(values, label_text, line[match.end() :])


def guess(header: str) -> dict[str, str]:
    """Return what the text between stamp and label tells: process id, user, database, ..."""
    values: dict[str, str] = {}
    for pattern in _GUESSED:
        if match := pattern.search(header):
            values = {**match.groupdict(), **values}
    return values


def labelled(text: str, within: int = 1) -> tuple[str, str, str] | None:
    """Return (before, label, after) when a label stands in the first `within` characters."""
    match = find_label(text, 0, within + 30)
    if match is None or match.start() >= within:
        return None
    return text[: match.start()], match["label"], text[match.end() :]


def begins_with_stamp(line: str, *, ended: bool = True) -> bool:
    """True for a line that begins as a record does: with a stamp, or half of one at the end.

    >>> begins_with_stamp("2026-03-14 12:00:00 UTC [7] rsync")
    True
    """
    if _STAMPED.match(line):
        return True
    return not ended and _STAMP_BEGUN.fullmatch(line) is not None


@cache
def compiled(prefix: str) -> re.Pattern[str]:
    """Return the pattern of a log_line_prefix and the label after it.

    Raises UsageFault for an escape that PostgreSQL does not have.
    """
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
    return re.compile(pattern + ")?" * optional + r"\s*" + LABEL, re.DOTALL)


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


def best_prefix(lines: Iterable[str], kept: str | None = None) -> str | None:
    """Return the candidate that reads most of the lines, "" for the guess, None for none at all.

    `kept` is one that stays unless another reads more lines. Lines that it does not read are tried
    with the others later on.
    """
    sample = [line for line in lines if line and not line.startswith("\t")][:400]
    best, most = None, (0, 0)
    for candidate in (*([] if kept is None else [kept]), *CANDIDATES):
        reads = _reads(candidate, sample)
        if reads > most:
            best, most = candidate, reads
    # a guess tells less of a line than the prefix it has, but beats one that few lines have
    return best if _reads("", sample)[0] <= 2 * most[0] else ""


def _reads(candidate: str, sample: list[str]) -> tuple[int, int]:
    """Return how many lines a candidate reads, and in how many it finds a SQLSTATE.

    None at all where it takes another number for a state: five digits may be anything.
    """
    found = [told for line in sample if (told := split(candidate, line)) is not None]
    states = [told.values["sql_state_code"] for told in found if "sql_state_code" in told.values]
    if not all(map(_STATE.fullmatch, states)):
        return 0, 0
    return len(found), len(states)


def fits(candidate: str, line: str) -> Split | None:
    """Take a line apart under a candidate, if that is what a single line can be sure of."""
    found = split(candidate, line)
    if found is None or "%e" not in candidate:
        return found
    state = found.values.get("sql_state_code", "")
    return None if state.isdigit() and state != "00000" else found
