"""pgBouncer logs: records of their own, and the once-a-minute "stats:" line as counters."""

from __future__ import annotations

import re
from collections.abc import Iterable

from analysis.importers.lines import make_key
from analysis.importers.sinks import EMPTY, FIELDS, TOO_LONG, Sink
from analysis.importers.sources import Line, Source

RECORD = re.compile(
    r"(?P<log_time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: [A-Za-z0-9+\-/_]{1,20})?) "
    r"\[(?P<process_id>\d+)\] (?P<level>LOG|NOISE|DEBUG|INFO|WARNING|ERROR|FATAL) (?P<message>.*)",
    re.DOTALL,
)
_OLD = re.compile(
    r"(?P<log_time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: [A-Za-z0-9+\-/_]{1,20})?) "
    r"(?P<process_id>\d+) (?P<level>LOG|NOISE|DEBUG|INFO|WARNING|ERROR|FATAL) (?P<message>.*)",
    re.DOTALL,
)
_CLIENT = re.compile(
    r"[CS]-0x[0-9a-f]+: (?P<database_name>[^/\s]+)/(?P<user_name>[^@\s]+)@(?P<connection_from>\S+)"
)


def looks_like_pgbouncer(text: str) -> bool:
    """True for a line that pgBouncer wrote (its level has no colon)."""
    return RECORD.match(text) is not None or _OLD.match(text) is not None


def read_pgbouncer(source: Source, sink: Sink, lines: Iterable[tuple[Line, str]]) -> None:
    """Read pgBouncer records; backend_type is 'pgbouncer', the key is made up."""
    for line, text in lines:
        match = None if line.too_long else RECORD.match(text) or _OLD.match(text)
        if match is None:
            reason = TOO_LONG if line.too_long else EMPTY if not text else "not a pgBouncer record"
            sink.reject(source, line, reason)
            continue
        values = {k: v for k, v in match.groupdict().items() if v}
        values["error_severity"] = values.pop("level")
        values["backend_type"] = "pgbouncer"
        client = _CLIENT.match(values.get("message", ""))
        if client:
            values |= {
                k: v for k, v in client.groupdict().items() if v not in ("(nodb)", "(nouser)")
            }
        make_key(source, line, values)
        fields = [values.get(column, "") for column in FIELDS]
        if not line.ended:
            sink.leave_open(source, line)
        sink.record(source, line.offset, line.number, 1, fields)
