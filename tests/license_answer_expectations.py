"""The answers the law gives at every threshold and in worked cases, written down by hand.

Asked through the public questions of `analysis.licenses`; the values themselves, by date, are in
`license_expectations`, and so is how a line cites its articles.
"""

# ruff: noqa: E501 - a table reads best as one line a row

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from license_expectations import Expectation, rows

from analysis.licenses import (
    activity_from,
    assets_sufficient,
    classify,
    compare,
    notification_required,
)
from analysis.licenses.model import RuleBase
from analysis.licenses.permissions import Facts, kyc_required, permitted
from analysis.licenses.preservation import deposit, preserve

Ask = Callable[[RuleBase], Any]

BEFORE_TYPES, TYPES = "2021-04-30", "2021-05-01"
HIGH_VALUE, CROSS_BORDER = "2023-06-01", "2026-06-01"

# question | articles | at | answers one below, at and one above
THRESHOLDS = """
base amount 2010-09-30 | PSA-Order art. 6; PSA art. 14(1); PSA art. 5(1) | 10000000 | 0 | 0 | 5000000.5
base amount 2018-09-30 | PSA-Order art. 6; PSA art. 14(1); PSA art. 5(1) | 10000000 | 0 | 0 | 5000000.5
base amount 2026-03-31 | PSA-Order art. 6; PSA art. 14(1); PSA art. 5(1) | 10000000 | 0 | 0 | 5000000.5
high-value, each | PPI-Ord art. 5-2(1)(i)(a) | 100000 | no | no | yes
high-value, month | PPI-Ord art. 5-2(1)(i)(b) | 300000 | no | no | yes
high-value, account | PPI-Ord art. 5-3(1); PSA art. 3(9) | 300000 | no | no | yes
high-value, code | PPI-Ord art. 5-2(1)(ii)(a) | 100000 | no | no | yes
high-value, code month | PPI-Ord art. 5-2(1)(ii)(b) | 300000 | no | no | yes
high-value, brand recorded | PPI-Ord art. 5-2(2)(i) | 300000 | no | no | yes
high-value, brand spent | PPI-Ord art. 5-2(2)(iii) | 300000 | no | no | yes
cap of the single type | PSA Suppl. Act 50/2020 art. 7(1) | 1000000 | yes | yes | no
cap of type 2 | PSA-Order art. 12-2(1); PSA art. 36-2(2) | 1000000 | yes | yes | no
cap of type 3 | PSA-Order art. 12-2(2); PSA art. 36-2(3) | 50000 | yes | yes | no
type by cap | PSA-Order art. 12-2(1); PSA art. 36-2(2) | 1000000 | funds_transfer_2 | funds_transfer_2 | funds_transfer_1
type 3 by cap | PSA-Order art. 12-2(2); PSA art. 36-2(3) | 50000 | funds_transfer_3 | funds_transfer_3 | funds_transfer_2
debt of type 3 | PSA-Order art. 17-2; PSA art. 51-3 | 50000 | yes | yes | no
purpose check of type 2 | FT-Ord art. 30-2(1) | 1000000 | no | no | yes
cash identification | AML-Order art. 7(1)(i)(ケ) | 100000 | no | no | yes
refund share of issue | PPI-Ord art. 42(1)(i) | 200 | yes | yes | no
refund share of balance | PPI-Ord art. 42(1)(ii) | 50 | yes | yes | no
exempt validity | PSA-Order art. 4(2); PSA art. 4(ii) | 6 | none | none | prepaid_own
holding of type 1 | FT-Ord art. 32-2(2)(i) | 2 | yes | yes | no
cost formula | FT-Ord art. 11(6)(i); FT-Ord art. 11(6)(ii) | 100000000 | 104999998.95 | 105000000 | 105000001.01
floor of one type | PSA-Order art. 14(i); PSA art. 43(2); FT-Ord art. 11(6)(i) | 9523809 | 10000000 | 10000000 | 10000000.5
joint floor | PSA-Order art. 17-3(2)(i) | 9523809 | 10000000 | 10000000 | 10000000.5
joint floor, a type outside | PSA-Order art. 17-3(2)(iii) | 6342857 | 6660000 | 6660000 | 6660000.9
notification of an own-type issuer | PSA art. 5(1); PSA-Order art. 6 | 10000000 | no | no | yes
net assets, general | PSA-Order art. 5(1)(iii); PSA art. 10(1)(ii)(a) | 100000000 | no | yes | yes
net assets, one municipality | PSA-Order art. 5(1)(i) | 10000000 | no | yes | yes
capital of a bank | Bank-Order art. 3; Bank art. 5(1) | 2000000000 | no | yes | yes
"""

