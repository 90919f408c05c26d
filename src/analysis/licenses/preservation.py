"""How much of customers' money must be preserved, and by when.

Prepaid: at least half of the unused balance of a base date, if that exceeds the base amount (PSA
14(1)). Funds transfer: all undelivered debts plus the cost of returning them, at least the floor
(PSA 43, PSA-Order 14, FT-Ord 11). Amounts are exact: the statute rounds neither the half nor the
cost, so half a yen stays half a yen and is said.
"""

from __future__ import annotations

import datetime as dt
import math
from fractions import Fraction

from analysis.licenses.comparison import cell
from analysis.licenses.model import Gap, Number, RuleBase
from analysis.licenses.reasons import (
    Answer,
    Reason,
    Value,
    a_day,
    an_amount,
    clause_reason,
    rules_or_default,
    said,
    value_at,
)
from analysis.licenses.words import exact, plain_number, yen_exact
from runlog.errors import BadData, UsageFault

FUNDS_TYPES = ("funds_transfer_1", "funds_transfer_2", "funds_transfer_3")
_DEADLINES = {
    "funds_transfer_1": "deposit_time_type1_business_days",
    "funds_transfer_2": "deposit_time_types23_business_days",
    "funds_transfer_3": "deposit_time_types23_business_days",
}
BUSINESS_DAYS_NOTE = (
    "Business days leave out Saturdays, Sundays, national holidays, 2 and 3 January and 29 to 31 "
    "December; the time is never longer than one week (FT-Ord 11(1), (2))."
)


def deposit(
    unused_balance_jpy: int,
    on: dt.date | str,
    *,
    extra_base_dates: bool = False,
    rules: RuleBase | None = None,
) -> Answer:
    """Return what a prepaid issuer must preserve for an unused balance (whole yen).

    The duty looks at base dates: for another day the balance is taken as that of the base date
    before it, and `extra["base_date"]` says which. `extra_base_dates`: the issuer has opted for
    four base dates a year (PSA 29-2). `value` is the smallest lawful amount, exact; None unknown.
    """
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    balance = an_amount(unused_balance_jpy, "the unused balance")
    base, dates_reason = base_date(day, extra=extra_base_dates, rules=rules)
    if base < rules.covered_from:
        en = "no base date under the Act yet: the first was 2010-09-30 (earlier law not examined)"
        reason = said(en, "法施行後の基準日未到来（旧法は未確認）", dates_reason)
        return Answer("unknown", reason, extra={"base_date": base})
    bound = value_at(rules, "prepaid_base_balance_jpy", base)
    share = value_at(rules, "prepaid_deposit_ratio", base)
    extra: dict[str, object] = {"base_date": base}
    steps = [dates_reason, bound.reason(balance)]
    if not bound.test(balance):
        tree = said("nothing need be preserved", "供託義務なし", *steps)
        return Answer("no", tree, Fraction(0), extra=extra)
    required = balance * Fraction(share.number)
    extra["required_whole_yen"] = math.ceil(required)
    if required.denominator != 1:
        extra["rounding"] = "the statute does not round; the whole-yen amount is the next above"
    routes = "by deposit, guarantee contract (PSA 15) or trust (PSA 16)"
    tree = said(
        f"at least {yen_exact(required)} must be preserved, {routes}",
        f"{exact(required)}円以上を供託・保全契約・信託により保全",
        *steps,
        share.reason(),
    )
    return Answer("yes", tree, required, extra=extra)


