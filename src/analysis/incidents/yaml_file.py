"""Reads a YAML file that anyone may have written, and refuses the tricks YAML allows.

No aliases (they are how a few bytes become gigabytes), no duplicate keys, no implicit dates (their
zone would be lost), no tags, bounded size and depth, UTF-8 without byte-order mark, LF line ends.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from runlog.errors import BadData

SIZE_MAX_BYTES = 256 * 1024
DEPTH_MAX = 16
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Plain(_LOADER):
    """Strings, numbers, booleans, null, lists and mappings; a date stays the text it is."""


_Plain.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if not tag.endswith((":timestamp", ":merge"))]
    for first, rules in _LOADER.yaml_implicit_resolvers.items()
}


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the one mapping in a YAML file. Raises BadData with file, place and reason."""
    text = _text(path)
    try:
        _scan(path, text)
        content = yaml.load(text, Loader=_Plain)  # noqa: S506 - a safe loader, narrowed above
    except yaml.YAMLError as error:
        raise _fault(path, _place(error)) from error
    except (ValueError, RecursionError) as error:
        raise _fault(path, str(error)) from error
    if not isinstance(content, dict):
        raise _fault(path, "the file is not a mapping of fields")
    return content


def _text(path: Path) -> str:
    if not path.is_file():
        raise BadData("no such file", path, "give an incident file (YAML)")
    with path.open("rb") as file:
        raw = file.read(SIZE_MAX_BYTES + 1)
    if len(raw) > SIZE_MAX_BYTES:
        raise _fault(path, f"larger than {SIZE_MAX_BYTES:,} bytes")
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise _fault(path, "starts with a byte-order mark; save it as UTF-8 without BOM")
    if b"\r" in raw:
        line = raw[: raw.index(b"\r")].count(b"\n") + 1
        raise _fault(path, f"line {line}: carriage return (CRLF); save it with LF line ends")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _fault(path, f"line {line}: not UTF-8") from error


def _scan(path: Path, text: str) -> None:
    """Walk the events before anything is built: aliases, tags, depth, duplicate keys."""
    stack: list[dict[str, Any]] = []
    for event in yaml.parse(text, Loader=_LOADER):
        mark: Any = event.start_mark
        line = mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _fault(path, f"line {line}: anchors and aliases are refused; write the value out")
        tag = getattr(event, "tag", None)
        if tag:
            raise _fault(path, f"line {line}: tag {tag} is refused")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            _count(path, stack, event, line)
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append({"map": isinstance(event, yaml.MappingStartEvent), "n": 0, "keys": set()})
            if len(stack) > DEPTH_MAX:
                raise _fault(path, f"line {line}: nested deeper than {DEPTH_MAX} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            stack.pop()


def _count(path: Path, stack: list[dict[str, Any]], event: Any, line: int) -> None:
    if not stack or not stack[-1]["map"]:
        return
    top = stack[-1]
    is_key = top["n"] % 2 == 0
    top["n"] += 1
    if not is_key:
        return
    if not isinstance(event, yaml.ScalarEvent):
        raise _fault(path, f"line {line}: a key must be plain text")
    if event.value in top["keys"]:
        raise _fault(path, f"line {line}: duplicate key {event.value!r}")
    top["keys"].add(event.value)


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


def _fault(path: Path, reason: str) -> BadData:
    return BadData("incident file refused", path, reason)
