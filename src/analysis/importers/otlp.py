"""OTLP JSON traces: a root span is a request, the spans under it are its stages.

Format: OpenTelemetry Protocol, "File Exporter": one JSON object a line, or one object in all, each
with resourceSpans > scopeSpans > spans. Every span becomes a request, a stage, a reject with its
reason, or one that is no stage of the contract (counted, and told in a note).
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from analysis.importers.sinks import TOO_LONG, UNFINISHED, Sink
from analysis.importers.sources import MAX_LINE_BYTES, Line, Source, as_text, opened, read_lines
from analysis.importers.spool import Spool, text_columns
from runlog.errors import BadData

# the columns that every root span has, beside its attributes
ROOT_COLUMNS = ("trace_id", "name", "start", "end", "status", "reason")
_MAX_DOCUMENT_BYTES = 128 * 1024 * 1024
_MOST_NAMES = 1000  # kept for notes and messages
_CLIENT = (3, "SPAN_KIND_CLIENT")
_STATUS = {"1": "ok", "2": "error", "STATUS_CODE_OK": "ok", "STATUS_CODE_ERROR": "error"}
_SHOWN = ("traceId", "spanId", "parentSpanId", "name", "startTimeUnixNano", "endTimeUnixNano")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
NOT_A_TRACE, NOT_A_SPAN = "not an OTLP trace", "not a span"


@dataclass
class Traces:
    """What a trace file held: `spans` = requests + stages + skipped + set aside."""

    requests: Spool
    stages: Spool
    spans: int = 0
    set_aside: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    attributes: set[str] = field(default_factory=set)

    def notes(self) -> list[str]:
        """Tell of the spans that are no stage, by their commonest names."""
        if not self.skipped:
            return []
        names = ", ".join(name[:60] for name, _ in self.skipped.most_common(5))
        what = f"{self.skipped.total()} spans are no stage of the contract and were skipped"
        return [f"{what} ({names}): [spans] in the mapping can name them"]


def looks_like_otlp(head: bytes) -> bool:
    """True for the beginning of an OTLP JSON file."""
    return head.lstrip()[:1] == b"{" and b'"resourceSpans"' in head


def read_traces(
    source: Source, sink: Sink, wanted: list[str], stages: dict[str, str], folder: Path
) -> Traces:
    """Spool the wanted columns (as c0, c1, ...) of each root span, and each span of a known stage.

    Columns of a root are ROOT_COLUMNS (times in ISO 8601, UTC) and attributes under their own
    names. A stage is told by the mapping's regular expressions, else by the span's attributes (db.*
    and http.*). Raises BadData when no span has a wanted attribute.
    """
    patterns = [(re.compile(pattern), stage) for pattern, stage in stages.items()]
    requests = Spool(folder / "roots.csv", text_columns(len(wanted)))
    traces = Traces(requests, _stages_spool(folder))
    with traces.requests, traces.stages:
        for line, span in _spans(source, sink):
            traces.spans += 1
            reason = _take(traces, line, span, wanted, patterns)
            if reason:
                traces.set_aside += 1
                sink.reject(source, line._replace(ended=True), reason, shown(span))
    kept = traces.requests.rows + traces.stages.rows + traces.skipped.total()
    assert traces.spans == kept + traces.set_aside
    for name in wanted:
        if name not in traces.attributes and name not in ROOT_COLUMNS and traces.requests.rows:
            listed = ", ".join([*ROOT_COLUMNS, *sorted(traces.attributes)][:20])
            raise BadData("no such column in the request log", name, f"it has: {listed}")
    return traces


def shown(span: Any) -> str:
    """Return what a rejects table shows of a span: no attributes, which may hold literals."""
    if isinstance(span, dict):
        span = {key: span[key] for key in _SHOWN if key in span}
    return orjson.dumps(span).decode()[:500]


def _stages_spool(folder: Path) -> Spool:
    columns = {"source_row": "BIGINT", "request_id": "VARCHAR", "attempt": "BIGINT"}
    columns |= {"span": "VARCHAR", "name": "VARCHAR", "started_us": "BIGINT"}
    return Spool(folder / "spans.csv", {**columns, "duration_us": "BIGINT", "shown": "VARCHAR"})


def _take(
    traces: Traces,
    line: Line,
    span: Any,
    wanted: list[str],
    patterns: list[tuple[re.Pattern[str], str]],
) -> str:
    """Take one span; return why it has to be set aside, "" when it has not."""
    if not isinstance(span, dict):
        return NOT_A_SPAN
    trace = span.get("traceId")
    if not isinstance(trace, str) or not trace.strip() or "\0" in trace:
        return "span without trace id"
    started = _nanoseconds(span.get("startTimeUnixNano"))
    ended = _nanoseconds(span.get("endTimeUnixNano"))
    if started is None or ended is None:
        return "times of a span cannot be read"
    if ended < started:
        return "span that ends before it starts"
    attributes = _attributes(span.get("attributes"))
    if not _has_parent(span):
        if len(traces.attributes) < _MOST_NAMES:
            traces.attributes.update(attributes)
        row = _root(span, attributes, started, ended)
        traces.requests.row([line.number, *(row.get(name) for name in wanted)])
        return ""
    name = str(span.get("name") or "").replace("\0", "\ufffd")
    stage = _stage(span, name, attributes, patterns)
    if stage is None:
        if len(traces.skipped) < _MOST_NAMES or name in traces.skipped:
            traces.skipped[name] += 1
        else:
            traces.skipped["(other names)"] += 1
        return ""
    times = [started // 1000, (ended - started) // 1000]
    row_of_stage = [line.number, trace, 1, stage, name or stage, *times, shown(span)]
    traces.stages.row(row_of_stage)
    return ""


def _spans(source: Source, sink: Sink) -> Iterator[tuple[Line, Any]]:
    """Yield each span with the line of its object; what has not the form of a trace is set aside.

    A part of a trace whose inner form is broken is yielded as it is, as a span that is none.
    """
    for line, content in _documents(source, sink):
        resources = content.get("resourceSpans") if isinstance(content, dict) else None
        if not isinstance(resources, list):
            sink.reject(source, line._replace(ended=True), NOT_A_TRACE)
            continue
        source.records += 1
        source.record_lines += 1
        for resource in resources:
            for scope in _parts(resource, "scopeSpans", "instrumentationLibrarySpans"):
                for span in _parts(scope, "spans"):
                    yield line, span


def _parts(holder: Any, *names: str) -> list[Any]:
    """Return the list under the first of these names; what is no such holder, as it is."""
    if not isinstance(holder, dict):
        return [holder]
    inner: Any = next((holder[name] for name in names if holder.get(name)), [])
    return inner if isinstance(inner, list) else [inner]


def _documents(source: Source, sink: Sink) -> Iterator[tuple[Line, Any]]:
    """Yield the JSON objects of the file, one a line or one in all; blank lines are skipped."""
    if _is_one_document(source):
        yield _whole(source)
        return
    for line in read_lines(source):
        if line.too_long:
            sink.reject(source, line, TOO_LONG)
            continue
        if not line.data.strip():
            source.record_lines += 1
            continue
        try:
            content = orjson.loads(as_text(source, line))
        except orjson.JSONDecodeError:
            sink.reject(source, line, "not JSON" if line.ended else UNFINISHED)
            continue
        yield line, content


def _is_one_document(source: Source) -> bool:
    """True when the first line is no object of its own, and none of the next lines is a trace."""
    with opened(source) as stream:
        first = more = stream.readline(MAX_LINE_BYTES)
        is_cut = len(first) == MAX_LINE_BYTES and not first.endswith(b"\n")
        while is_cut and more and not more.endswith(b"\n"):
            more = stream.readline(1 << 20)
        starts = [stream.readline(MAX_LINE_BYTES)[:4096] for _ in range(100)]
    if not is_cut:
        try:
            orjson.loads(first)
            return False
        except orjson.JSONDecodeError:
            pass
    return not any(line[:1] == b"{" and b'"resourceSpans"' in line for line in starts)


def _whole(source: Source) -> tuple[Line, Any]:
    with opened(source) as stream:
        data = stream.read(_MAX_DOCUMENT_BYTES + 1)
    if len(data) > _MAX_DOCUMENT_BYTES:
        todo = "export it with one object a line"
        raise BadData("trace file of one object larger than 128 MiB", source.name, todo)
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadData("broken trace file", source.name, str(error)) from error
    source.lines, source.bytes_read = 1, len(data)
    return Line(0, 1, data[:4096], len(data), True, False), content


def _nanoseconds(value: Any) -> int | None:
    """Return a time of a span, None for what is no unsigned 64-bit number above 0."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,20}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value < 1 << 64 else None


