"""Small request logs and traces made by hand, and what became of each of their rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from log_case import table

from analysis.importers.requests import Imported, import_requests
from runlog.manifest import read_manifest

MAPPING = """
[columns]
request_id = "id"
scheduled_at = "ts"
outcome = "st"

[constants]
operation = "card_payment"

[values.outcome]
"200" = "approved"
"""
TOOK = '\n[durations]\nfinished_at = { from = "scheduled_at", column = "took", unit = "ms" }\n'
HEADER = "id,ts,st,took\n"
AT_NS = 1_773_489_600_123_456_789  # 2026-03-14 12:00:00.123456789 UTC


def imported(
    folder: Path, text: str | bytes, mapping: str = MAPPING, name: str = "r.csv", run: str = "run"
) -> Imported:
    """Write a request log and its mapping, import it, and see that no row of it is lost."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    (folder / "mapping.toml").write_text(mapping)
    done = import_requests(path, folder / "mapping.toml", folder / run)
    see_accounts(folder / run)
    return done


def see_accounts(run: Path) -> None:
    """Assert that accepted and rejected make up what each file held, and all tables."""
    manifest = read_manifest(run)
    rejects = table(run, "rejects")
    entries = [entry for entry in manifest.sources if "head" in entry]
    for entry in entries:
        kept = entry["records"] + entry["stages"] + entry["skipped_spans"]
        assert entry["rows"] == kept + entry["rejected_rows"]
        assert entry["rejected_rows"] == sum(rejects["file"] == entry["file"])
    assert sum(entry["records"] for entry in entries) == manifest.tables["requests"].rows
    assert sum(manifest.rejects.values()) == rejects["lines"].sum()


def times(run: Path, column: str = "scheduled_at") -> dict[str, str]:
    """Return a time of each request of a run, as text in UTC."""
    rows = table(run, "requests").set_index("request_id")[column].dropna()
    return {str(name): at.isoformat().removesuffix("+00:00") for name, at in rows.items()}


def reasons(run: Path) -> dict[int, str]:
    """Return why each line was set aside."""
    rejects = table(run, "rejects")
    return dict(zip(rejects["line"], rejects["reason"], strict=True))


def span(name: str, start: Any, end: Any, parent: str = "", **more: Any) -> dict[str, Any]:
    """Return one span; `attributes` have "__" for "."."""
    attributes = [
        {"key": k.replace("__", "."), "value": {"stringValue": v}}
        for k, v in more.pop("attributes", {}).items()
    ]
    return {
        "traceId": more.pop("trace", "t1"), "spanId": name, "parentSpanId": parent, "name": name,
        "startTimeUnixNano": start, "endTimeUnixNano": end, "attributes": attributes,
        **more,
    }  # fmt: skip


def document(*spans: Any) -> str:
    """Return spans as one line of an OTLP file."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}) + "\n"
