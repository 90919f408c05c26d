"""Remittance: money moved for users. Which license, and since 2021-05-01 which of three types?"""

from __future__ import annotations

import datetime as dt

from analysis.licenses.activity import Activity, Limit
from analysis.licenses.comparison import cell
from analysis.licenses.model import Gap, RuleBase
from analysis.licenses.parts import Part
from analysis.licenses.prepaid import NO_LIMIT_JPY
from analysis.licenses.reasons import Reason, Value, clause_reason, said, value_at

TYPES = ("funds_transfer_1", "funds_transfer_2", "funds_transfer_3")


def remittance_part(activity: Activity, on: dt.date, rules: RuleBase) -> Part | None:
    """Return the remittance part of an activity; None when no money is moved, or a bank does it."""
    if activity.remits is not True or activity.takes_deposits:
        return None
    _, basis = clause_reason(rules.clause("remittance_is_banking"), on)
    return funds_transfer(activity, on, rules, basis)


def funds_transfer(activity: Activity, on: dt.date, rules: RuleBase, basis: Reason) -> Part:
    """Return the license that remittance needs on a day; `basis` says why it is remittance."""
    single = rules.regime("funds_transfer").at(on)
    if not isinstance(single, Gap):
        return _single_type(activity.max_transfer_jpy, on, rules, basis)
    return _three_types(activity, on, rules, basis)


def _single_type(cap: Limit, on: dt.date, rules: RuleBase, basis: Reason) -> Part:
    limit = value_at(rules, "transfer_cap_single_jpy", on)
    entry = cell("entry", "funds_transfer", on, rules).reason
    within = _within(limit, cap)
    if within is False:
        reason = said("above the cap only a bank may remit", "上限を超える為替取引は銀行のみ")
        bank = cell("entry", "bank", on, rules).reason
        tree = said(reason.en, reason.ja, basis, _shown(limit, cap), bank)
        return Part(("bank",), tree)
    tree = said(
        "money is moved for users: funds transfer",
        "利用者の資金を移動させる：資金移動業",
        basis,
        _shown(limit, cap),
        entry,
    )
    question = f"max_transfer_jpy: a transfer above {limit.text()} would need a bank"
    return Part(("funds_transfer",), tree, () if within else (question,))


def _three_types(activity: Activity, on: dt.date, rules: RuleBase, basis: Reason) -> Part:
    cap, debt = activity.max_transfer_jpy, activity.max_user_debt_jpy
    cap2 = value_at(rules, "transfer_cap_type2_jpy", on)
    cap3 = value_at(rules, "transfer_cap_type3_jpy", on)
    owed = value_at(rules, "user_debt_cap_type3_jpy", on)
    reasons = [basis, _shown(cap3, cap), _shown(cap2, cap)]
    if cap is None:
        question = "max_transfer_jpy: the type of funds transfer depends on it"
        tree = said("funds transfer; the type is open", "資金移動業（種別は未確定）", *reasons)
        return Part(TYPES, tree, (question,), settled=False)
    if not _within(cap2, cap):
        return _typed(
            "funds_transfer_1", "above the cap of type 2", "第二種の上限超", on, rules, reasons
        )
    if not _within(cap3, cap):
        return _typed(
            "funds_transfer_2", "within the cap of type 2", "第二種の上限内", on, rules, reasons
        )
    reasons.append(owed.reason(_number(debt)) if debt is not None else owed.reason())
    too_much = owed.test(_number(debt)) if debt is not None else None
    if too_much is None:
        question = "max_user_debt_jpy: type 3 may not owe a user more than " + owed.text()
        tree = said("type 3, or type 2 if more is owed", "第三種（債務額により第二種）", *reasons)
        return Part(TYPES[1:], tree, (question,), settled=False)
    if too_much:
        en = "within the cap of type 3, but more is owed to a user than type 3 may owe: type 2"
        return _typed("funds_transfer_2", en, "第三種の債務上限超", on, rules, reasons)
    return _typed(
        "funds_transfer_3", "within the caps of type 3", "第三種の上限内", on, rules, reasons
    )


def _typed(
    regime: str, en: str, ja: str, on: dt.date, rules: RuleBase, reasons: list[Reason]
) -> Part:
    entry = cell("entry", regime, on, rules).reason
    return Part((regime,), said(en, ja, *reasons, entry))


def _within(value: Value, limit: Limit) -> bool | None:
    return None if limit is None else value.test(_number(limit))


def _shown(value: Value, limit: Limit) -> Reason:
    return value.reason() if limit is None else value.reason(_number(limit))


def _number(limit: Limit) -> int:
    return limit if isinstance(limit, int) else NO_LIMIT_JPY
