"""Where each key of a TOML text stands, so that a fault can be named with its line."""

from __future__ import annotations

import re

Path = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*\[(?P<double>\[)?\s*(?P<path>[^\]]+?)\s*\]")
_KEY = re.compile(r"""^\s*(?P<key>[A-Za-z0-9_.\-]+|"[^"]*"|'[^']*')\s*=""")
_INLINE_KEY = re.compile(r"(?P<key>[A-Za-z0-9_\-]+)\s*=(?!=)")


def key_lines(text: str) -> dict[Path, int]:
    """Return the 1-based line of every table, array element and key, by its path.

    Keys inside inline tables are found by name on the lines of their value. Assumes that `text` is
    valid TOML; strings over several lines are skipped.

    >>> key_lines("a = 1\\n[[phases]]\\nrate_per_s = 5\\n")[("phases", 0, "rate_per_s")]
    3
    """
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    owner: Path = ()
    quote = ""
    for number, line in enumerate(text.splitlines(), 1):
        if quote:
            quote = "" if quote in line else quote
            continue
        if (header := _HEADER.match(line)) and not owner_open(owner, line):
            table = _table_path(header["path"], bool(header["double"]), counts)
            lines.setdefault(table, number)
            lines.setdefault(table[:1], number)
            owner = ()
        elif key := _KEY.match(line):
            owner = table + tuple(_plain(p) for p in key["key"].split("."))
            lines.setdefault(owner, number)
            _inline(line[key.end() :], owner, number, lines)
        elif owner:
            _inline(line, owner, number, lines)
        quote = _opened(line)
    return lines


def owner_open(owner: Path, line: str) -> bool:
    """True when `line` continues an array of arrays and only looks like a table header."""
    return bool(owner) and bool(re.match(r"^\s*\[[^A-Za-z\[]", line))


def line_of(path: Path, lines: dict[Path, int]) -> int:
    """Return the line of `path`, or of the nearest thing around it that has one (1 at worst)."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def _table_path(dotted: str, is_array: bool, counts: dict[Path, int]) -> Path:
    path: Path = ()
    parts = [_plain(p) for p in dotted.split(".")]
    for index, part in enumerate(parts):
        path += (part,)
        if index == len(parts) - 1 and is_array:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
    return path


def _plain(part: str) -> str:
    return part.strip().strip("\"'")


def _inline(value: str, owner: Path, number: int, lines: dict[Path, int]) -> None:
    for inner in _INLINE_KEY.finditer(re.sub(r'"[^"]*"', '""', value)):
        lines.setdefault((*owner, inner["key"]), number)


def _opened(line: str) -> str:
    for mark in ('"""', "'''"):
        if line.count(mark) % 2:
            return mark
    return ""
