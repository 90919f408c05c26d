"""Reads one large JSON array element by element, in bounded memory, past damaged elements."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from analysis.importers.sources import MAX_LINE_BYTES

_CHUNK_BYTES = 1 << 20
_BETWEEN = re.compile(r"[\s,]*")
_NEAR_THE_END = 16  # characters in which a cut-off number, literal or escape is no fault


class Element(NamedTuple):
    """One element: its value, or None and the raw text of what cannot be read."""

    offset: int  # bytes from the beginning of the file
    size: int
    value: Any
    broken: str = ""
    ended: bool = True  # False for what the end of the file cuts off


class _Text:
    """A window of the file's text; bytes that are no UTF-8 stay what they are in it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text, self.at, self.offset = "", 0, 0
        self.is_whole = False  # True once the file has no more text

    def more(self) -> bool:
        """Read on; False at the end of the file, or when the window holds a whole line's limit."""
        if self.is_whole or len(self.text) - self.at > MAX_LINE_BYTES:
            return False
        data = self._stream.read(_CHUNK_BYTES)
        self.is_whole = not data
        self.text = self.text[self.at :] + self._decoder.decode(data, final=not data)
        self.at = 0
        return True

    def skip_to(self, place: int) -> int:
        """Move on to a place of the window; return how many bytes that is."""
        size = len(self.text[self.at : place].encode("utf-8", "surrogateescape"))
        self.at, self.offset = place, self.offset + size
        return size

    def skip_between(self) -> str:
        """Skip white space and commas; return what was skipped."""
        skipped = ""
        while True:
            match = _BETWEEN.match(self.text, self.at)
            assert match is not None
            skipped = (skipped + match.group())[-1000:]
            self.skip_to(match.end())
            if self.at < len(self.text) or not self.more():
                return skipped


def elements(stream: BinaryIO) -> Iterator[Element]:
    """Yield the elements of the array that the file holds.

    After a damaged element it goes on at the next line that begins as the first element's line did;
    where elements have no lines of their own, all the rest is one damaged element.
    """
    text, decoder = _Text(stream), json.JSONDecoder()
    text.skip_between()
    text.skip_to(text.at + 1)  # the bracket
    indent = text.skip_between().rpartition("\n")
    start = re.compile("\n" + re.escape(indent[2]) + r"\{") if indent[1] else None
    while text.at < len(text.text) and text.text[text.at] != "]":
        offset = text.offset
        try:
            value, end = decoder.raw_decode(text.text, text.at)
        except (ValueError, RecursionError) as error:
            if _is_cut_off(error, text) and text.more():
                continue
            yield _broken(text, start)
        else:
            yield Element(offset, text.skip_to(end), value)
        text.skip_between()
    if text.at >= len(text.text):
        return  # cut off between two elements
    text.skip_to(text.at + 1)
    text.skip_between()
    if text.at < len(text.text):
        yield _broken(text, None)


def _is_cut_off(error: Exception, text: _Text) -> bool:
    """True when more text could mend the fault."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated") or error.pos > len(text.text) - _NEAR_THE_END


def _broken(text: _Text, start: re.Pattern[str] | None) -> Element:
    """Skip to the next element, or to the end of the file; return what was skipped."""
    offset, size, shown = text.offset, 0, text.text[text.at : text.at + 500]
    while True:
        found = start.search(text.text, text.at + 1) if start else None
        size += text.skip_to(found.start() if found else max(text.at, len(text.text) - 1000))
        if found:
            return Element(offset, size, None, shown)
        if not text.more():
            size += text.skip_to(len(text.text))
            return Element(offset, size, None, shown, ended=False)
