"""What a regime lets an operator do on a day, amount by amount, and when it must identify users."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from analysis.licenses.comparison import Cell, cell
from analysis.licenses.model import Bilingual, Clause, Gap, RuleBase
from analysis.licenses.reasons import (
    Answer,
    Reason,
    a_day,
    an_amount,
    clause_reason,
    gap_reason,
    rules_or_default,
    said,
    value_at,
)
from runlog.errors import BadData, UsageFault, did_you_mean


@dataclass(frozen=True)
class Facts:
    """Facts of one case, all optional; amounts in whole yen.

    Attributes:
        balance_jpy: what the operator already owes the user.
        refunded_jpy: refunds of the current half-year, this one included.
        issued_before_jpy: issue of the previous half-year.
        balance_before_jpy: unused balance on the base date before the current half-year.
        because: why a refund is made: `business_ended`, `hardship`, `unauthorised_access`
            (approved by the FSA).
        for_transfers: the money held is for transfers.
        full_contract, months: type 1 holding under a contract of PSA 45-3 to 45-5, and how long.
        guarantee: preservation by guarantee contract, debt assumption or guarantee to users.
    """

    balance_jpy: int = 0
    refunded_jpy: int | None = None
    issued_before_jpy: int | None = None
    balance_before_jpy: int | None = None
    because: str | None = None
    for_transfers: bool | None = None
    full_contract: bool = False
    months: int | None = None
    guarantee: bool | None = None

    def __post_init__(self) -> None:
        for name in ("balance_jpy", "refunded_jpy", "issued_before_jpy", "balance_before_jpy"):
            value = getattr(self, name)
            if value is not None:
                an_amount(value, name)
        if self.because is not None and self.because not in _REFUND_CLAUSES:
            raise BadData("unknown reason of a refund", self.because, ", ".join(_REFUND_CLAUSES))


def permitted(
    operation: str,
    regime: str,
    on: dt.date | str,
    amount_jpy: int | None = None,
    facts: Facts | None = None,
    *,
    rules: RuleBase | None = None,
) -> Answer:
    """Return `yes`, `no`, `unknown` or `not_in_force`: does a regime permit an operation?

    Operations: `cash_out`, `transfer`, `hold_balance`, `lend`, `pay_interest`, `fund_by_card`.
    `transfer` and `hold_balance` need `amount_jpy`. Raises UsageFault for an unknown name, BadData
    for an impossible amount or day.
    """
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    if operation not in _OPERATIONS:
        todo = did_you_mean(operation, list(_OPERATIONS))
        raise UsageFault("no such operation", operation, todo)
    amount = None if amount_jpy is None else an_amount(amount_jpy, "the amount")
    state = rules.regime(regime).at(day)
    if isinstance(state, Gap) and state.kind == "not_in_force":
        return Answer("not_in_force", gap_reason(rules.regime(regime).name, state))
    if amount is None and operation in ("transfer", "hold_balance"):
        raise UsageFault("an amount is needed", operation, "give whole yen")
    case = _Case(regime, day, amount or 0, facts or Facts(), rules)
    return _OPERATIONS[operation](case)


def kyc_required(
    regime: str,
    on: dt.date | str,
    event: str = "account",
    amount_jpy: int | None = None,
    *,
    rules: RuleBase | None = None,
) -> Answer:
    """Return whether users must be identified: `yes`, `no`, `unknown`, `not_in_force`.

    Events: `account` (a wallet, account or continuing contract is opened) and `cash_transfer` (a
    one-off transfer in cash of `amount_jpy`).
    """
    rules = rules_or_default(rules)
    day = a_day(on, rules)
    if event not in ("account", "cash_transfer"):
        raise UsageFault("no such event", event, "give account or cash_transfer")
    state = rules.regime(regime).at(day)
    if isinstance(state, Gap) and state.kind == "not_in_force":
        return Answer("not_in_force", gap_reason(rules.regime(regime).name, state))
    found = cell("kyc", regime, day, rules)
    if event == "account" or found.answer != "yes" or regime == "prepaid_high_value":
        return _coded(found, {"yes": "yes", "no": "no"})
    if amount_jpy is None:
        raise UsageFault("an amount is needed", event, "give whole yen")
    amount = an_amount(amount_jpy, "the amount")
    bound = value_at(rules, "one_off_cash_kyc_jpy", day)
    verdict = {True: "yes", False: "no", None: "unknown"}[bound.test(amount)]
    tree = said(found.en, found.ja, bound.reason(amount), found.reason)
    return Answer(verdict, tree, verdict == "yes")


@dataclass(frozen=True)
class _Case:
    regime: str
    on: dt.date
    amount: int
    facts: Facts
    rules: RuleBase

    def cell(self, topic: str) -> Cell:
        return cell(topic, self.regime, self.on, self.rules)

    def clause(self, name: str) -> tuple[bool, Reason]:
        clause: Clause = self.rules.clause(name)
        return clause_reason(clause, self.on)


def _cash_out(case: _Case) -> Answer:
    found = case.cell("cash_out")
    if found.answer != "prohibited":
        return _coded(found, {"permitted": "yes"})
    exceptions = [*_refund_reasons(case), *_refund_shares(case)]
    met = [reason for holds, reason in exceptions if holds]
    if met:
        return Answer(
            "yes", said("an exception to the refund ban", "払戻禁止の例外", *met, found.reason)
        )
    others = [reason for _, reason in exceptions]
    tree = said(
        "refunds are banned, no exception shown", "払戻しは禁止（例外なし）", found.reason, *others
    )
    return Answer("no", tree)


def _refund_reasons(case: _Case) -> list[tuple[bool, Reason]]:
    if case.facts.because is None:
        return []
    return [case.clause(_REFUND_CLAUSES[case.facts.because])]


def _refund_shares(case: _Case) -> list[tuple[bool, Reason]]:
    facts = case.facts
    if facts.refunded_jpy is None:
        return []
    found = []
    bases = {
        "prepaid_refund_issue_ratio": facts.issued_before_jpy,
        "prepaid_refund_balance_ratio": facts.balance_before_jpy,
    }
    for name, base in bases.items():
        value = value_at(case.rules, name, case.on)
        if base:
            share = Fraction(facts.refunded_jpy, base)
            label = value.parameter.label
            outcome = f"{facts.refunded_jpy:,} of {base:,} yen"
            text = Bilingual(en=f"{label.en}: {outcome}", ja=f"{label.ja}：{outcome}")
            reason = said(text.en, text.ja, value.reason())
            found.append((value.test(share) is True, reason))
        elif facts.refunded_jpy == 0 and base == 0:
            found.append((True, value.reason()))
    return found


def _transfer(case: _Case) -> Answer:
    found = case.cell("transfer_cap")
    name = TRANSFER_CAPS.get(case.regime)
    if name is None:
        return _coded(found, {"none": "yes", "own_plan": "yes"})
    cap = value_at(case.rules, name, case.on)
    within = cap.test(case.amount)
    reasons = [cap.reason(case.amount), found.reason]
    if within and case.regime == "funds_transfer_3":
        owed = case.facts.balance_jpy + case.amount
        limit = value_at(case.rules, "user_debt_cap_type3_jpy", case.on)
        reasons.insert(1, limit.reason(owed))
        within = not limit.test(owed)
    verdict = {True: "yes", False: "no", None: "unknown"}[within]
    words = {"yes": ("allowed", "可"), "no": ("not allowed", "不可")}
    return Answer(verdict, said(*words.get(verdict, ("unknown", "不明")), *reasons))


def _hold_balance(case: _Case) -> Answer:
    found = case.cell("holding")
    facts = case.facts
    if found.answer in ("allowed", "deposits", "no_rule"):
        return Answer("yes", found.reason)
    if found.answer == "capped":
        limit = value_at(case.rules, "user_debt_cap_type3_jpy", case.on)
        owed = facts.balance_jpy + case.amount
        verdict = "no" if limit.test(owed) else "yes"
        return Answer(verdict, said(found.en, found.ja, limit.reason(owed), found.reason))
    if found.answer == "allowed_if_for_transfers":
        return _hold_type2(case, found)
    if found.answer == "limited" and facts.full_contract and facts.months is not None:
        limit = value_at(case.rules, "type1_holding_months", case.on)
        verdict = "yes" if limit.test(facts.months) else "no"
        return Answer(verdict, said(found.en, found.ja, limit.reason(facts.months), found.reason))
    return Answer("no" if found.answer in ("forbidden", "limited") else "unknown", found.reason)


def _hold_type2(case: _Case, found: Cell) -> Answer:
    if case.facts.for_transfers is False:
        _, returned = case.clause("idle_money_returned")
        return Answer("no", said(returned.en, returned.ja, returned, found.reason))
    owed = case.facts.balance_jpy + case.amount
    bound = value_at(case.rules, "user_balance_check_type2_jpy", case.on)
    check = bound.test(owed) is True
    en = "may stay; the operator must be able to check its purpose" if check else "may stay"
    ja = "可（確認体制が必要）" if check else "可"
    tree = said(en, ja, bound.reason(owed), found.reason)
    return Answer("yes", tree, extra={"purpose_check": check})


def _lend(case: _Case) -> Answer:
    found = case.cell("lending")
    if found.answer == "barred_with_guarantee" and case.facts.guarantee:
        return Answer("no", found.reason)
    return _coded(found, {"allowed": "yes"})


def _pay_interest(case: _Case) -> Answer:
    return _coded(case.cell("interest"), {"allowed": "yes"})


def _fund_by_card(case: _Case) -> Answer:
    return _coded(case.cell("card_funding"), {"not_by_practice": "no"})


def _coded(found: Cell, codes: dict[str, str]) -> Answer:
    return Answer(codes.get(found.answer, "unknown"), found.reason)


_REFUND_CLAUSES = {
    "business_ended": "refund_on_closing",
    "hardship": "refund_hardship",
    "unauthorised_access": "refund_unauthorised_access",
}
TRANSFER_CAPS = {
    "funds_transfer": "transfer_cap_single_jpy",
    "funds_transfer_2": "transfer_cap_type2_jpy",
    "funds_transfer_3": "transfer_cap_type3_jpy",
}
_OPERATIONS: dict[str, Callable[[_Case], Answer]] = {
    "cash_out": _cash_out,
    "transfer": _transfer,
    "hold_balance": _hold_balance,
    "lend": _lend,
    "pay_interest": _pay_interest,
    "fund_by_card": _fund_by_card,
}
