"""What an earlier import into the same run directory has already read."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.importers.sources import Source, read_head
from runlog.errors import UsageFault
from runlog.manifest import Clock, Manifest, read_manifest

REJECTS = "rejects.parquet"


@dataclass
class Previous:
    """An imported (or watched) run to be succeeded, or none.

    `reread` are keys of records whose text may have grown since, `reread_from` the first line to
    read again by file name.
    """

    folder: Path
    manifest: Manifest | None = None
    reread: list[tuple[str, int]] = field(default_factory=list)
    reread_from: dict[str, int] = field(default_factory=dict)
    resumed: set[str] = field(default_factory=set)

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

    def resume(self, source: Source) -> None:
        """Let a source that was read before start where that reading ended.

        A file is known again by its first bytes, whatever it is called now: rotation renames it,
        compression changes it, and appending lengthens it.
        """
        for entry in self.manifest.sources if self.manifest else []:
            if not self._same(entry, source) or self._name(entry) in self.resumed:
                continue
            self.resumed.add(self._name(entry))
            source.format, source.prefix = entry["format"], entry["prefix"]
            source.mark = entry["mark"]
            source.start, source.start_line = entry["bytes"], entry["lines"]
            unfinished = entry.get("unfinished")
            if unfinished:
                source.start, source.start_line = unfinished["offset"], unfinished["line"] - 1
                self.reread_from[entry["file"]] = unfinished["line"]
                if "session_id" in unfinished:
                    key = (unfinished["session_id"], unfinished["session_line_num"])
                    self.reread.append(key)
            return

    def sources_after(self, sources: list[Source]) -> list[dict[str, Any]]:
        """Return the manifest's list of sources with those of this import in it."""
        kept = [
            entry
            for entry in (self.manifest.sources if self.manifest else [])
            if self._name(entry) not in self.resumed
        ]
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

    @staticmethod
    def _name(entry: dict[str, Any]) -> str:
        return f"{entry.get('head_sha256', '')}/{entry.get('file', '')}"

    @staticmethod
    def _same(entry: dict[str, Any], source: Source) -> bool:
        size = entry.get("head_bytes", 0)
        if not size or size > source.head_bytes or entry.get("format") == "cloudsql":
            return False
        head = read_head(source, size)
        return hashlib.sha256(head).hexdigest() == entry["head_sha256"]
