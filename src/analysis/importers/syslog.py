"""Server logs that went through syslog: BSD (RFC 3164), RFC 5424 and rsyslog's ISO stamps.

PostgreSQL splits a message into numbered chunks, "[5-1]", "[5-2]"; a line break inside a message
comes as a chunk that starts with a tab (written "#011" by many daemons), a long line goes on
without one.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

from analysis.importers.lines import Assembler, Taken, make_key, prefix_values
from analysis.importers.prefix import LABELLED, compiled
from analysis.importers.sinks import EMPTY, TOO_LONG, Sink
from analysis.importers.sources import Line, Source

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_HEADER = re.compile(
    r"(?:<\d{1,3}>)?(?:1 )?(?:"
    r"(?P<month>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) (?:(?P<year>\d{4}) )?(?P<time>\d\d:\d\d:\d\d)"
    r"|(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?(?P<zone>Z|[+-]\d\d:?\d\d)"
    r") \S+ (?:(?P<program>[^\s\[\]:]+)\[(?P<process_id>\d+)\]:|"
    r"(?P<app>[^\s\[\]:]+) (?P<procid>\d+) \S+ (?:-|\[.*?\])) "
    r"(?:\[(?P<sequence>\d+)(?:-(?P<chunk>\d+))?\] ?)?(?P<rest>.*)",
    re.DOTALL,
)
_LABELLED = re.compile(LABELLED, re.DOTALL)
_JUNK = re.compile(
    r"(?:.*?(?P<user_name>[\w.-]+)@(?P<database_name>[\w.-]+))?.*?\s?" + LABELLED, re.DOTALL
)


def looks_like_syslog(text: str) -> bool:
    """True when a line has a syslog header."""
    return _HEADER.match(text) is not None


def read_syslog(source: Source, sink: Sink, lines: Iterable[tuple[Line, str]]) -> None:
    """Read lines with a syslog header. Years of BSD stamps are told by the file's date."""
    own = compiled(source.prefix) if source.prefix else None
    assembler = Assembler(source, sink)
    written = dt.datetime.fromtimestamp(source.path.stat().st_mtime, dt.UTC)
    yearless = False
    for line, text in lines:
        match = None if line.too_long else _HEADER.match(text)
        if match is None:
            reason = TOO_LONG if line.too_long else EMPTY if not text else "no syslog header"
            sink.reject(source, line, reason)
            continue
        yearless = yearless or bool(match["month"] and not match["year"])
        assembler.take(_taken(source, line, match, own, written))
    assembler.finish()
    if yearless:
        source.notes.append(f"{source.name}: stamps without a year, read by the file's date")


def _taken(
    source: Source,
    line: Line,
    header: re.Match[str],
    own: re.Pattern[str] | None,
    written: dt.datetime,
) -> Taken:
    rest = header["rest"].replace("#011", "\t")
    session = header["process_id"] or header["procid"]
    if (header["chunk"] or "1") != "1":
        label = _LABELLED.match(rest) or (own.match(rest) if own else None) or _part(rest)
        if label is None or rest.startswith("\t"):
            broken = rest.startswith("\t")
            return Taken(line, session, {}, "", rest.removeprefix("\t"), joined=not broken)
        return Taken(line, session, {}, label["label"], label["text"])
    match = own.match(rest) if own else None
    match = match or _LABELLED.match(rest) or _JUNK.match(rest)
    if match is None:
        return Taken(line, session, {}, "", rest)
    values = prefix_values(source, line, match)
    values.setdefault("log_time", _stamp(header, written))
    values["process_id"] = session
    values["session_id"] = ""
    make_key(source, line, values)
    return Taken(line, session, values, match["label"], match["text"])


def _part(rest: str) -> re.Match[str] | None:
    """A DETAIL:, STATEMENT:, ... behind a short prefix; anything longer is the message going on."""
    match = _JUNK.match(rest)
    return match if match and match.start("label") <= 60 and match["label"].isupper() else None


def _stamp(header: re.Match[str], written: dt.datetime) -> str:
    if header["iso"]:
        fraction = (header["fraction"] or ".000")[1:4].ljust(3, "0")
        zone = "+00" if header["zone"] == "Z" else header["zone"]
        return f"{header['iso'].replace('T', ' ')}.{fraction} {zone}"
    month = _MONTHS.index(header["month"]) + 1 if header["month"] in _MONTHS else 0
    stamp = f"{month:02d}-{int(header['day']):02d} {header['time']}"
    year = int(header["year"] or written.year)
    latest = f"{written + dt.timedelta(days=1):%m-%d %H:%M:%S}"
    if not header["year"] and stamp > latest:  # December read in January
        year -= 1
    return f"{year}-{stamp}"
