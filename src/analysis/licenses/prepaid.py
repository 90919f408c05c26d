"""Prepaid value: is the chapter on prepaid instruments met, and by which of its three types?"""

from __future__ import annotations

import datetime as dt

from analysis.licenses.activity import Activity, Limit
from analysis.licenses.comparison import cell
from analysis.licenses.model import Gap, RuleBase
from analysis.licenses.parts import Part
from analysis.licenses.reasons import Reason, Value, clause_reason, gap_reason, said, value_at

NO_LIMIT_JPY = 10**15
"""Stands for "no limit" in comparisons: more yen than there are."""


def prepaid_part(activity: Activity, on: dt.date, rules: RuleBase) -> Part | None:
    """Return the prepaid part of an activity, None when no value is held."""
    if activity.holds_value is not True:
        return None
    _, definition = clause_reason(rules.clause("prepaid_definition"), on)
    if activity.pays_out and activity.remits is not True:
        return _freely_refunded(on, rules, definition)
    exempt = _exemption(activity, on, rules)
    if exempt:
        return exempt
    if activity.usable_at is None:
        question = "usable_at: with the issuer only, or with others?"
        open_ = said("where the value can be used is not known", "利用先が不明", definition)
        return Part(("unknown",), open_, (question,), settled=False)
    regime = "prepaid_own" if activity.usable_at == "issuer" else "prepaid_third_party"
    entry = _rule_reason("entry", regime, on, rules)
    kind = _rule_reason("definition", regime, on, rules)
    if regime == "prepaid_own":
        tree = said(
            "the value pays only with its issuer", "自家型に当たる", definition, kind, entry
        )
        return Part((regime,), tree)
    high, high_reason, questions = high_value(activity, on, rules)
    if high:
        regime = "prepaid_high_value"
        entry = _rule_reason("entry", regime, on, rules)
    tree = said(
        "the value pays with others than its issuer",
        "第三者型に当たる",
        definition,
        kind,
        entry,
        high_reason,
    )
    return Part((regime,), tree, questions)


def high_value(
    activity: Activity, on: dt.date, rules: RuleBase
) -> tuple[bool | None, Reason, tuple[str, ...]]:
    """Return whether third-party value is of the high-value type: yes, no or None (open).

    The account ceiling and one of the limits of transfer must both be exceeded (PSA 3(8)-(9),
    PPI-Ord 5-2 and 5-3); the value must be reloadable, and transferable, recorded by notified
    codes, or a brand prepaid value.
    """
    state = rules.regime("prepaid_high_value").at(on)
    if isinstance(state, Gap):
        return False, gap_reason(rules.regime("prepaid_high_value").name, state), ()
    ceiling = value_at(rules, "high_value_account_ceiling_jpy", on)
    outcomes = {
        "account_ceiling_jpy": _exceeds(ceiling, activity.account_ceiling_jpy),
        "reloadable": activity.reloadable,
        "limits of transfer, code or brand": _movement(activity, on, rules),
    }
    reasons = [_limit_reason(ceiling, activity.account_ceiling_jpy)]
    for name, given in _limits_given(activity).items():
        reasons.append(_limit_reason(value_at(rules, name, on), given))
    if False in outcomes.values():
        en, ja = "not of the high-value type", "高額電子移転可能型に当たらない"
        return False, said(en, ja, *reasons), ()
    if None in outcomes.values():
        missing = tuple(
            f"{name}: whether the high-value type is met is open"
            for name, outcome in outcomes.items()
            if outcome is None
        )
        en, ja = "whether it is of the high-value type is open", "高額電子移転可能型か否かは未確定"
        return None, said(en, ja, *reasons), missing
    return True, said("of the high-value type", "高額電子移転可能型に当たる", *reasons), ()


def _movement(activity: Activity, on: dt.date, rules: RuleBase) -> bool | None:
    """Whether the limits of transfer, of notified codes, or of a brand card exceed the law's."""

    def exceeds(name: str, limit: Limit) -> bool | None:
        return _exceeds(value_at(rules, name, on), limit)

    transfer = _any(
        exceeds("high_value_transfer_each_jpy", activity.transfer_each_jpy),
        exceeds("high_value_transfer_month_jpy", activity.transfer_month_jpy),
    )
    if activity.transferable is False:
        transfer = False
    elif activity.transferable is None and transfer is True:
        transfer = None
    ways = [transfer]
    if activity.code_each_jpy is not None or activity.code_month_jpy is not None:
        code_each = exceeds("high_value_code_each_jpy", activity.code_each_jpy)
        code_month = exceeds("high_value_code_month_jpy", activity.code_month_jpy)
        ways.append(_any(code_each, code_month))
    if activity.brand_recorded_month_jpy is not None or activity.brand_spent_month_jpy is not None:
        recorded = exceeds("high_value_brand_recorded_month_jpy", activity.brand_recorded_month_jpy)
        spent = exceeds("high_value_brand_spent_month_jpy", activity.brand_spent_month_jpy)
        both = (recorded, spent)
        ways.append(False if False in both else None if None in both else True)
    return _any(*ways)


def _exemption(activity: Activity, on: dt.date, rules: RuleBase) -> Part | None:
    months = activity.expires_after_months
    if isinstance(months, int):
        value = value_at(rules, "prepaid_exempt_validity_months", on)
        if value.test(months):
            reason = said("exempt: short validity", "適用除外（有効期間）", value.reason(months))
            return Part(("none",), reason)
    if activity.exempt_kind:
        _, reason = clause_reason(rules.clause("prepaid_other_exemptions"), on)
        return Part(("none",), reason)
    return None


def _freely_refunded(on: dt.date, rules: RuleBase, definition: Reason) -> Part:
    """Value that users may cash out as they wish is not what the chapter on prepaid allows."""
    ban = _rule_reason("cash_out", "prepaid_third_party", on, rules)
    question = "remits: is the money moved to others? Then it is funds transfer; else it may be "
    question += "deposit-taking, which these rules do not settle"
    reason = said(
        "value that can be cashed out freely is against the refund ban on prepaid value",
        "自由に払い戻せる価値は前払式の払戻禁止に反する",
        definition,
        ban,
    )
    return Part(("unknown",), reason, (question,), settled=False)


def _rule_reason(topic: str, regime: str, on: dt.date, rules: RuleBase) -> Reason:
    return cell(topic, regime, on, rules).reason


def _limits_given(activity: Activity) -> dict[str, Limit]:
    given: dict[str, Limit] = {
        "high_value_transfer_each_jpy": activity.transfer_each_jpy,
        "high_value_transfer_month_jpy": activity.transfer_month_jpy,
    }
    others: dict[str, Limit] = {
        "high_value_code_each_jpy": activity.code_each_jpy,
        "high_value_code_month_jpy": activity.code_month_jpy,
        "high_value_brand_recorded_month_jpy": activity.brand_recorded_month_jpy,
        "high_value_brand_spent_month_jpy": activity.brand_spent_month_jpy,
    }
    return given | {name: limit for name, limit in others.items() if limit is not None}


def _limit_reason(value: Value, limit: Limit) -> Reason:
    if limit is None:
        return value.reason()
    return value.reason(NO_LIMIT_JPY) if limit == "none" else value.reason(limit)


def _exceeds(value: Value, limit: Limit) -> bool | None:
    if limit is None:
        return None
    return value.test(NO_LIMIT_JPY if limit == "none" else limit)


def _any(*outcomes: bool | None) -> bool | None:
    if True in outcomes:
        return True
    return None if None in outcomes else False