def preserve(
    undelivered_jpy: int,
    on: dt.date | str,
    *,
    types: int = 1,
    regime: str | None = None,
    bank_deposit_percent: int = 0,
    joint: bool = False,
    type_outside_joint: bool = False,
    rules: RuleBase | None = None,
) -> Answer:
    """Return what a funds-transfer operator must preserve for undelivered debts (whole yen).

    Args:
        types: how many types it runs, not counting a type 3 kept wholly as bank deposits.
        regime: its type; None gives the deadlines of all.
        bank_deposit_percent: type 3 only, the share kept as bank deposits (PSA 45-2).
        joint: the joint-deposit option (PSA 58-2); the debts are then those of all types in it.
        type_outside_joint: another type, not wholly kept as bank deposits, stays outside it.

    `value` is the exact amount; None when the facts do not settle it, then `extra["at_least_jpy"]`
    gives a lower bound where there is one. Raises BadData or UsageFault for what cannot be.
    """
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    debts = an_amount(undelivered_jpy, "the undelivered amount")
    _check_options(day, types, regime, bank_deposit_percent, joint, type_outside_joint, rules)
    single = not isinstance(rules.regime("funds_transfer").at(day), Gap)
    covered = Fraction(debts) * (100 - bank_deposit_percent) / 100
    cost, cost_reasons = _return_cost(covered, day, rules)
    if single:
        floor, floor_reasons = _known(value_at(rules, "preservation_floor_single_jpy", day))
    elif joint:
        name = "joint_floor_one_outside_jpy" if type_outside_joint else "joint_floor_jpy"
        floor, floor_reasons = _known(value_at(rules, name, day))
    else:
        floor, floor_reasons = _floor(types, bank_deposit_percent == 100, day, rules)
    extra = _deadlines(regime, single, day, rules)
    steps = [*cost_reasons, *floor_reasons]
    if single:
        steps.insert(0, cell("preservation", "funds_transfer", day, rules).reason)
    if cost is None or floor is None:
        return _open(covered, floor, steps, extra)
    total = covered + cost
    required = max(floor, total)
    which = "the floor" if total <= floor else "debts plus cost of return"
    if required.denominator != 1:
        extra["required_whole_yen"] = math.ceil(required)
        extra["rounding"] = "the text does not round; the whole-yen amount is the next above"
    tree = said(
        f"at least {yen_exact(required)} must be preserved ({which})",
        f"{exact(required)}円以上を保全",
        *steps,
    )
    return Answer("yes", tree, required, extra=extra)


def preservation_required(
    regime: str, amount_jpy: int, on: dt.date | str, *, rules: RuleBase | None = None
) -> Answer:
    """Return what must be preserved under a regime: of an unused balance, or of undelivered debts.

    Raises UsageFault for a regime that does not exist on the day.
    """
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    state = rules.regime(regime).at(day)
    if isinstance(state, Gap) and state.kind == "not_in_force":
        raise UsageFault(f"{regime} did not exist on this day", day, state.reason.en)
    if regime.startswith("prepaid"):
        return deposit(amount_jpy, day, rules=rules)
    if regime.startswith("funds_transfer"):
        chosen = None if regime == "funds_transfer" else regime
        return preserve(amount_jpy, day, regime=chosen, rules=rules)
    found = cell("preservation", regime, day, rules)
    none = found.answer == "none"
    return Answer("no" if none else "unknown", found.reason, Fraction(0) if none else None)


def as_number(answer: Answer) -> int | float | None:
    """Return the required amount for JSON: whole yen when whole, None when unknown."""
    return None if answer.value is None else plain_number(answer.value)


def base_date(day: dt.date, *, extra: bool = False, rules: RuleBase) -> tuple[dt.date, Reason]:
    """Return the last base date on or before a day, with its reason.

    Before 2010-09-30 that is a day before the Act: the caller must look.
    """
    names = ["prepaid_base_dates"] + (["prepaid_extra_base_dates"] if extra else [])
    month_days: list[str] = []
    reasons = []
    for name in names:
        value = value_at(rules, name, day)
        if isinstance(value.state, Gap):
            raise BadData("extra base dates are not known for this day", day, value.text())
        assert isinstance(value.state.value, tuple)
        month_days += value.state.value
        reasons.append(value.reason())
    candidates = [dt.date.fromisoformat(f"{y}-{md}") for y in _years(day) for md in month_days]
    base = max(d for d in candidates if d <= day)
    en = f"base date {base}" + ("" if base == day else f": the last one before {day}")
    return base, said(en, f"基準日 {base}", *reasons)


def _years(day: dt.date) -> tuple[int, int]:
    return day.year - 1, day.year