def _has_parent(span: dict[str, Any]) -> bool:
    """False for a root; some exporters write a root's parent as zeros."""
    return bool(str(span.get("parentSpanId") or "").strip("0"))


def _root(
    span: dict[str, Any], attributes: dict[str, str], started: int, ended: int
) -> dict[str, Any]:
    status = span.get("status")
    code = str(status.get("code", 0)) if isinstance(status, dict) else ""
    outcome = _STATUS.get(code, "unset")
    return {
        **attributes,
        "trace_id": span["traceId"],
        "name": str(span.get("name") or "").replace("\0", "\ufffd"),
        "start": _iso(started),
        "end": _iso(ended),
        "status": outcome,
        "reason": attributes.get("error.type") or ("error" if outcome == "error" else ""),
    }


def _stage(
    span: dict[str, Any],
    name: str,
    attributes: dict[str, str],
    patterns: list[tuple[re.Pattern[str], str]],
) -> str | None:
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
    for item in listed if isinstance(listed, list) else ():
        value = item.get("value") if isinstance(item, dict) else None
        for kind in ("stringValue", "intValue", "doubleValue", "boolValue"):
            if isinstance(value, dict) and kind in value:
                found[str(item.get("key"))] = str(value[kind]).replace("\0", "\ufffd")
    return found


def _iso(nanoseconds: int) -> str:
    return (_EPOCH + dt.timedelta(microseconds=nanoseconds // 1000)).isoformat()
