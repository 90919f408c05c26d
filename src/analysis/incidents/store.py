"""Loads and validates the corpus under `data/incidents`, and finds incidents in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from analysis import paths
from analysis.incidents.check import problems_of
from analysis.incidents.clock import Timeline
from analysis.incidents.schema import Incident
from analysis.incidents.yaml_file import read_mapping
from runlog.errors import BadData, UsageFault, did_you_mean

_SHOWN_PROBLEMS = 5
_TODO = "correct the file; `walletlab incidents validate FILE` checks it again"


@dataclass(frozen=True)
class Corpus:
    """All incidents of one folder by id, in order of their start."""

    folder: Path
    incidents: dict[str, Incident]

    def __iter__(self) -> Iterator[Incident]:
        return iter(self.incidents.values())

    def __len__(self) -> int:
        return len(self.incidents)

    def get(self, incident_id: str) -> Incident:
        """Return one incident. Raises UsageFault with a suggestion when there is none."""
        if incident_id not in self.incidents:
            advice = did_you_mean(incident_id, list(self.incidents))
            raise UsageFault("no such incident", incident_id, advice)
        return self.incidents[incident_id]

    def select(
        self,
        *,
        kind: str | None = None,
        company: str | None = None,
        cause_group: str | None = None,
        database: str | None = None,
    ) -> list[Incident]:
        """Return the incidents that fit every condition given, in order of their start."""
        return [
            i
            for i in self
            if (kind is None or i.kind == kind)
            and (company is None or i.company.lower() == company.lower())
            and (cause_group is None or i.cause_group[0].value == cause_group)
            and (database is None or i.database[0].value == database)
        ]


def load_corpus(folder: Path | None = None) -> Corpus:
    """Return the validated corpus of a folder (by default the project's own), read once a process.

    Raises BadData that names the first file, field and reason.
    """
    return _load((folder or paths.data("incidents")).resolve())


@lru_cache(maxsize=8)
def _load(folder: Path) -> Corpus:
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise BadData("no incident files", folder, "expected one YAML file an incident")
    incidents = [load_file(path) for path in files]
    _unique(zip(files, incidents, strict=True))
    ordered = sorted(incidents, key=lambda i: (_began(i), i.id))
    return Corpus(folder, {i.id: i for i in ordered})


def _began(incident: Incident) -> dt.datetime:
    started = Timeline(incident).time("started_at")
    middle = started.middle if started else None
    assert middle is not None, "an incident without a start does not validate"
    return middle


def load_file(path: Path) -> Incident:
    """Return one incident. Raises BadData with file, field and reason (up to five faults)."""
    content = read_mapping(path)
    try:
        incident = Incident.model_validate(content)
    except ValidationError as error:
        raise _refused(path, [_told(e) for e in error.errors()]) from error
    problems = problems_of(incident)
    if problems:
        raise _refused(path, problems)
    return incident


def validate_files(files: Iterable[Path]) -> list[Incident]:
    """Return the incidents of some files, checked alone, against each other and the corpus' ids.

    A file of the corpus may be given itself; its id must then be its file name.
    """
    given = [(path, load_file(path)) for path in files]
    _unique(given)
    corpus_folder = paths.data("incidents").resolve()
    taken = {p.stem: p for p in corpus_folder.glob("*.yaml")}
    for path, incident in given:
        owner = taken.get(incident.id)
        if owner and owner != path.resolve():
            raise _refused(path, [f"id: {incident.id!r} is already the id of {owner.name}"])
    return [incident for _, incident in given]


def _unique(pairs: Iterable[tuple[Path, Incident]]) -> None:
    seen: dict[str, Path] = {}
    for path, incident in pairs:
        if incident.id in seen:
            other = seen[incident.id].name
            raise _refused(path, [f"id: duplicate id {incident.id!r}, also in {other}"])
        seen[incident.id] = path
    for incident_id, path in seen.items():
        if path.stem != incident_id and path.parent == paths.data("incidents").resolve():
            raise _refused(path, [f"id: {incident_id!r} is not the file's name"])


def _told(error: Any) -> str:
    """One pydantic error as `field: reason`, without the machinery of union types in the path."""
    noise = ("list[", "constrained", "function-")
    parts = [p for p in error["loc"] if not (isinstance(p, str) and p.startswith(noise))]
    where = ""
    for part in parts:
        where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else str(part)
    reason = {
        "missing": "is missing",
        "extra_forbidden": "is no field of an incident file",
        "string_too_long": "is too long (a quote has at most 50 characters)"
        if where.endswith("quote")
        else error["msg"],
        "too_short": "is empty; at least one is needed",
    }.get(error["type"], error["msg"])
    return f"{where}: {reason}"


def _refused(path: Path, problems: list[str]) -> BadData:
    shown = list(dict.fromkeys(problems))
    more = len(shown) - _SHOWN_PROBLEMS
    text = "; ".join(shown[:_SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
    return BadData("incident file refused", f"{path}: {text}", _TODO)
