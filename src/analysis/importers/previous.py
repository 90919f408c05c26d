"""What an earlier import into the same run directory has already read."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.importers.sources import HEAD_BYTES, Source
from runlog.errors import UsageFault
from runlog.manifest import Clock, Manifest, read_manifest

REJECTS = "rejects.parquet"
_RANKS = 3
_LINES_MAX = 1 << 60


@dataclass
class Previous:
    """An imported (or watched) run to be succeeded, or none.

    `reread` are keys of records whose text may have grown since, `reread_lines` lines (mark, first,
    last) whose records are read again, where the line number is the key, and `reread_from` the
    first line to read again by file name. What the user told of format and prefix, wins.
    """

    folder: Path
    manifest: Manifest | None = None
    reread: list[tuple[str, int]] = field(default_factory=list)
    reread_from: dict[str, int] = field(default_factory=dict)
    reread_lines: list[tuple[str, int, int]] = field(default_factory=list)
    resumed: set[int] = field(default_factory=set)
    format_told: bool = False
    prefix_told: bool = False
    _by_head: dict[tuple[int, str], list[int]] | None = None

    @classmethod
    def of(cls, out: Path) -> Previous:
        """Return what is in `out`; raises UsageFault when no import can go into it."""
        if not out.exists():
            return cls(out)
        if not (out / "manifest.json").is_file():
            raise UsageFault("output exists and is no run", out, "choose another --out")
        manifest = read_manifest(out)
        if manifest.kind == "engine":
            todo = "choose another --out: a run of the engine is never changed"
            raise UsageFault("output exists", out, todo)
        return cls(out, manifest)

    @property
    def exists(self) -> bool:
        return self.manifest is not None

    def table(self, name: str) -> Path | None:
        """Return the Parquet file of a table that the earlier run has."""
        has = self.manifest is not None and name in self.manifest.tables
        return self.folder / f"{name}.parquet" if has else None

    def rejects(self) -> Path | None:
        path = self.folder / REJECTS
        return path if self.manifest is not None and path.is_file() else None

    def resume(self, sources: list[Source]) -> set[int]:
        """Let sources that were read before start where that reading ended; return their indexes.

        A file is known again by its first bytes, whatever it is called now: rotation renames it,
        compression changes it, and appending lengthens it. Of several that could be it, the one of
        the same name is. Another copy of the same log is read whole, under the same mark, so that
        its records are known to be told twice.
        """
        entries = self.manifest.sources if self.manifest else []
        matching = {source.index: self._matching(source) for source in sources}
        taker: dict[int, Source] = {}
        for rank in range(_RANKS):
            for source in sources:
                if source.index in {other.index for other in taker.values()}:
                    continue
                for place in matching[source.index]:
                    if place not in taker and _rank(entries[place], source) == rank:
                        taker[place] = source
                        break
        for place, source in taker.items():
            self.resumed.add(place)
            self._take_up(entries[place], source)
        resumed = {source.index for source in taker.values()}
        for source in sources:
            for place in matching[source.index] if source.index not in resumed else []:
                shared = min(len(source.head), len(taker[place].head))
                if source.head[:shared] == taker[place].head[:shared]:
                    source.mark = taker[place].mark
        self._tell_apart(sources)
        return resumed

    def _matching(self, source: Source) -> list[int]:
        """Return the places of the manifest's sources that begin as this one does."""
        if self._by_head is None:
            self._by_head = {}
            for place, entry in enumerate(self.manifest.sources if self.manifest else []):
                if "head_sha256" in entry:
                    key = (entry["head_bytes"], entry["head_sha256"])
                    self._by_head.setdefault(key, []).append(place)
        found = []
        for size in sorted({size for size, _ in self._by_head}):
            if size <= len(source.head):
                digest = hashlib.sha256(source.head[:size]).hexdigest()
                found += self._by_head.get((size, digest), [])
        return [place for place in found if self._sure(place, source)]

    def _sure(self, place: int, source: Source) -> bool:
        """False where a few bytes are the same and nothing else says that it is the same file."""
        assert self.manifest is not None
        entry = self.manifest.sources[place]
        size = entry["head_bytes"]
        whole = size >= HEAD_BYTES or source.head[size - 1 : size] == b"\n"
        return whole or _rank(entry, source) < _RANKS - 1

    def _take_up(self, entry: dict[str, Any], source: Source) -> None:
        name, unfinished = entry["file"], entry.get("unfinished")
        if not entry["format"] and source.format:  # nothing of it was understood
            self.reread_from[name] = 1
            return
        source.mark, source.tabbed = entry["mark"], source.tabbed or entry.get("tabbed", False)
        source.format = source.format if self.format_told else entry["format"]
        if not self.prefix_told:
            source.prefix = entry["prefix"]
        if source.format == "cloudsql":  # put in order of time, so that nothing is new by its place
            self.reread_from[name] = 1
            self.reread_lines.append((source.mark, 1, _LINES_MAX))
            return
        source.start, source.start_line = entry["bytes"], entry["lines"]
        lines_before = min(entry["record_lines"], entry["lines"])
        source.before = {"records": entry["records"], "record_lines": lines_before}
        size = source.path.stat().st_size
        if not unfinished:
            return
        if not source.compression and size < entry["bytes"]:  # cut off since, or an older copy
            source.unfinished = {
                **unfinished, **{k: unfinished.get(k, 0) - source.before[k] for k in source.before}
            }  # fmt: skip
            return
        source.start, source.start_line = unfinished["offset"], unfinished["line"] - 1
        lines_before = min(unfinished.get("record_lines", 0), source.start_line)
        source.before = {"records": unfinished.get("records", 0), "record_lines": lines_before}
        self.reread_from[name] = unfinished["line"]
        if "session_id" in unfinished:
            self.reread.append((unfinished["session_id"], unfinished["session_line_num"]))
        elif source.format not in ("csv", "json"):
            self.reread_lines.append((source.mark, unfinished["line"], entry["lines"]))

    def _tell_apart(self, sources: list[Source]) -> None:
        """Give each source a name of its own in this run: rejects are kept by name."""
        entries = self.manifest.sources if self.manifest else []
        used = {e.get("file") for place, e in enumerate(entries) if place not in self.resumed}
        plain = Counter(source.name for source in sources)
        for source in sources:
            name = source.name
            if plain[name] > 1:
                name = source.label = f"{source.path.absolute().parent.name}/{name}"
            number = 2
            while source.name in used:
                source.label = f"{name} ({number})"
                number += 1
            used.add(source.name)

    def sources_after(self, sources: list[Source]) -> list[dict[str, Any]]:
        """Return the manifest's list of sources with those of this import in it."""
        before = enumerate(self.manifest.sources if self.manifest else [])
        kept = [entry for place, entry in before if place not in self.resumed]
        return [*kept, *(source.entry() for source in sources)]

    def successor(
        self, out: Path, start: dt.datetime, end: dt.datetime, notes: list[str]
    ) -> Manifest:
        """Return the manifest of the run that takes this one's place: it keeps what was known.

        `start` and `end` are those of the newly written table; the run spans all its tables.
        """
        before = self.manifest
        if before is None:
            clock = Clock(scenario_start=None, wall_start=start, wall_end=end)
            return Manifest(run_id=out.name, kind="imported", clock=clock, notes=notes)
        start = min(start, before.clock.wall_start)
        end = max(end, before.clock.wall_end or before.clock.wall_start)
        clock = before.clock.model_copy(update={"wall_start": start, "wall_end": end})
        kept = list(dict.fromkeys([*before.notes, *notes]))
        return before.model_copy(update={"clock": clock, "notes": kept, "tables": {}})


def _rank(entry: dict[str, Any], source: Source) -> int:
    """0 for an entry of the source's folder and name, 1 for one of its name, 2 for another."""
    name = source.path.name
    told_apart = re.sub(r" \(\d+\)$", "", entry["file"])
    called = [f"{source.path.absolute().parent.name}/{name}", name]
    return next((rank for rank, told in enumerate(called) if told_apart == told), 2)
