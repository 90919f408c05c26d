"""Cloud SQL logs as Cloud Logging exports them: JSON entries whose textPayload is a stderr line.

Entries come one a line, or as one JSON array (`gcloud logging read --format json`), often newest
first; they are put in order of their time stamps. One entry counts as one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from analysis.importers.sinks import EMPTY, TOO_LONG, Sink
from analysis.importers.sources import Line, Source, as_text, opened, read_lines
from runlog.errors import BadData

_MAX_ARRAY_BYTES = 512 * 1024 * 1024


def text_lines(source: Source, sink: Sink) -> Iterator[tuple[Line, str]]:
    """Yield the stderr text of each entry in order of time; damaged entries go to the sink."""
    with opened(source) as stream:
        first = stream.read(64).lstrip()[:1]
    entries = _array(source) if first == b"[" else list(_one_a_line(source, sink))
    stamps = [e[0] for e in entries]
    if stamps != sorted(stamps):
        entries.sort(key=lambda e: e[0])
    for _, line, text in entries:
        yield line, text


def _array(source: Source) -> list[tuple[str, Line, str]]:
    with opened(source) as stream:
        data = stream.read(_MAX_ARRAY_BYTES + 1)
    if len(data) > _MAX_ARRAY_BYTES:
        todo = "export it with one entry a line (jq -c '.[]')"
        raise BadData("JSON array larger than 512 MiB", source.name, todo)
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadData("broken JSON array", source.name, str(error)) from error
    found = []
    for number, entry in enumerate(content, start=1):
        line = Line(0, number, b"", 0, True, False)
        stamp, text = _payload(entry)
        if text is not None:
            found.append((stamp, line, text))
            source.lines += 1
    source.bytes_read = len(data)
    return found


def _one_a_line(source: Source, sink: Sink) -> Iterator[tuple[str, Line, str]]:
    for line in read_lines(source):
        if line.too_long or not line.data:
            sink.reject(source, line, TOO_LONG if line.too_long else EMPTY)
            continue
        try:
            stamp, text = _payload(orjson.loads(as_text(source, line)))
        except orjson.JSONDecodeError:
            sink.reject(source, line, "not JSON")
            continue
        if text is None:
            sink.reject(source, line, "entry without textPayload")
        else:
            yield stamp, line, text


def _payload(entry: Any) -> tuple[str, str | None]:
    if not isinstance(entry, dict):
        return "", None
    text = entry.get("textPayload")
    return str(entry.get("timestamp") or ""), text if isinstance(text, str) else None
