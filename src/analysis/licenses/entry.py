"""Thresholds of entry: when an own-type issuer must notify, and which assets a license needs."""

from __future__ import annotations

import datetime as dt

from analysis.licenses.comparison import cell, exists
from analysis.licenses.model import Gap, RuleBase
from analysis.licenses.preservation import base_date
from analysis.licenses.reasons import (
    Answer,
    a_day,
    an_amount,
    gap_reason,
    rules_or_default,
    said,
    value_at,
)
from runlog.errors import UsageFault

_AREAS = {
    "general": "prepaid_net_assets_general_jpy",
    "one_municipality": "prepaid_net_assets_one_municipality_jpy",
    "local_nonprofit": "prepaid_net_assets_local_nonprofit_jpy",
}


def notification_required(
    unused_balance_jpy: int, on: dt.date | str, *, rules: RuleBase | None = None
) -> Answer:
    """Return whether an own-type issuer must notify: `yes`, `no`, `unknown` (PSA 5(1)).

    The balance (whole yen) is that of the base date on or before the day; the duty arises the
    first time it exceeds the base amount.
    """
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    balance = an_amount(unused_balance_jpy, "the unused balance")
    base, dates = base_date(day, rules=rules)
    entry = cell("entry", "prepaid_own", day, rules).reason
    if base < rules.covered_from:
        return Answer(
            "unknown", said("no base date under the Act yet", "基準日未到来", dates, entry)
        )
    bound = value_at(rules, "prepaid_base_balance_jpy", base)
    due = bound.test(balance)
    en, ja = ("notification is due", "届出が必要") if due else ("no notification", "届出不要")
    tree = said(en, ja, dates, bound.reason(balance), entry)
    return Answer("yes" if due else "no", tree, extra={"base_date": base})


def assets_sufficient(
    regime: str,
    on: dt.date | str,
    assets_jpy: int,
    *,
    area: str = "general",
    rules: RuleBase | None = None,
) -> Answer:
    """Return whether net assets, for a bank capital, are enough to enter: `yes`, `no`, `unknown`.

    `area` is for third-party prepaid: `general`, `one_municipality`, or `local_nonprofit` (all five
    tests of PSA-Order 5(1)(ii) met). A regime that did not exist answers `not_in_force`.
    """
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    assets = an_amount(assets_jpy, "the assets")
    owner = rules.regime(regime)
    if not exists(owner, day):
        state = owner.at(day)
        assert isinstance(state, Gap)
        return Answer("not_in_force", gap_reason(owner.name, state))
    if area not in _AREAS:
        raise UsageFault("no such area of use", area, "give one of: " + ", ".join(_AREAS))
    name = "bank_capital_jpy" if regime == "bank" else _AREAS[area]
    rule = cell("minimum_assets", regime, day, rules)
    if regime not in ("prepaid_third_party", "prepaid_high_value", "bank"):
        return Answer("yes" if rule.answer == "none" else "unknown", rule.reason)
    value = value_at(rules, name, day)
    verdict = {True: "yes", False: "no", None: "unknown"}[value.test(assets)]
    return Answer(verdict, said(rule.en, rule.ja, value.reason(assets), rule.reason))