def _return_cost(
    debts: Fraction, day: dt.date, rules: RuleBase
) -> tuple[Fraction | None, list[Reason]]:
    """FT-Ord 11(6): 5 % up to the bound, above it a fixed sum plus 1 % of the excess."""
    bound = value_at(rules, "return_cost_bound_jpy", day)
    _, due = clause_reason(rules.clause("return_cost_is_due"), day)
    within = bound.test(debts)
    if within is None:
        return None, [due, bound.reason()]
    if within:
        share = value_at(rules, "return_cost_ratio", day)
        return debts * share.number, [due, bound.reason(debts), share.reason()]
    base = value_at(rules, "return_cost_base_jpy", day)
    excess = value_at(rules, "return_cost_excess_ratio", day)
    cost = base.number + (debts - bound.number) * excess.number
    return cost, [due, bound.reason(debts), base.reason(), excess.reason()]


def _floor(
    types: int, all_bank_deposit: bool, day: dt.date, rules: RuleBase
) -> tuple[Fraction | None, list[Reason]]:
    """PSA-Order 14: the floor divided by the number of types, cut to a multiple of the unit."""
    if all_bank_deposit:
        return _known(value_at(rules, "preservation_floor_bank_deposit_jpy", day))
    whole = value_at(rules, "preservation_floor_jpy", day)
    unit = value_at(rules, "preservation_floor_cut_jpy", day)
    share = Fraction(whole.number) / types
    rest = share % unit.number
    cut = share - rest if unit.test(rest) else share
    divided = said(
        f"floor for {types} type(s): {yen_exact(cut)}",
        f"種別数{types}の最低額：{int(cut):,}円",
        whole.reason(),
        unit.reason(),
    )
    return cut, [divided]


def _known(value: Value) -> tuple[Fraction | None, list[Reason]]:
    return (Fraction(value.number) if value.known else None), [value.reason()]


def _open(
    debts: Fraction, floor: Fraction | None, steps: list[Reason], extra: dict[str, object]
) -> Answer:
    en, ja = "the exact amount is not settled by the facts", "正確な額は確認資料では確定できない"
    questions = ("the cost of the return procedure on this day is not known",)
    if floor is not None:
        least: Number = max(debts, floor)
        extra["at_least_jpy"] = plain_number(least)
        en += f"; at least {yen_exact(least)} (all debts, and the floor)"
    return Answer("unknown", said(en, ja, *steps), None, questions, extra)


def _deadlines(
    regime: str | None, single: bool, day: dt.date, rules: RuleBase
) -> dict[str, object]:
    if single:
        period = value_at(rules, "calculation_period_single_weeks", day)
        return {"deadline": {"funds_transfer": f"calculation period: {period.text()}"}}
    period = value_at(rules, "calculation_period_types23_weeks", day)
    wanted = (regime,) if regime else FUNDS_TYPES
    texts = {}
    for name in wanted:
        time = value_at(rules, _DEADLINES[name], day).text()
        after = f"the end of a calculation period of at most {period.text()}"
        after = "each business day" if name == "funds_transfer_1" else after
        texts[name] = f"within {time} of {after}"
    return {"deadline": texts, "business_days": BUSINESS_DAYS_NOTE}


def _check_options(
    day: dt.date,
    types: int,
    regime: str | None,
    bank_deposit_percent: int,
    joint: bool,
    type_outside_joint: bool,
    rules: RuleBase,
) -> None:
    three = isinstance(rules.regime("funds_transfer").at(day), Gap)
    most = len(FUNDS_TYPES) if three else 1
    if isinstance(types, bool) or not isinstance(types, int) or not 1 <= types <= most:
        raise BadData("no such number of types on this day", types, f"give 1 to {most}")
    if regime is not None and regime not in FUNDS_TYPES:
        rules.regime(regime)
        raise UsageFault("not a type of funds transfer", regime, ", ".join(FUNDS_TYPES))
    if regime is not None and not three:
        raise UsageFault("the types began on 2021-05-01", day, "leave the type out")
    if not 0 <= bank_deposit_percent <= 100:
        raise BadData("not a percentage", bank_deposit_percent, "give 0 to 100")
    if bank_deposit_percent and regime != "funds_transfer_3":
        raise BadData("bank deposits are for type 3 only", regime, "give funds_transfer_3")
    if (joint or type_outside_joint) and types < 2:
        raise BadData("joint deposit needs two types or more", types, "give --types 2 or 3")
    if type_outside_joint and not joint:
        raise BadData("a type outside the joint deposit needs one", "", "give --joint as well")
