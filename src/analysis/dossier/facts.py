"""Reads a dossier: facts about a company by topic, and the evidence on a hypothesis."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field, ValidationError

from analysis import paths
from analysis.incidents.schema import Claim, Claims, Slug, Source, Strict, Word
from analysis.incidents.yaml_file import read_mapping
from runlog.errors import BadData

Topic = Literal["company", "licence", "product", "strategy", "architecture"]
Stance = Literal["for", "circumstantial", "against", "silent"]
DEFAULT = "kyash"


class Item(Strict):
    """One fact: what it is about, and its claims, best first."""

    topic: Topic
    what: Word
    claims: Claims


class Evidence(Strict):
    """One piece of evidence and which way it points."""

    stance: Stance
    claims: Claims


class Dossier(Strict):
    """All facts and evidence of one company's case."""

    schema_version: Literal[1]
    id: Slug
    title: Word
    hypothesis: Word
    sources: dict[Slug, Source]
    items: list[Item] = Field(min_length=1)
    evidence: list[Evidence] = Field(min_length=1)

    def value(self, what: str) -> Claim:
        """Return the claim that is used for a fact. KeyError when there is none of that name."""
        for item in self.items:
            if item.what == what:
                return item.claims[0]
        raise KeyError(what)


def load_dossier(name: str = DEFAULT, folder: Path | None = None) -> Dossier:
    """Return a dossier of `data/dossier`. Raises BadData with file, field and reason."""
    path = (folder or paths.data("dossier")) / f"{name}.yaml"
    content = read_mapping(path)
    try:
        dossier = Dossier.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise BadData("dossier refused", f"{path}: {where}", first["msg"]) from error
    problems = _problems(dossier)
    if problems:
        raise BadData("dossier refused", f"{path}: " + "; ".join(problems[:5]), "correct the file")
    return dossier


def _problems(dossier: Dossier) -> list[str]:
    named = [(i.what, i.claims) for i in dossier.items]
    named += [(str(e.claims[0].value), e.claims) for e in dossier.evidence]
    problems, used = [], set()
    for what, claims in named:
        cited = {source for claim in claims for source in claim.sources}
        used |= cited
        problems += [f"{what}: unknown source {s!r}" for s in cited if s not in dossier.sources]
        if len({str(c.value) for c in claims}) > 1 and not claims[0].why:
            problems.append(f"{what}: sources disagree; say in `why` why the first value is used")
    problems += [f"sources.{s}: no value cites it" for s in dossier.sources if s not in used]
    return problems


def facts(dossier: Dossier, topics: tuple[Topic, ...]) -> pd.DataFrame:
    """Return one row a claim of some topics: topic, fact, value with remark, confidence, sources.

    A claim that is not the one used follows it, marked.
    """
    rows = []
    for item in dossier.items:
        if item.topic not in topics:
            continue
        for position, claim in enumerate(item.claims):
            mark = "" if position == 0 else " (not used)"
            rows.append(
                {
                    "topic": item.topic,
                    "fact": item.what,
                    "value": _remarked(value_words(claim) + mark, claim.why or claim.note),
                    "confidence": claim.confidence,
                    "sources": cited(dossier, claim),
                }
            )
    return pd.DataFrame(rows)


def evidence(dossier: Dossier) -> pd.DataFrame:
    """Return one row a piece of evidence: stance, statement, basis, confidence, sources."""
    rows = [
        {
            "stance": entry.stance,
            "evidence": _remarked(value_words(claim), claim.note),
            "basis": claim.basis,
            "confidence": claim.confidence,
            "sources": cited(dossier, claim),
        }
        for entry in dossier.evidence
        for claim in entry.claims
    ]
    return pd.DataFrame(rows)


def _remarked(text: str, remark: str | None) -> str:
    return f"{text.rstrip('.')}. {remark}" if remark else text


def value_words(claim: Claim) -> str:
    """Return a value as a reader sees it, whole numbers with separators."""
    value = claim.value
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def cited(dossier: Dossier, claim: Claim) -> str:
    """Return the titles of a claim's sources, official ones marked."""
    return "; ".join(
        dossier.sources[s].title + (" (official)" if dossier.sources[s].official else "")
        for s in claim.sources
    )
