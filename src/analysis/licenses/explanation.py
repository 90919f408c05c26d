"""Explain one name: a parameter, a topic of a regime, a regime, or a service."""

from __future__ import annotations

import datetime as dt

from analysis.licenses.comparison import cell, exists
from analysis.licenses.duties import obligations
from analysis.licenses.model import Gap, Parameter, RuleBase, ValuePeriod
from analysis.licenses.reasons import (
    Reason,
    Value,
    a_day,
    gap_reason,
    period_reason,
    rules_or_default,
    said,
    value_at,
)
from analysis.licenses.services import classify_service, services
from runlog.errors import UsageFault, did_you_mean


def explain(
    name: str, on: dt.date | str, regime: str | None = None, rules: RuleBase | None = None
) -> Reason:
    """Return the tree that explains a name on a day.

    A parameter shows its value of the day and its history; a topic needs `regime`; a regime shows
    what it asks; a service how it classifies. Raises UsageFault for a name that is none of these.
    """
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    if name in {p.id for p in rules.parameters}:
        return _parameter(rules.parameter(name), day, rules)
    topics = {t.id: t.label for t in rules.topics}
    if name in topics:
        if regime is None:
            raise UsageFault("a topic needs a regime", name, "add --regime REGIME")
        state = rules.regime(regime).at(day)
        if isinstance(state, Gap) and state.kind == "not_in_force":
            return gap_reason(rules.regime(regime).name, state)
        found = cell(name, regime, day, rules)
        label, owner = topics[name], rules.regime(regime).name
        return said(f"{owner.en}: {label.en}", f"{owner.ja}：{label.ja}", found.reason)
    if name in {r.id for r in rules.regimes}:
        return _regime(name, day, rules)
    if name in services():
        return classify_service(name, day, rules).classification.reason
    known = [p.id for p in rules.parameters] + list(topics) + [r.id for r in rules.regimes]
    todo = did_you_mean(name, known + list(services()))
    if not todo.startswith("did"):
        todo = "give a parameter, a topic with --regime, a regime or a service"
    raise UsageFault("nothing of this name to explain", name, todo)


def _parameter(parameter: Parameter, day: dt.date, rules: RuleBase) -> Reason:
    today = value_at(rules, parameter.id, day).reason()
    history = []
    spans: list[tuple[dt.date, dt.date | None, ValuePeriod | Gap]] = []
    spans += [(p.valid_from, p.valid_to, p) for p in parameter.periods]
    spans += [(g.start, g.end, g) for g in parameter.gaps]
    for start, end, state in sorted(spans, key=lambda s: s[0]):
        value = Value(parameter, start, state)
        until = end or f"{rules.covered_to} at least"
        history.append(
            said(f"{start} to {until}: {value.text()}", f"{start}～{end or ''}：{value.text('ja')}")
        )
    effect = said(parameter.effect.en, parameter.effect.ja)
    past = said("over time", "経過", *history)
    return said(f"{parameter.id} on {day}", f"{parameter.id}（{day}）", today, effect, past)


def _regime(name: str, day: dt.date, rules: RuleBase) -> Reason:
    regime = rules.regime(name)
    state = regime.at(day)
    if isinstance(state, Gap):
        own = gap_reason(regime.name, state)
        if not exists(regime, day):
            return own
    else:
        own = period_reason(regime.name, state)
    found = obligations(name, day, rules)
    labels = {t.id: t.label for t in rules.topics}
    topics = [said(labels[c.topic].en, labels[c.topic].ja, c.reason) for c in found.cells]
    outage = [said(d.label, d.label, d.reason) for d in found.outage]
    parts = [own, *topics]
    if outage:
        parts.append(said("when its system fails", "システム障害時", *outage))
    if found.powers:
        parts.append(said("powers of the supervisor", "監督権限", *found.powers))
    return said(f"{regime.name.en} on {day}", f"{regime.name.ja}（{day}）", *parts)
