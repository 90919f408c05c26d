"""OTLP JSON traces: a root span is a request, the spans under it are its stages.

Format: OpenTelemetry Protocol, "File Exporter": one JSON object a line, or one object in all, each
with resourceSpans > scopeSpans > spans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from runlog.errors import BadData

_MAX_BYTES = 512 * 1024 * 1024
_CLIENT = (3, "SPAN_KIND_CLIENT")
_STATUS = {0: "unset", 1: "ok", 2: "error", "STATUS_CODE_OK": "ok", "STATUS_CODE_ERROR": "error"}


def looks_like_otlp(head: bytes) -> bool:
    """True for the beginning of an OTLP JSON file."""
    return head.lstrip()[:1] == b"{" and b'"resourceSpans"' in head


def flatten(path: Path, roots: Path, spans: Path, stages: dict[str, str]) -> None:
    """Write one line a root span to `roots`, one line a span of a known stage to `spans`.

    Times of `roots` are ISO 8601 in UTC, attributes are columns of their own names. A stage is told
    by the mapping's regular expressions, else by the span's attributes (db.* and http.*).
    """
    patterns = [(re.compile(pattern), stage) for pattern, stage in stages.items()]
    with path.open("rb") as file, roots.open("wb") as to_roots, spans.open("wb") as to_spans:
        for span in _spans(file, path):
            started, ended = span.get("startTimeUnixNano"), span.get("endTimeUnixNano")
            if not span.get("traceId") or started is None or ended is None:
                continue
            attributes = _attributes(span.get("attributes"))
            if not span.get("parentSpanId"):
                row = _root(span, attributes, int(started), int(ended))
                to_roots.write(orjson.dumps(row) + b"\n")
                continue
            stage = _stage(span, attributes, patterns)
            if stage is not None:
                row = {
                    "request_id": span["traceId"],
                    "attempt": 1,
                    "span": stage,
                    "name": str(span.get("name") or stage),
                    "started_at": int(started) // 1000,
                    "duration_us": (int(ended) - int(started)) // 1000,
                }
                to_spans.write(orjson.dumps(row) + b"\n")


def _spans(file: BinaryIO, path: Path) -> Iterator[dict[str, Any]]:
    for content in _documents(file, path):
        for resource in content.get("resourceSpans", ()):
            for scope in resource.get("scopeSpans") or resource.get(
                "instrumentationLibrarySpans", ()
            ):
                yield from scope.get("spans", ())


def _documents(file: BinaryIO, path: Path) -> Iterator[dict[str, Any]]:
    first = file.readline()
    try:
        yield orjson.loads(first)
    except orjson.JSONDecodeError:
        whole = first + file.read(_MAX_BYTES)
        if len(whole) >= _MAX_BYTES:
            todo = "export it with one object a line"
            raise BadData("trace file larger than 512 MiB", path.name, todo) from None
        try:
            yield orjson.loads(whole)
        except orjson.JSONDecodeError as error:
            raise BadData("broken trace file", path.name, str(error)) from error
        return
    for number, line in enumerate(file, start=2):
        if line.strip():
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise BadData(
                    "broken trace file", f"{path.name} line {number}", str(error)
                ) from error


def _root(
    span: dict[str, Any], attributes: dict[str, str], started: int, ended: int
) -> dict[str, Any]:
    status = span.get("status") or {}
    outcome = _STATUS.get(status.get("code", 0), "unset")
    return {
        **attributes,
        "trace_id": span["traceId"],
        "name": span.get("name"),
        "start": _iso(started),
        "end": _iso(ended),
        "status": outcome,
        "reason": attributes.get("error.type") or ("error" if outcome == "error" else ""),
    }


def _stage(
    span: dict[str, Any],
    attributes: dict[str, str],
    patterns: list[tuple[re.Pattern[str], str]],
) -> str | None:
    name = str(span.get("name") or "")
    for pattern, stage in patterns:
        if pattern.search(name):
            return stage
    if any(key.startswith("db.") for key in attributes):
        text = attributes.get("db.query.text") or attributes.get("db.statement") or name
        return "commit" if text.strip().upper().startswith("COMMIT") else "statement"
    is_call = any(key.startswith(("http.", "url.", "rpc.")) for key in attributes)
    return "gateway_call" if is_call and span.get("kind") in _CLIENT else None


def _attributes(listed: Any) -> dict[str, str]:
    found = {}
    for item in listed or ():
        value = item.get("value") or {}
        for kind in ("stringValue", "intValue", "doubleValue", "boolValue"):
            if kind in value:
                found[str(item.get("key"))] = str(value[kind])
    return found


def _iso(nanoseconds: int) -> str:
    import datetime as dt

    at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=nanoseconds // 1000)
    return at.isoformat()