# worked case | articles | answer
CASES = """
1 yen third-party | PSA art. 7 | prepaid_third_party
1 yen no deposit | PSA art. 14(1) | 0
base dates | PSA art. 3(2) | 2018-09-30
base date in spring | PSA art. 3(2) | 2018-03-31
extra base dates | PSA art. 29-2(1) | 2026-09-30
extra base date of December | PSA art. 29-2(1) | 2026-12-31
extra base date of June | PSA art. 29-2(1) | 2026-06-30
half of 40 million | PSA art. 14(1) | 20000000
floor | PSA-Order art. 14(i) | 10000000
80 million | FT-Ord art. 11(6)(i) | 84000000
100 million | FT-Ord art. 11(6)(i); FT-Ord art. 11(6)(ii) | 105000000
150 million | FT-Ord art. 11(6)(ii) | 155500000
three types | PSA-Order art. 14(i) | 3330000
two types | PSA-Order art. 14(i) | 5000000
all in bank deposits | PSA-Order art. 14(ii) | 0
deadline of type 1 | FT-Ord art. 11(1) | within 2 business days of each business day
deadline of type 2 | FT-Ord art. 11(2); PSA art. 43(1)(ii) | within 3 business days of the end of a calculation period of at most 1 week
single type: the floor bounds | PSA Suppl. Act 50/2020 art. 10(1) | 10000000
single type: period | PSA Suppl. Act 50/2020 art. 10(2) | calculation period: 1 week
type 3 with a balance | PSA art. 51-3; PSA-Order art. 17-2 | no
split bill before | FT-Ord art. 1-2(ii); PSA art. 2-2(i) | collection_agency
split bill after | FT-Ord art. 1-2(ii); PSA art. 2-2(i) | funds_transfer_2
wide prepaid before | PSA art. 3(8)(i); PSA-Order Suppl. Order 186/2023 art. 1 | no
wide prepaid after | PSA art. 3(8)(i); PSA-Order Suppl. Order 186/2023 art. 1 | yes
cross-border before | PSA art. 2-2(ii); FT-Ord art. 1-3(1) | collection_agency
cross-border after | PSA art. 2-2(ii); FT-Ord art. 1-3(1) | funds_transfer_2
Kyash 2018 | PSA art. 20(5); PSA art. 7; AML art. 2(2)(xxx-2) | prepaid_third_party, cash-out no, kyc no
net assets, local non-profit | PSA-Order art. 5(1)(ii) | yes
net assets said | PSA-Order art. 5(1)(iii); PSA art. 10(1)(ii)(a) | net assets of at least ¥100,000,000; less where use is local
capital said | Bank-Order art. 3; Bank art. 5(1) | capital of at least ¥2,000,000,000
penalty said | PSA art. 107 | without registration: up to 3 years or ¥3,000,000, or both
"""

_NOW = "2026-08-12"


def threshold_expectations() -> list[Expectation]:
    """Every threshold one yen (or one unit) below, at and above, asked through the answers."""
    return [
        _expected(
            f"{name} at {int(at) + step:,}", articles, _THRESHOLDS[name](int(at) + step), want
        )
        for name, articles, at, *wants in rows(THRESHOLDS)
        for step, want in zip((-1, 0, 1), wants, strict=True)
    ]


def case_expectations() -> list[Expectation]:
    """The worked cases, and single answers that no threshold gives."""
    return [_expected(name, articles, _CASES[name], want) for name, articles, want in rows(CASES)]


def _expected(name: str, articles: str, ask: Ask, want: str) -> Expectation:
    """An answer is compared as the table writes it: amounts exactly, all else as text."""
    places = frozenset(a.strip() for a in articles.split(";"))
    return Expectation(name, places, lambda r: _told(ask(r), want), want)


