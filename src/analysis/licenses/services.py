"""The services of the public record: license, what they did, and how that classifies on a day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analysis import paths
from analysis.licenses.activity import activity_from
from analysis.licenses.classification import Classification, classify
from analysis.licenses.comparison import cell, exists
from analysis.licenses.model import Bilingual, Confidence, Gap, RuleBase
from analysis.licenses.reasons import a_day, rules_or_default
from runlog.errors import BadData, EnvironmentFault, UsageFault, did_you_mean


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class _Spanned(_Model):
    from_: dt.date = Field(alias="from")
    to: dt.date | None

    def covers(self, on: dt.date) -> bool:
        """Return whether the day lies in the span, both ends included."""
        return self.from_ <= on and (self.to is None or on <= self.to)


class SourcedDate(_Model):
    """A date of the public record."""

    date: dt.date
    confidence: Confidence
    source: str


class License(_Model):
    """A license held. `since` None: not known, but not `not_held_on` and held by `known_by`."""

    regime: str
    number: str | None
    since: dt.date | None
    known_by: dt.date | None
    not_held_on: dt.date | None = None
    until: dt.date | None
    confidence: Confidence
    source: str

    def held(self, on: dt.date) -> bool | None:
        """Return whether it was held on a day; None when that is not known."""
        if self.until is not None and on > self.until:
            return False
        if self.not_held_on is not None and on <= self.not_held_on:
            return False
        if self.since is not None:
            return on >= self.since
        return True if self.known_by is not None and on >= self.known_by else None


class Doing(_Spanned):
    """What a service did in a span of days, as features of the classification."""

    features: dict[str, Any]
    confidence: Confidence
    note: str = ""


class Fact(_Spanned):
    """One cell: a topic in a span of days."""

    topic: str
    value: str
    amount_jpy: int | None = None
    en: str
    confidence: Confidence
    source: str


class Demerit(_Spanned):
    """What a user meets, and what it comes from.

    traced_to: `rule` (then topic and regime name it), `business` (a choice of the operator),
    `practice` (of the card schemes), `inference` (probable, not proven), `unknown`.
    """

    en: str
    ja: str
    traced_to: Literal["rule", "business", "practice", "inference", "unknown"]
    topic: str | None
    regime: str | None
    source: str


class Conflict(_Model):
    """Sources that contradict each other; both are kept."""

    about: str
    versions: tuple[str, ...]
    en: str


class Service(_Model):
    """One service of the public record."""

    id: str
    name: Bilingual
    operator: str
    aliases: tuple[str, ...]
    launched: SourcedDate | None
    ended: SourcedDate | None
    licenses: tuple[License, ...]
    activities: tuple[Doing, ...] = Field(min_length=1)
    facts: tuple[Fact, ...]
    conflicts: tuple[Conflict, ...]
    demerits: tuple[Demerit, ...]

    def state(self, on: dt.date) -> str:
        """Return `running`, `ended`, `not launched`, or `not recorded` before the first fact."""
        if self.ended and on > self.ended.date:
            return "ended"
        if self.launched and on < self.launched.date:
            return "not launched"
        return "running" if self.activities[0].from_ <= on else "not recorded"

    def doing(self, on: dt.date) -> Doing:
        """Return what it did on a day, or nearest to it when it did not run."""
        for activity in reversed(self.activities):
            if activity.from_ <= on:
                return activity
        return self.activities[0]

    def facts_on(self, topic: str, on: dt.date) -> list[Fact]:
        """Return the cells of a topic on a day."""
        return [f for f in self.facts if f.topic == topic and f.covers(on)]


@dataclass(frozen=True)
class ServiceClassification:
    """A service on a day: what the record says it held, and what its activity needs."""

    service: Service
    on: dt.date
    state: str
    documented: tuple[str, ...]
    not_known: tuple[str, ...]
    classification: Classification
    notes: tuple[str, ...]


@cache
def services() -> dict[str, Service]:
    """Return all services by id, read once. Raises BadData when the file is wrong."""
    return read_services(paths.data("services.yaml"))


def read_services(path: Path) -> dict[str, Service]:
    """Return the services of a file by id. Raises BadData naming the first fault and its place."""
    try:
        content = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
    except FileNotFoundError:
        raise EnvironmentFault("services not found", path, "restore data/services.yaml") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}" if mark else ""
        raise BadData("services are no YAML", line, "correct the file") from None
    try:
        found = [Service.model_validate(s) for s in content["services"]]
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadData("services are wrong", f"{place}: {first['msg']}", "correct it") from None
    return {s.id: s for s in found}


def find_service(name: str) -> Service:
    """Return a service by id or alias, in any spelling of case, spaces and hyphens.

    Raises UsageFault when there is none.
    """
    wanted = name.strip().lower().replace(" ", "_").replace("-", "_").replace("!", "")
    for service in services().values():
        if wanted in (service.id, *service.aliases, service.name.en.lower()):
            return service
    raise UsageFault("no such service", name, did_you_mean(wanted, list(services())))


def classify_service(
    name: str, on: dt.date | str, rules: RuleBase | None = None
) -> ServiceClassification:
    """Return how a service classifies on a day, beside the licenses the record gives it.

    A service that did not run on the day is classified by what it did nearest to it, and `notes`
    says so: the question is then what its activity would need.
    """
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    service = find_service(name)
    state, doing = service.state(day), service.doing(day)
    notes = []
    if state != "running":
        when = service.ended.date if state == "ended" and service.ended else doing.from_
        notes.append(
            f"{service.name.en}: {state} on {day} ({when}); answered for its activity then"
        )
    if doing.note:
        notes.append(doing.note)
    result = classify(activity_from(doing.features), day, rules)
    documented = documented_licenses(service, day, rules)
    open_ = tuple(x.regime for x in service.licenses if x.held(day) is None)
    needed = {_family(r) for r in result.regimes} - {"none", "unknown", "collection_agency"}
    lacking = needed - {_family(r) for r in (*documented, *open_)}
    if lacking and state == "running":
        notes.append(f"the record names no license for: {', '.join(sorted(lacking))}")
    return ServiceClassification(service, day, state, documented, open_, result, tuple(notes))


def documented_licenses(service: Service, on: dt.date, rules: RuleBase) -> tuple[str, ...]:
    """Return the regimes of the licenses held on a day; the single type is deemed type 2 later."""
    held = [x.regime for x in service.licenses if x.held(on)]
    single = rules.regime("funds_transfer").at(on)
    if isinstance(single, Gap):
        deemed = str(rules.transition("deemed_type2").value)
        held = [deemed if r == "funds_transfer" else r for r in held]
    return tuple(held)


def demerits(on: dt.date | str, rules: RuleBase | None = None) -> list[dict[str, str]]:
    """Return one record per demerit of the services on a day, traced to its rule or its choice.

    Keys: service, demerit, ja, traced_to, rule (what the rule says), articles, source.
    """
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    found = []
    for service in services().values():
        for demerit in service.demerits:
            if not demerit.covers(day):
                continue
            rule, articles = "", ""
            if demerit.topic and demerit.regime:
                regime = _successor(demerit.regime, day, rules)
                said = cell(demerit.topic, regime, day, rules)
                label = next(t.label.en for t in rules.topics if t.id == demerit.topic)
                rule, articles = f"{label}: {said.en}", ", ".join(said.articles)
            found.append(
                {
                    "service": service.name.en,
                    "demerit": demerit.en,
                    "ja": demerit.ja,
                    "traced_to": demerit.traced_to,
                    "rule": rule,
                    "articles": articles,
                    "source": demerit.source,
                }
            )
    return found


def _successor(regime: str, on: dt.date, rules: RuleBase) -> str:
    if exists(rules.regime(regime), on) or regime != "funds_transfer":
        return regime
    return str(rules.transition("deemed_type2").value)


def _family(regime: str) -> str:
    for family in ("prepaid", "funds_transfer"):
        if regime.startswith(family):
            return family
    return regime
