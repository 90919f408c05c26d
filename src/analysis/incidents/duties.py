"""An incident's announcements set beside the outage duties of a dated guideline.

A verdict says only what the public record shows. The guideline is that of 2026 and every use
carries its label; it is never presented as the law of the incident's year.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from analysis import paths
from analysis.incidents.clock import DatedEvent, Timeline
from analysis.incidents.schema import QUOTE_MAX_CHARACTERS, Channel, Says, Slug, Source, Word
from analysis.incidents.when import Span
from analysis.incidents.yaml_file import read_mapping
from runlog.errors import BadData

ON_RECORD, NOT_ON_RECORD, UNKNOWN = "on record", "not on record", "nothing public"
DEFAULT = "outage-2026"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Duty(_Strict):
    """One duty: where it is written, and what on the record would show that it was met."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z_]+$")]
    duty: Word
    article: Word
    quote: Annotated[str, StringConstraints(max_length=QUOTE_MAX_CHARACTERS)] | None = None
    reads: Literal["said", "channel", "mitigation", "nothing_public"]
    looks_for: list[Says | Channel] = Field(default_factory=list)


class Guideline(_Strict):
    """A dated set of duties. `label` must stand beside every score."""

    schema_version: Literal[1]
    label: Word
    edition: str
    applies_to: Word
    caution: Word
    sources: dict[Slug, Source]
    duties: list[Duty] = Field(min_length=1)


def load_guideline(name: str = DEFAULT, folder: Path | None = None) -> Guideline:
    """Return one guideline of `data/duties`. Raises BadData with file, field and reason."""
    path = (folder or paths.data("duties")) / f"{name}.yaml"
    content = read_mapping(path)
    try:
        return Guideline.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise BadData("guideline refused", f"{path}: {where}", first["msg"]) from error


def score(clock: Timeline, guideline: Guideline) -> pd.DataFrame:
    """Return one row a duty: article, verdict, minutes after the start with bounds, evidence.

    A duty with nothing public is `nothing public`, not a failure: absence of a record is no record
    of absence.
    """
    rows = []
    for duty in guideline.duties:
        events = _evidence(clock, duty)
        first = events[0] if events else None
        offset = first.offset if first else Span(None, None)
        if duty.reads == "nothing_public":
            verdict = UNKNOWN
        else:
            verdict = ON_RECORD if first else NOT_ON_RECORD
        rows.append(
            {
                "duty": duty.duty,
                "article": duty.article,
                "verdict": verdict,
                "after_min_low": offset.min,
                "after_min": offset.as_written,
                "after_min_high": offset.max,
                "evidence": f"{first.at.text}: {first.event.what}" if first else None,
                "confidence": first.confidence if first else None,
            }
        )
    minutes = dict.fromkeys(("after_min_low", "after_min", "after_min_high"), "float64")
    return pd.DataFrame(rows).astype(minutes)


def _evidence(clock: Timeline, duty: Duty) -> list[DatedEvent]:
    if duty.reads == "mitigation":
        return clock.events("mitigation")
    if duty.reads == "said":
        return [d for d in clock.events("communication") if set(d.event.says) & set(duty.looks_for)]
    if duty.reads == "channel":
        return [d for d in clock.events("communication") if d.event.channel in duty.looks_for]
    return []