def _told(answer: Any, want: str) -> str:
    if isinstance(answer, tuple):
        return " and ".join(answer)
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    if isinstance(answer, int | Fraction):
        return want if Fraction(want) == answer else str(answer)
    return str(answer)


def wallet(**limits: Any) -> Any:
    """A reloadable, transferable third-party wallet with a ceiling above the high-value limit."""
    base = {"holds_value": True, "usable_at": "others", "transferable": True, "reloadable": True}
    return activity_from({**base, "account_ceiling_jpy": 300_001, **limits})


def _required(yen: int, **options: Any) -> Ask:
    return lambda r: preserve(yen, _NOW, rules=r, **options).value


def _deposit(yen: int, on: str) -> Ask:
    return lambda r: deposit(yen, on, rules=r).value


def _base_date(on: str, **options: Any) -> Ask:
    return lambda r: deposit(1, on, rules=r, **options).extra["base_date"]


def _deadline(regime: str) -> Ask:
    return lambda r: preserve(1, _NOW, regime=regime, rules=r).extra["deadline"][regime]


def _single(what: str) -> Ask:
    return lambda r: preserve(5_000_000, "2018-11-03", rules=r).extra[what]


def _may(operation: str, regime: str, yen: int, on: str = _NOW, **facts: Any) -> Ask:
    return lambda r: permitted(operation, regime, on, yen, Facts(**facts), rules=r).verdict


def _refund(**facts: int) -> Ask:
    return _may("cash_out", "prepaid_third_party", 0, **facts)


def _purpose_check(yen: int) -> Ask:
    held = "hold_balance", "funds_transfer_2", _NOW, yen
    return lambda r: permitted(*held, rules=r).extra["purpose_check"]


def _identified(yen: int) -> Ask:
    return lambda r: kyc_required("funds_transfer_2", _NOW, "cash_transfer", yen, rules=r).verdict


def _notified(yen: int) -> Ask:
    return lambda r: notification_required(yen, "2018-09-30", rules=r).verdict


def _enough(regime: str, yen: int, area: str = "general") -> Ask:
    return lambda r: assets_sufficient(regime, _NOW, yen, area=area, rules=r).verdict


def _regimes(features: dict[str, Any], on: str = _NOW) -> Ask:
    return lambda r: classify(activity_from(features), on, r).regimes


def _remits(yen: int) -> Ask:
    return _regimes({"remits": True, "max_user_debt_jpy": 0, "max_transfer_jpy": yen})


def _high(on: str = _NOW, **limits: Any) -> Ask:
    return lambda r: classify(wallet(**limits), on, r).regimes == ("prepaid_high_value",)


def _sends(each: int, month: int, on: str = _NOW, **more: Any) -> Ask:
    return _high(on, transfer_each_jpy=each, transfer_month_jpy=month, **more)


def _code(each: int, month: int) -> Ask:
    return _high(transferable=False, code_each_jpy=each, code_month_jpy=month)


def _brand(recorded: int, spent: int) -> Ask:
    amounts = {"brand_recorded_month_jpy": recorded, "brand_spent_month_jpy": spent}
    return _high(transferable=False, **amounts)


def _split_bill(on: str, **more: int) -> Ask:
    what = {"collects": True, "payee": "consumer", "claim": "split_bill", "cross_border": False}
    return _regimes({**what, "max_transfer_jpy": 100_000, **more}, on)


def _cross_border(on: str, **more: int) -> Ask:
    what = {"collects": True, "payee": "business", "cross_border": True}
    return _regimes(
        {**what, "cross_border_excepted": False, "max_transfer_jpy": 100_000, **more}, on
    )


def _said(topic: str, regime: str) -> Ask:
    return lambda r: compare(_NOW, r).cell(topic, regime).en


def _kyash_2018(rules: RuleBase) -> str:
    kyash = {"holds_value": True, "usable_at": "others", "transferable": True, "pays_out": False}
    found = classify(activity_from(kyash), "2018-11-03", rules)
    return f"{' and '.join(found.regimes)}, cash-out {found.cash_out}, kyc {found.kyc}"


