"""Numbers of a report for machines: notebooks publish them, the builder writes `metrics.json`."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from runlog.errors import BadData

MIME = "application/vnd.walletlab.metrics+json"


def publish_metrics(
    metrics: Mapping[str, Any],
    *,
    headline: Iterable[tuple[str, str]] = (),
    title: str = "",
    incident: str = "",
    window: tuple[Any, Any] | None = None,
) -> None:
    """Publish the report's figures from inside a notebook; call it once.

    Args:
        metrics: name (unit last, such as `latency_ms_p99`) to number, text, list or object.
        headline: up to six (label, value as text) pairs that the index page shows.
        title: what this report is about, in a few words; "" keeps the notebook's own title.
        incident: corpus id of the incident the report is about, "" for none.
        window: start and end of the analysed window, with time zone.

    Raises BadData for a value that JSON cannot hold.
    """
    from IPython.display import display

    start, end = window or (None, None)
    document = {
        "headline": [{"label": str(label), "value": str(value)} for label, value in headline][:6],
        "incident": incident,
        "metrics": plain(metrics),
        "title": str(title),
        "window": {"start": plain(start), "end": plain(end)},
    }
    text = f"{len(metrics)} metrics published"
    display({MIME: document, "text/plain": text}, raw=True)


def plain(value: Any) -> Any:
    """Return a value as JSON types: times as ISO 8601 UTC, NaN and NaT as None, floats to 9 digits.

    >>> plain({"b": float("nan"), "a": (1, 0.1 + 0.2)})
    {'b': None, 'a': [1, 0.3]}
    """
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):  # arrays and series
        value = value.tolist()
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, dt.datetime):
        return _iso(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return plain(value.total_seconds())
    raise BadData("metric is not serialisable", type(value).__name__, "publish numbers and text")


def _iso(value: dt.datetime) -> str:
    if value.tzinfo is None:
        raise BadData("time without zone among the metrics", value, "publish times in UTC")
    return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def to_bytes(document: Mapping[str, Any]) -> bytes:
    """Return the bytes of a `metrics.json`: sorted keys, so that equal figures give equal bytes."""
    text = json.dumps(plain(document), indent=1, sort_keys=True, ensure_ascii=False)
    return (text + "\n").encode()
