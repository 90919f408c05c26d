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
from analysis.importers.prefix import guess, labelled, split
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
_SHORT_PREFIX = 60  # a part's label stands behind this much at most; further on it is the text
_LONG_PREFIX = 300


def looks_like_syslog(text: str) -> bool:
    """True when a line has a syslog header."""
    return _HEADER.match(text) is not None


def inner_text(text: str) -> str | None:
    """Return what follows the syslog header of a first chunk: where a log_line_prefix may stand."""
    match = _HEADER.match(text)
    if match is None or (match["chunk"] or "1") != "1":
        return None
    return match["rest"]


def read_syslog(source: Source, sink: Sink, lines: Iterable[tuple[Line, str]]) -> None:
    """Read lines with a syslog header. Years of BSD stamps are told by the file's date."""
    assembler = Assembler(source, sink)
    written = dt.datetime.fromtimestamp(source.path.stat().st_mtime, dt.UTC)
    for line, text in lines:
        match = None if line.too_long else _HEADER.match(text)
        if match is None:
            reason = TOO_LONG if line.too_long else EMPTY if not text else "no syslog header"
            sink.reject(source, line, reason)
            continue
        assembler.take(_taken(source, line, match, written))
    assembler.finish()


def _taken(source: Source, line: Line, header: re.Match[str], written: dt.datetime) -> Taken:
    rest = header["rest"].replace("#011", "\t")
    session = header["process_id"] or header["procid"]
    own = split(source.prefix, rest) if source.prefix else None
    if (header["chunk"] or "1") != "1":
        if rest.startswith("\t"):
            return Taken(line, session, {}, "", rest[1:])
        if own is not None:
            return Taken(line, session, {}, own.label, own.text)
        part = labelled(rest, _SHORT_PREFIX)
        if part is not None and not part[1].islower():
            return Taken(line, session, {}, part[1], part[2])
        return Taken(line, session, {}, "", rest, joined=True)
    if own is not None:
        values, label, text = own
    else:
        found = labelled(rest, _LONG_PREFIX)
        if found is None:
            return Taken(line, session, {}, "", rest)
        values, label, text = guess(found[0]), found[1], found[2]
    values = prefix_values(source, line, values)
    if "log_time" not in values:
        values["log_time"] = _stamp(header, written)
        note = f"{source.name}: stamps without a year, read by the file's date"
        if header["month"] and not header["year"] and note not in source.notes:
            source.notes.append(note)
    values["process_id"] = session
    values["session_id"] = ""
    make_key(source, line, values)
    return Taken(line, session, values, label, text)


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
