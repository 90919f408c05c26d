"""Read `data/licenses` into a rule base, and refuse data that are incomplete.

Complete means: every day from the first to the last covered day has one period or one gap, every
citation names a known law in the revision that was read, every comparison word is a known one.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from analysis import paths
from analysis.licenses.model import Citation, Dated, Period, RuleBase
from analysis.licenses.words import WORDS
from runlog.errors import BadData, EnvironmentFault

_DAY = dt.timedelta(days=1)
_PARAMETER_FILES = ("prepaid", "funds_transfer", "other")


@cache
def rule_base() -> RuleBase:
    """Return the project's rules, read once. Raises BadData when a file is wrong."""
    return build(read(paths.data("licenses")))


def read(folder: Path) -> dict[str, Any]:
    """Return the plain content of the rule files of a folder, as one dictionary."""
    content: dict[str, Any] = {"parameters": []}
    for name in ("laws", "regimes", "rules", "clauses", "duties", "amendments"):
        content.update(_yaml(folder / f"{name}.yaml"))
    for name in _PARAMETER_FILES:
        content["parameters"] += _yaml(folder / f"{name}.yaml")["parameters"]
    return content


def build(content: dict[str, Any], *, check: bool = True) -> RuleBase:
    """Return the rule base of plain content. Raises BadData naming the first fault and its place.

    `check=False` leaves out the completeness checks; tests use it on data broken on purpose.
    """
    try:
        rules = RuleBase.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadData("license data are wrong", f"{place}: {first['msg']}", "correct it") from None
    faults = find_faults(rules) if check else []
    if faults:
        raise BadData("license data are incomplete", faults[0], f"{len(faults)} faults in all")
    return rules


def find_faults(rules: RuleBase) -> list[str]:
    """Return every fault of coverage, citation and naming, one sentence each; empty when sound."""
    faults: list[str] = []
    for kind in (rules.regimes, rules.parameters, rules.rules, rules.clauses):
        for item in kind:
            faults += _coverage_faults(item, rules)
    known = {(law.short, law.law_id, law.revision) for law in rules.laws}
    for place, citation in citations(rules):
        if (citation.law, citation.law_id, citation.revision) not in known:
            faults.append(f"{place}: {citation.law} is not cited in the revision that was read")
    for parameter in rules.parameters:
        words = {period.word for period in parameter.periods}
        faults += [f"{parameter.id}: unknown comparison word {w}" for w in words - set(WORDS)]
    for topic in rules.topics:
        for regime in rules.regimes:
            count = sum(r.topic == topic.id and regime.id in r.regimes for r in rules.rules)
            if count != 1:
                faults.append(f"{topic.id} of {regime.id}: {count} rules instead of one")
    return faults


def citations(rules: RuleBase) -> list[tuple[str, Citation]]:
    """Return every citation with the name of what it belongs to, in the order of the files."""
    found: list[tuple[str, Citation]] = []
    for kind in (rules.regimes, rules.parameters, rules.rules, rules.clauses):
        for item in kind:
            periods: tuple[Period, ...] = tuple(item.periods)
            found += [(item.id, c) for p in periods for c in p.citations]
    found += [(duty.id, c) for duty in rules.duties for c in duty.citations]
    for amendment in rules.amendments:
        found += [(amendment.act.en, c) for c in amendment.citations]
        found += [(t.id, c) for t in amendment.transitions for c in t.citations]
    return found


def _coverage_faults(item: Dated[Any], rules: RuleBase) -> list[str]:
    spans = [(p.valid_from, p.valid_to or rules.covered_to) for p in item.periods]
    spans += [(g.start, g.end) for g in item.gaps]
    spans.sort()
    expected = rules.covered_from
    faults = []
    for start, end in spans:
        if start != expected:
            word = "overlap" if start < expected else "hole"
            faults.append(f"{item.id}: {word} between {min(start, expected)} and {start}")
        if end < start:
            faults.append(f"{item.id}: ends on {end}, before it starts on {start}")
        expected = end + _DAY
    if expected != rules.covered_to + _DAY:
        faults.append(f"{item.id}: covered to {expected - _DAY}, not to {rules.covered_to}")
    return faults


def _yaml(path: Path) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content = yaml.load(path.read_text("utf-8"), Loader=loader)  # noqa: S506 - a safe loader
    except FileNotFoundError:
        raise EnvironmentFault("license data not found", path, "restore data/licenses") from None
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f"{path.name} line {place.line + 1}" if place else path.name
        raise BadData("license data are no YAML", where, "correct the file") from None
    if not isinstance(content, dict):
        raise BadData("license data are no mapping", path.name, "correct the file")
    return content
