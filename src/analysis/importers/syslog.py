"""Server logs that went through syslog: BSD (RFC 3164), RFC 5424 and rsyslog's ISO stamps.

PostgreSQL splits a message into numbered chunks, "[5-1]", "[5-2]"; a line break inside a message
comes as a chunk that starts with a tab (written "#011" by many daemons), a long line goes on
without one. Unsplit (syslog_split_messages = off) a line break is "#012" within the line.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterable

from analysis.importers.labels import PARTS
from analysis.importers.lines import Assembler, Taken, make_key, prefix_values
from analysis.importers.prefix import Split, guess, labelled, split
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
_UNSPLIT = re.compile(r"#012|\n")
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
        rests = [match["rest"]] if match["chunk"] else _UNSPLIT.split(match["rest"])
        taken = _taken(source, line, match, rests[0].replace("#011", "\t"), written)
        if taken is None:
            assembler.end(match["process_id"] or match["procid"])
            assembler.refuse(line, "a message without a known level")
            continue
        assembler.take(taken)
        for rest in rests[1:]:
            assembler.take(_more(source, taken, rest.replace("#011", "\t")))
    assembler.finish()


def _taken(
    source: Source, line: Line, header: re.Match[str], rest: str, written: dt.datetime
) -> Taken | None:
    """Return what a line is to the record it belongs to; None for a message without a level."""
    session = header["process_id"] or header["procid"]
    own = split(source.prefix, rest) if source.prefix else None
    if (header["chunk"] or "1") != "1":
        return _chunk(line, session, rest, None if own is None else (own.label, own.text))
    if own is not None:
        values, label, text = own
    else:
        found = None if rest.startswith("\t") else labelled(rest, _LONG_PREFIX)
        if found is None and header["sequence"]:
            return None
        if found is None:  # syslog_sequence_numbers = off
            return Taken(line, session, {}, "", rest.removeprefix("\t"))
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


def _chunk(line: Line, session: str, rest: str, own: tuple[str, str] | None) -> Taken:
    """Return a chunk that is not the first of its message, so that it starts no record."""
    if rest.startswith("\t"):
        return Taken(line, session, {}, "", rest[1:])
    if own is None and not rest.startswith(" "):  # a long line is cut before a blank
        found = labelled(rest, _SHORT_PREFIX)
        own = found and (found[1], found[2])
    if own is not None and own[0] in PARTS:
        return Taken(line, session, {}, *own)
    return Taken(line, session, {}, "", rest, joined=True)


def _more(source: Source, taken: Taken, rest: str) -> Taken:
    """Return a further line of an unsplit message, which is one physical line."""
    text = rest.removeprefix("\t")
    found = split(source.prefix, text) if source.prefix else None
    if found is None and rest == text and (parted := labelled(rest, _SHORT_PREFIX)):
        found = Split({}, parted[1], parted[2])
    if found is None or found.label not in PARTS:
        return Taken(taken.line, taken.session, {}, "", text, within=True)
    return Taken(taken.line, taken.session, {}, found.label, found.text, within=True)


def _stamp(header: re.Match[str], written: dt.datetime) -> str:
    if header["iso"]:
        zone = "+00" if header["zone"] == "Z" else header["zone"]
        return f"{header['iso'].replace('T', ' ')}{header['fraction'] or '.000'} {zone}"
    month = _MONTHS.index(header["month"]) + 1 if header["month"] in _MONTHS else 0
    stamp = f"{month:02d}-{int(header['day']):02d} {header['time']}"
    return f"{header['year'] or _year(stamp, written)}-{stamp}"


def _year(stamp: str, written: dt.datetime) -> int:
    """Return the latest year in which "MM-DD hh:mm:ss" is not after the file's date, by a day.

    >>> _year("12-31 11:00:00", dt.datetime(2026, 12, 31, 14))
    2026
    >>> _year("12-31 11:00:00", dt.datetime(2027, 1, 1, 3))
    2026
    """
    latest = written + dt.timedelta(days=1)
    year = latest.year - (stamp > f"{latest:%m-%d %H:%M:%S}")
    while stamp.startswith("02-29") and not calendar.isleap(year):
        year -= 1
    return year
