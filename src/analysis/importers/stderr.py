"""The careful reader of stderr logs with any prefix: also RDS, and the text inside Cloud SQL.

The server puts a tab before every further line of a message. A line that begins with a time stamp
therefore is a record or part of one, or is set aside; it never belongs to the line before. A line
with neither is set aside too, but where no line has a tab: some collectors take them away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analysis.importers.lines import Assembler, Taken, prefix_values
from analysis.importers.prefix import CANDIDATES, Split, begins_with_stamp, fits, split
from analysis.importers.sinks import EMPTY, TOO_LONG, Sink
from analysis.importers.sources import Line, Source, as_text

_GUESSES_MAX = 200
_NO_LEVEL = "a time stamp without a known level"
_NO_RECORD = "not a log record"


def read_stderr(source: Source, sink: Sink, lines: Iterable[tuple[Line, str]]) -> None:
    """Read lines of stderr form under `source.prefix`, and under others where it does not fit."""
    assembler, prefixes = Assembler(source, sink), _Prefixes(source.prefix)
    for line, text in lines:
        if line.too_long:
            assembler.refuse(line, TOO_LONG)
        elif text.startswith("\t"):
            source.tabbed = True
            assembler.take(Taken(line, "", {}, "", text[1:]))
        elif (found := prefixes.split(text)) is not None:
            values = prefix_values(source, line, found.values)
            session = values.get("process_id", "")
            assembler.take(Taken(line, session, values, found.label, found.text))
        elif begins_with_stamp(text, ended=line.ended):
            assembler.refuse(line, _NO_LEVEL)
        elif not assembler.may_go_on() or (text and source.tabbed):
            assembler.refuse(line, _NO_RECORD if text else EMPTY, foreign=True)
        else:
            assembler.take(Taken(line, "", {}, "", text))
    assembler.finish()


class _Prefixes:
    """The prefix of a log, and those that its later lines turn out to have."""

    def __init__(self, first: str) -> None:
        self.known = [first]
        self.guesses = 0

    def split(self, line: str) -> Split | None:
        """Take a line apart under the first prefix that fits; None where none does."""
        for prefix in self.known:
            found = split(prefix, line)
            if found is not None:
                return found
        if not begins_with_stamp(line) or "" in self.known:
            return None
        for candidate in CANDIDATES if self.guesses < _GUESSES_MAX else ():
            found = fits(candidate, line)
            if found is not None:
                self.known.append(candidate)
                return found
        found = split("", line)
        if found is None or not line.removesuffix(found.text).endswith(":  "):
            return None
        self.guesses += 1
        return found


def with_text(source: Source, lines: Iterable[Line]) -> Iterator[tuple[Line, str]]:
    """Pair each line with its text."""
    for line in lines:
        yield line, as_text(source, line)
