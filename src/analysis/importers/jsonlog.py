"""The careful reader of jsonlog (PostgreSQL 15 and later): one JSON object a line."""

from __future__ import annotations

from typing import Any

import orjson

from analysis.importers.sinks import EMPTY, FIELDS, TOO_LONG, Sink
from analysis.importers.sources import Source, as_text, read_lines

# contract column -> jsonlog key
KEYS = {
    "log_time": "timestamp",
    "user_name": "user",
    "database_name": "dbname",
    "process_id": "pid",
    "session_id": "session_id",
    "session_line_num": "line_num",
    "command_tag": "ps",
    "session_start_time": "session_start",
    "virtual_transaction_id": "vxid",
    "transaction_id": "txid",
    "error_severity": "error_severity",
    "sql_state_code": "state_code",
    "message": "message",
    "detail": "detail",
    "hint": "hint",
    "internal_query": "internal_query",
    "internal_query_pos": "internal_position",
    "context": "context",
    "query": "statement",
    "query_pos": "cursor_position",
    "application_name": "application_name",
    "backend_type": "backend_type",
    "leader_pid": "leader_pid",
    "query_id": "query_id",
}
_KNOWN = (
    *KEYS.values(), "remote_host", "remote_port", "func_name", "file_name", "file_line_num"
)  # fmt: skip
_MUST = ("timestamp", "pid", "session_id", "line_num", "error_severity")


def read_jsonlog(source: Source, sink: Sink) -> None:
    """Read all records of one jsonlog file into the sink, line by line."""
    for line in read_lines(source):
        if line.too_long or not line.data:
            sink.reject(source, line, TOO_LONG if line.too_long else EMPTY)
            continue
        try:
            content = orjson.loads(as_text(source, line))
        except orjson.JSONDecodeError:
            sink.reject(source, line, "not JSON")
            continue
        fields = fields_of(content)
        if fields is None:
            sink.reject(source, line, "not a jsonlog record")
            continue
        if not line.ended:
            sink.leave_open(source, line, fields)
        sink.record(source, line.offset, line.number, 1, fields)


def fields_of(content: Any) -> list[str] | None:
    """Return the 26 text fields of one jsonlog object, None when it is not one."""
    if not isinstance(content, dict) or any(content.get(k) in (None, "") for k in _MUST):
        return None
    if any(isinstance(content.get(k), dict | list | float) for k in _KNOWN):
        return None
    found = {column: _text(content.get(key)) for column, key in KEYS.items()}
    host, port = _text(content.get("remote_host")), _text(content.get("remote_port"))
    found["connection_from"] = f"{host}:{port}" if port else host
    place = [_text(content.get(k)) for k in ("func_name", "file_name", "file_line_num")]
    found["location"] = f"{place[0]}, {place[1]}:{place[2]}" if place[1] else ""
    return [found.get(column, "") for column in FIELDS]


def _text(value: object) -> str:
    return "" if value is None else str(value)