_THRESHOLDS: dict[str, Callable[[int], Ask]] = {
    "base amount 2010-09-30": lambda n: _deposit(n, "2010-09-30"),
    "base amount 2018-09-30": lambda n: _deposit(n, "2018-09-30"),
    "base amount 2026-03-31": lambda n: _deposit(n, "2026-03-31"),
    "high-value, each": lambda n: _sends(n, 300_000),
    "high-value, month": lambda n: _sends(100_000, n),
    "high-value, account": lambda n: _sends(100_001, 300_000, account_ceiling_jpy=n),
    "high-value, code": lambda n: _code(n, 300_000),
    "high-value, code month": lambda n: _code(100_000, n),
    "high-value, brand recorded": lambda n: _brand(n, 400_000),
    "high-value, brand spent": lambda n: _brand(400_000, n),
    "cap of the single type": lambda n: _may("transfer", "funds_transfer", n, "2018-11-03"),
    "cap of type 2": lambda n: _may("transfer", "funds_transfer_2", n),
    "cap of type 3": lambda n: _may("transfer", "funds_transfer_3", n),
    "type by cap": _remits,
    "type 3 by cap": _remits,
    "debt of type 3": lambda n: _may("hold_balance", "funds_transfer_3", n),
    "purpose check of type 2": _purpose_check,
    "cash identification": _identified,
    "refund share of issue": lambda n: _refund(refunded_jpy=n, issued_before_jpy=1_000),
    "refund share of balance": lambda n: _refund(refunded_jpy=n, balance_before_jpy=1_000),
    "exempt validity": lambda n: _regimes(
        {"holds_value": True, "usable_at": "issuer", "expires_after_months": n}
    ),
    "holding of type 1": lambda n: _may(
        "hold_balance", "funds_transfer_1", 1, full_contract=True, months=n
    ),
    "cost formula": _required,
    "floor of one type": _required,
    "joint floor": lambda n: _required(n, types=2, joint=True),
    "joint floor, a type outside": lambda n: _required(
        n, types=2, joint=True, type_outside_joint=True
    ),
    "notification of an own-type issuer": _notified,
    "net assets, general": lambda n: _enough("prepaid_third_party", n),
    "net assets, one municipality": lambda n: _enough("prepaid_third_party", n, "one_municipality"),
    "capital of a bank": lambda n: _enough("bank", n),
}

_CASES: dict[str, Ask] = {
    "1 yen third-party": _regimes(
        {"holds_value": True, "usable_at": "others", "transferable": True, "pays_out": False}
    ),
    "1 yen no deposit": _deposit(1, _NOW),
    "base dates": _base_date("2018-11-03"),
    "base date in spring": _base_date("2018-04-15"),
    "extra base dates": _base_date("2026-10-15", extra_base_dates=True),
    "extra base date of December": _base_date("2026-12-31", extra_base_dates=True),
    "extra base date of June": _base_date("2026-08-12", extra_base_dates=True),
    "half of 40 million": _deposit(40_000_000, "2018-09-30"),
    "floor": _required(5_000_000),
    "80 million": _required(80_000_000),
    "100 million": _required(100_000_000),
    "150 million": _required(150_000_000),
    "three types": _required(0, types=3),
    "two types": _required(0, types=2),
    "all in bank deposits": _required(0, regime="funds_transfer_3", bank_deposit_percent=100),
    "deadline of type 1": _deadline("funds_transfer_1"),
    "deadline of type 2": _deadline("funds_transfer_2"),
    "single type: the floor bounds": _single("at_least_jpy"),
    "single type: period": lambda r: _single("deadline")(r)["funds_transfer"],
    "type 3 with a balance": _may("transfer", "funds_transfer_3", 50_000, balance_jpy=1),
    "split bill before": _split_bill(BEFORE_TYPES),
    "split bill after": _split_bill(TYPES, max_user_debt_jpy=0),
    "wide prepaid before": _sends(100_001, 300_001, "2023-05-31"),
    "wide prepaid after": _sends(100_001, 300_001, HIGH_VALUE),
    "cross-border before": _cross_border("2026-05-31"),
    "cross-border after": _cross_border(CROSS_BORDER, max_user_debt_jpy=0),
    "Kyash 2018": _kyash_2018,
    "net assets, local non-profit": _enough("prepaid_third_party", 0, "local_nonprofit"),
    "net assets said": _said("minimum_assets", "prepaid_third_party"),
    "capital said": _said("minimum_assets", "bank"),
    "penalty said": _said("penalty", "prepaid_third_party"),
}
