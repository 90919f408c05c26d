"""The shape of one incident file: claims with sources, and what they are claims about.

A value is never bare. It is a list of claims, best first; each names its sources and a confidence,
and a list with more than one distinct value says in `why` why the first is the one used.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

QUOTE_MAX_CHARACTERS = 50

Confidence = Literal["H", "M-H", "M", "L-M", "L", "GK"]
Basis = Literal["stated", "reported", "derived", "hypothesis"]
Lane = Literal["cause", "communication", "mitigation", "recovery", "impact", "evidence"]
Channel = Literal[
    "web_and_twitter", "web", "in_app", "email", "press", "status_page", "unknown_channel"
]
Says = Literal["content", "measure", "cause", "expected_recovery", "progress", "refund", "recovery"]
CauseGroup = Literal[
    "load",
    "capacity",
    "change",
    "hardware",
    "network",
    "software",
    "operator_error",
    "account_takeover",
    "unknown",
]
FundedBy = Literal["balance", "auto_charge", "mixed"]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Quote = Annotated[str, StringConstraints(min_length=1, max_length=QUOTE_MAX_CHARACTERS)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=700)]


class Strict(BaseModel):
    """A part of a data file: unknown fields are refused, nothing is changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _listed(value: Any) -> Any:
    """One claim may be written without the list around it."""
    return [value] if isinstance(value, dict) else value


class Source(Strict):
    """Where a claim can be read: an address, or a reference where no full address is known."""

    title: Word
    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    reference: Word | None = None
    official: bool = False
    published: str | None = None
    note: Word | None = None


class Claim(Strict):
    """One value as some sources give it.

    `basis`: stated by the operator, reported by others, derived here by arithmetic or reading, or a
    hypothesis. `quote` is at most 50 characters of the source's own words.
    """

    value: bool | int | float | Word
    sources: list[str] = Field(min_length=1)
    confidence: Confidence
    basis: Basis = "reported"
    quote: Quote | None = None
    note: Word | None = None
    why: Word | None = None


Claims = Annotated[list[Claim], BeforeValidator(_listed), Field(min_length=1)]


class FunctionState(Strict):
    """How one function fared in one phase."""

    function: str
    state: Claims


class Phase(Strict):
    """One stretch of the incident. A boundary is a named time of the incident, or claims."""

    id: Slug
    label: Word
    start: str | Claims
    end: str | Claims | None = None
    functions: list[FunctionState] = Field(default_factory=list)


class Event(Strict):
    """Something that happened at a time: in the lane of causes, words, measures or recovery."""

    at: Claims
    lane: Lane
    what: Word
    channel: Channel | None = None
    says: list[Says] = Field(default_factory=list)


class Cause(Strict):
    """What was said of the cause, what was inferred, what is not known: three separate lists."""

    stated: list[Claim] = Field(default_factory=list)
    inferred: list[Claim] = Field(default_factory=list)
    unknown: list[Claim] = Field(default_factory=list)


class StatedDuration(Strict):
    """A duration in minutes on record; it must fit the times beside it.

    `of` is a named duration (`start_to_restoration`, ...) or the id of a phase; `about` widens the
    comparison by a tenth.
    """

    of: str
    minutes: Claims
    about: bool = False


class Figure(Strict):
    """A number on record: customers, transactions, shares, yen."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    label: Word
    unit: Word
    claims: Claims


class RefundRule(Strict):
    """What happens to a failed payment's money, by how it was funded."""

    funded_by: FundedBy
    rule: Claims


class RefundExample(Strict):
    """A worked refund in whole yen; balance part and card part make the total."""

    label: Word
    balance_part_jpy: int = Field(ge=0)
    card_part_jpy: int = Field(ge=0)
    total_jpy: int = Field(ge=0)
    evidence: Claims


class Incident(Strict):
    """One incident file."""

    schema_version: Literal[1]
    id: Slug
    kind: Literal["outage", "security"]
    title: Word
    company: Word
    product: Word
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    time_zone: str
    sources: dict[str, Source] = Field(min_length=1)
    started_at: Claims
    mitigated_at: Claims | None = None
    restored_at: Claims | None = None
    cause_group: Claims
    database: Claims
    causes: Cause
    affected: Claims
    phases: list[Phase] = Field(default_factory=list)
    events: list[Event] = Field(default_factory=list)
    durations: list[StatedDuration] = Field(default_factory=list)
    figures: list[Figure] = Field(default_factory=list)
    refund_rules: list[RefundRule] = Field(default_factory=list)
    refund_examples: list[RefundExample] = Field(default_factory=list)
    later_evidence: list[Claim] = Field(default_factory=list)
    gaps: list[Word] = Field(default_factory=list)

    def used(self, name: str) -> Claim | None:
        """Return the claim that is used for a named time, None when the record has none."""
        claims: list[Claim] | None = getattr(self, name)
        return claims[0] if claims else None

    def claims(self) -> list[tuple[str, int, Claim]]:
        """Return every claim as (field path, position among its alternatives, claim)."""
        found: list[tuple[str, int, Claim]] = []
        _collect(self, "", found)
        return found


TIME_FIELDS = ("started_at", "mitigated_at", "restored_at")


def _collect(node: Any, path: str, found: list[tuple[str, int, Claim]]) -> None:
    if isinstance(node, BaseModel):
        for name in type(node).model_fields:
            _collect(getattr(node, name), f"{path}.{name}" if path else name, found)
    elif isinstance(node, list) and node and all(isinstance(n, Claim) for n in node):
        found.extend((path, position, claim) for position, claim in enumerate(node))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            key = _name_of(item) or str(index)
            _collect(item, f"{path}[{key}]", found)


def _name_of(item: Any) -> str:
    """A readable key for an item of a list: its id, function, figure name, or time and lane."""
    for attribute in ("id", "function", "name", "of", "funded_by"):
        value = getattr(item, attribute, None)
        if isinstance(value, str):
            return value
    return ""
