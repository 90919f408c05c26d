"""Opens log files, compressed or not, and reads them line by line with a limit on everything."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from runlog.errors import BadData, UsageFault

BOM = b"\xef\xbb\xbf"
MAX_LINE_BYTES = 16 * 1024 * 1024  # a longer line or record is set aside as a reject
HEAD_BYTES = 4096
_MAGIC = {
    b"\x1f\x8b": "gz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"\x04\x22\x4d\x18": "lz4",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
}


class Line(NamedTuple):
    """One physical line: where it starts, its number (from 1), its bytes without newline."""

    offset: int
    number: int
    data: bytes
    size: int  # bytes up to and with the newline
    ended: bool  # False for a last line without newline
    too_long: bool


@dataclass
class Source:
    """One log file of an import, and what became of its lines (kept in the manifest).

    `lines` = `record_lines` + `rejected_lines`; all three count what this import reads. `start` and
    `start_line` say where it begins when an earlier one had read the file up to there, `before`
    what became of the lines up to there; `base` is the place of the path's first byte in the log
    when the path is a slice of it. `tabbed` tells that further lines of a message begin with a tab.
    """

    path: Path
    index: int
    label: str = ""
    mark: str = ""
    base: int = 0
    compression: str = ""
    format: str = ""
    prefix: str = ""
    start: int = 0
    start_line: int = 0
    bytes_read: int = 0
    lines: int = 0
    record_lines: int = 0
    rejected_lines: int = 0
    records: int = 0
    repaired: int = 0
    head: bytes = b""
    head_sha256: str = ""
    head_bytes: int = 0
    tabbed: bool = False
    before: dict[str, int] = field(default_factory=lambda: {"records": 0, "record_lines": 0})
    unfinished: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.label or self.path.name

    def entry(self) -> dict[str, Any]:
        """Return what the manifest keeps: enough to read only what is new next time.

        Counts are those of the whole file, but for `repaired_lines`: of what this import read.
        """
        before = self.before
        unfinished = self.unfinished and {
            **self.unfinished,
            **{name: before[name] + self.unfinished[name] for name in before},
        }
        return {
            "file": self.name,
            "format": self.format,
            "compression": self.compression,
            "prefix": self.prefix,
            "head_sha256": self.head_sha256,
            "head_bytes": self.head_bytes,
            "mark": self.mark,
            "bytes": self.bytes_read,
            "lines": self.start_line + self.lines,
            "records": before["records"] + self.records,
            "record_lines": before["record_lines"] + self.record_lines,
            "rejected_lines": self.start_line - before["record_lines"] + self.rejected_lines,
            "repaired_lines": self.repaired,
            "tabbed": self.tabbed,
            "unfinished": unfinished,
        }


def find_files(paths: list[Path]) -> list[Path]:
    """Return the files meant: a folder stands for the files in it, by name.

    Raises UsageFault for what is not there or no file, BadData for a folder without files.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.is_file())
            if not inside:
                raise BadData("empty folder", path, "give log files, or the folder that holds them")
            found += inside
        elif path.is_file():
            found.append(path)
        elif path.exists():
            todo = "a log is read more than once: write it to a file first"
            raise UsageFault("not a regular file", path, todo)
        else:
            raise UsageFault("no such log file", path, "give files or folders that exist")
    return found


def describe(path: Path, index: int) -> Source:
    """Return a Source with compression and fingerprint set.

    The fingerprint is of the first bytes; of a short file it ends where a line ends, if it can.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(6)
    except OSError as error:
        raise BadData("cannot read log file", path, str(error.strerror)) from error
    source = Source(path, index)
    source.compression = next((n for m, n in _MAGIC.items() if magic.startswith(m)), "")
    source.head = head = read_head(source, HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        head = head[: head.rfind(b"\n") + 1] or head
    if head.startswith(BOM):
        source.start = len(BOM)
    source.head_bytes, source.head_sha256 = len(head), hashlib.sha256(head).hexdigest()
    source.mark = source.head_sha256[:8]
    return source


def read_head(source: Source, size: int) -> bytes:
    """Return up to `size` first bytes of the content; less when a broken archive has less."""
    with opened(source) as stream:
        return stream.read(size)


@contextmanager
def opened(source: Source, start: int = 0) -> Iterator[BinaryIO]:
    """Open the file decompressed, at byte `start` of its content."""
    with source.path.open("rb") as raw:
        if not source.compression:
            raw.seek(start)
            yield raw
            return
        tolerant = _Tolerant(_decompressed(raw, source.compression))
        stream = io.BufferedReader(tolerant, 1 << 20)
        missing = start
        while missing > 0:
            skipped = len(stream.read(min(missing, 1 << 20)))
            if not skipped:
                break
            missing -= skipped
        yield stream
        note = f"{source.name}: the archive breaks off ({tolerant.fault})"
        if tolerant.fault and note not in source.notes:
            source.notes.append(note)


class _Tolerant(io.RawIOBase):
    """A decompressor whose stream ends where its archive is cut off or damaged."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.fault = ""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what one step of the decompressor gives; 0 at the end."""
        if self.fault:
            return 0
        try:
            data = self.inner.read1(len(buffer))
        except (EOFError, OSError, RuntimeError, zlib.error, lzma.LZMAError) as error:
            self.fault = str(error)
            return 0
        except Exception as error:
            if type(error).__name__ != "ZstdError":
                raise
            self.fault = str(error)
            return 0
        buffer[: len(data)] = data
        return len(data)


def _decompressed(raw: BinaryIO, compression: str) -> Any:
    if compression == "gz":
        return gzip.GzipFile(fileobj=raw)
    if compression == "zst":
        import zstandard

        decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        return decompressor.stream_reader(raw, read_across_frames=True)
    if compression == "lz4":
        import lz4.frame

        return lz4.frame.open(raw)
    return bz2.open(raw) if compression == "bz2" else lzma.open(raw)


def read_lines(source: Source) -> Iterator[Line]:
    """Yield the physical lines from `source.start`; counts lines and bytes into the source.

    A line over the limit is skipped over and yielded with its first bytes and `too_long`. An
    archive that breaks off ends the lines there, with a note.
    """
    with opened(source, source.start - source.base) as stream:
        offset, number = source.start, source.start_line
        while True:
            data, size, ended, too_long = _one_line(stream)
            if not size:
                break
            number += 1
            source.lines += 1
            source.bytes_read = offset + size
            yield Line(offset, number, data, size, ended, too_long)
            offset += size
    source.bytes_read = max(source.bytes_read, source.start)


def _one_line(stream: BinaryIO) -> tuple[bytes, int, bool, bool]:
    data = stream.readline(MAX_LINE_BYTES)
    size, ended = len(data), data.endswith(b"\n")
    if size < MAX_LINE_BYTES or ended:
        return data.rstrip(b"\n").removesuffix(b"\r"), size, ended, False
    while not ended:
        more = stream.readline(1 << 20)
        if not more:
            break
        size += len(more)
        ended = more.endswith(b"\n")
    return data[:HEAD_BYTES], size, ended, True


def as_text(source: Source, line: Line) -> str:
    """Return the line as text; what is no UTF-8 and NUL become U+FFFD, counted as repaired."""
    try:
        text = line.data.decode("utf-8")
    except UnicodeDecodeError:
        source.repaired += 1
        return line.data.decode("utf-8", "replace").replace("\0", "\ufffd")
    if "\0" in text:
        source.repaired += 1
        return text.replace("\0", "\ufffd")
    return text
