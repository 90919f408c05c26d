"""Tells the format of a log from its first lines."""

from __future__ import annotations

import orjson

from analysis.importers.csvlog import RECORD_START
from analysis.importers.pgbouncer import looks_like_pgbouncer
from analysis.importers.prefix import RDS, best_prefix, split
from analysis.importers.sources import BOM, Source, opened, read_head
from analysis.importers.syslog import inner_text, looks_like_syslog

FORMATS = ("csv", "json", "stderr", "syslog", "rds", "cloudsql", "pgbouncer")
_WITH_PREFIX = ("stderr", "rds", "syslog", "cloudsql")
_SAMPLE_BYTES = 256 * 1024


def detect(source: Source, wanted: str, prefix: str | None) -> None:
    """Set `format` and `prefix` of a source; the format is "" when nothing in it is recognised.

    `wanted` is one of FORMATS or "auto"; `prefix` a log_line_prefix or None.
    """
    lines = _lines_of(read_head(source, _SAMPLE_BYTES))
    source.format = wanted if wanted != "auto" else _format_of(lines, prefix)
    texts = _texts(source.format, lines)
    source.tabbed = any(line.startswith("\t") for line in texts)
    if source.format not in _WITH_PREFIX:
        return
    if prefix is None:
        prefix = best_prefix(texts)
    source.prefix = prefix if prefix is not None else RDS if source.format == "rds" else ""


def follow_prefix(source: Source) -> None:
    """Set the prefix of a source that goes on where it was left: the server's may have changed.

    The one it had stays unless another reads more of the lines that are new.
    """
    if source.format not in _WITH_PREFIX or source.format == "cloudsql":
        return
    with opened(source, source.start) as stream:
        texts = _texts(source.format, _lines_of(stream.read(_SAMPLE_BYTES)))
    found = best_prefix(texts, source.prefix)
    if found is not None:
        source.prefix = found


def _lines_of(head: bytes) -> list[str]:
    text = head.removeprefix(BOM).decode("utf-8", "replace")
    return [line.rstrip("\r") for line in text.split("\n")[:2000]]


def _format_of(lines: list[str], prefix: str | None) -> str:
    text = [line for line in lines if line.strip()]
    if not text:
        return ""
    if text[0].lstrip()[:1] == "[" and any('"textPayload"' in line for line in text):
        return "cloudsql"
    votes = {
        "csv": sum(1 for line in text if RECORD_START.match(line)),
        "json": sum(1 for line in text if line[:1] == "{" and '"error_severity"' in line),
        "cloudsql": sum(1 for line in text if line[:1] == "{" and '"textPayload"' in line),
        "syslog": sum(1 for line in text if looks_like_syslog(line)),
        "pgbouncer": sum(1 for line in text if looks_like_pgbouncer(line)),
    }
    best = max(votes, key=lambda name: votes[name])
    if votes[best]:
        return best
    found = prefix if prefix is not None else best_prefix(lines)
    if found is None or not any(split(found, line) for line in text):
        return ""
    return "rds" if found == RDS else "stderr"


def _texts(kind: str, lines: list[str]) -> list[str]:
    """Return the lines as the server wrote them, without what carries them."""
    if kind == "cloudsql":
        return [line for entry in lines for line in _payloads(entry)]
    if kind == "syslog":  # a prefix with its own stamp is better than the daemon's
        return [text for line in lines if (text := inner_text(line)) is not None]
    return lines


def _payloads(entry: str) -> list[str]:
    """Text of one Cloud Logging entry, whether a line of its own or a line of a pretty array."""
    stripped = entry.strip().rstrip(",")
    if stripped.startswith('"textPayload":'):
        stripped = "{" + stripped + "}"
    try:
        content = orjson.loads(stripped)
    except orjson.JSONDecodeError:
        return []
    payload = content.get("textPayload") if isinstance(content, dict) else None
    return payload.split("\n") if isinstance(payload, str) else []
