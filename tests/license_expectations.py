"""What the law says, written down a second time and by hand: the data are tested against this.

Every line cites the article it was taken from. Nothing here is read from data/licenses.
"""

# ruff: noqa: E501 - a table reads best as one line a row

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from analysis.licenses import (
    activity_from,
    assets_sufficient,
    classify,
    compare,
    notification_required,
)
from analysis.licenses.model import Gap, RuleBase
from analysis.licenses.permissions import Facts, kyc_required, permitted
from analysis.licenses.preservation import deposit, preserve
from analysis.licenses.reasons import value_at

FIRST, LAST = "2010-04-01", "2026-12-31"
BEFORE_TYPES, TYPES = "2021-04-30", "2021-05-01"
HIGH_VALUE, CROSS_BORDER = "2023-06-01", "2026-06-01"
PSA_READ, BANK_ORDER_READ, GUIDELINE_READ = "2026-08-12", "2026-05-25", "2026-08-17"
KNOWN_2018 = "2018-11-01"

# parameter | articles | word | first day | last day | value
PARAMETERS = """
prepaid_base_balance_jpy                 | PSA-Order art. 6; PSA art. 14(1); PSA art. 5(1) | 超える | 2010-04-01 | 2026-12-31 | 10000000
prepaid_deposit_ratio                    | PSA art. 14(1)                       | 以上     | 2010-04-01 | 2026-12-31 | 1/2
prepaid_base_dates                       | PSA art. 3(2)                        | none     | 2010-04-01 | 2026-12-31 | 03-31 09-30
prepaid_extra_base_dates                 | PSA art. 29-2(1)                     | none     | 2026-08-12 | 2026-12-31 | 06-30 12-31
prepaid_net_assets_general_jpy           | PSA-Order art. 5(1)(iii); PSA art. 10(1)(ii)(a) | 以上 | 2018-11-01 | 2026-12-31 | 100000000
prepaid_net_assets_one_municipality_jpy  | PSA-Order art. 5(1)(i)               | 以上     | 2026-06-01 | 2026-12-31 | 10000000
prepaid_net_assets_local_nonprofit_jpy   | PSA-Order art. 5(1)(ii)              | 以上     | 2026-06-01 | 2026-12-31 | 0
prepaid_exempt_validity_months           | PSA-Order art. 4(2); PSA art. 4(ii)  | 期間内   | 2010-04-01 | 2026-12-31 | 6
prepaid_refund_issue_ratio               | PPI-Ord art. 42(1)(i)                | 超えない | 2010-04-01 | 2026-12-31 | 20/100
prepaid_refund_balance_ratio             | PPI-Ord art. 42(1)(ii)               | 超えない | 2010-04-01 | 2026-12-31 | 5/100
high_value_transfer_each_jpy             | PPI-Ord art. 5-2(1)(i)(a)            | 超える   | 2023-06-01 | 2026-12-31 | 100000
high_value_transfer_month_jpy            | PPI-Ord art. 5-2(1)(i)(b)            | 超える   | 2023-06-01 | 2026-12-31 | 300000
high_value_account_ceiling_jpy           | PPI-Ord art. 5-3(1); PSA art. 3(9)   | 超える   | 2023-06-01 | 2026-12-31 | 300000
high_value_code_each_jpy                 | PPI-Ord art. 5-2(1)(ii)(a)           | 超える   | 2023-06-01 | 2026-12-31 | 100000
high_value_code_month_jpy                | PPI-Ord art. 5-2(1)(ii)(b)           | 超える   | 2023-06-01 | 2026-12-31 | 300000
high_value_brand_recorded_month_jpy      | PPI-Ord art. 5-2(2)(i)               | 超える   | 2023-06-01 | 2026-12-31 | 300000
high_value_brand_spent_month_jpy         | PPI-Ord art. 5-2(2)(iii)             | 超える   | 2023-06-01 | 2026-12-31 | 300000
transfer_cap_single_jpy                  | PSA Suppl. Act 50/2020 art. 7(1)     | 以下     | 2010-04-01 | 2021-04-30 | 1000000
transfer_cap_type2_jpy                   | PSA-Order art. 12-2(1); PSA art. 36-2(2) | 以下 | 2021-05-01 | 2026-12-31 | 1000000
transfer_cap_type3_jpy                   | PSA-Order art. 12-2(2); PSA art. 36-2(3) | 以下 | 2021-05-01 | 2026-12-31 | 50000
user_debt_cap_type3_jpy                  | PSA-Order art. 17-2; PSA art. 51-3   | 超える   | 2021-05-01 | 2026-12-31 | 50000
user_balance_check_type2_jpy             | FT-Ord art. 30-2(1)                  | 超える   | 2021-05-01 | 2026-12-31 | 1000000
preservation_floor_single_jpy            | PSA Suppl. Act 50/2020 art. 10(1)    | 以下     | 2018-11-01 | 2021-04-30 | 10000000
preservation_floor_jpy                   | PSA-Order art. 14(i); PSA art. 43(2) | 以下     | 2021-05-01 | 2026-12-31 | 10000000
preservation_floor_cut_jpy               | PSA-Order art. 14(i)                 | 未満     | 2021-05-01 | 2026-12-31 | 10000
preservation_floor_bank_deposit_jpy      | PSA-Order art. 14(ii)                | 以下     | 2021-05-01 | 2026-12-31 | 0
return_cost_bound_jpy                    | FT-Ord art. 11(6)(i); FT-Ord art. 11(6)(ii) | 以下 | 2026-06-01 | 2026-12-31 | 100000000
return_cost_ratio                        | FT-Ord art. 11(6)(i)                 | none     | 2026-06-01 | 2026-12-31 | 5/100
return_cost_base_jpy                     | FT-Ord art. 11(6)(ii)                | none     | 2026-06-01 | 2026-12-31 | 5000000
return_cost_excess_ratio                 | FT-Ord art. 11(6)(ii)                | none     | 2026-06-01 | 2026-12-31 | 1/100
deposit_time_type1_business_days         | FT-Ord art. 11(1)                    | 期間内   | 2021-05-01 | 2026-12-31 | 2
deposit_time_types23_business_days       | FT-Ord art. 11(2)                    | 期間内   | 2021-05-01 | 2026-12-31 | 3
calculation_period_types23_weeks         | PSA art. 43(1)(ii)                   | 以内     | 2021-05-01 | 2026-12-31 | 1
calculation_period_single_weeks          | PSA Suppl. Act 50/2020 art. 10(2)    | none     | 2018-11-01 | 2021-04-30 | 1
type1_holding_months                     | FT-Ord art. 32-2(2)(i)               | 超えない | 2026-06-01 | 2026-12-31 | 2
joint_floor_jpy                          | PSA-Order art. 17-3(2)(i)            | 以下     | 2021-05-01 | 2026-12-31 | 10000000
joint_floor_one_outside_jpy              | PSA-Order art. 17-3(2)(iii)          | 以下     | 2021-05-01 | 2026-12-31 | 6660000
one_off_cash_kyc_jpy                     | AML-Order art. 7(1)(i)(ケ)           | 超える   | 2026-05-25 | 2026-12-31 | 100000
bank_capital_jpy                         | Bank-Order art. 3; Bank art. 5(1)    | 以上     | 2026-05-25 | 2026-12-31 | 2000000000
bank_capital_lowest_order_jpy            | Bank art. 5(2)           | 下回つてはならない | 2026-08-12 | 2026-12-31 | 1000000000
penalty_unregistered_prepaid_years       | PSA art. 107                         | 以下     | 2026-08-12 | 2026-12-31 | 3
penalty_unregistered_prepaid_jpy         | PSA art. 107                         | 以下     | 2026-08-12 | 2026-12-31 | 3000000
penalty_type1_unapproved_years           | PSA art. 108                         | 以下     | 2026-08-12 | 2026-12-31 | 2
penalty_type1_unapproved_jpy             | PSA art. 108                         | 以下     | 2026-08-12 | 2026-12-31 | 3000000
penalty_unlicensed_banking_years         | Bank art. 61                         | 以下     | 2026-08-12 | 2026-12-31 | 3
penalty_unlicensed_banking_jpy           | Bank art. 61                         | 以下     | 2026-08-12 | 2026-12-31 | 3000000
outage_status_report_months              | FSA-05 Ⅱ-3-1-1-3(2)①                 | 以内     | 2026-08-17 | 2026-12-31 | 1
"""

# in force | act | article
AMENDMENTS = """
2010-04-01 | Act 59/2009 | PSA-Order Suppl. art. 1
2017-04-01 | Act 62/2016 | PSA-Order Suppl. Order 47/2017 art. 1
2018-06-01 | Act 49/2017 | PSA-Order Suppl. Order 173/2018 art. 1
2020-05-01 | Act 28/2019 | PSA-Order Suppl. Order 142/2020 art. 1
2021-05-01 | Act 50/2020 | PSA-Order Suppl. Order 52/2021 art. 1
2023-06-01 | Act 61/2022 | PSA-Order Suppl. Order 186/2023 art. 1
2026-06-01 | Act 66/2025 | PSA Suppl. Act 66/2025 art. 1
2026-08-12 | Act 64/2026 | PSA Suppl. Act 64/2026 art. 1
"""

# transition rule | article | value | unit | first day | last day ("" open)
TRANSITIONS = """
phased_deposit_first               | PSA Suppl. art. 11(3)             | 1/6 | ratio         | 2010-09-30 | 2011-03-30
phased_deposit_second              | PSA Suppl. art. 11(3)             | 2/6 | ratio         | 2011-03-31 | 2011-09-29
registration_grace_2010            | PSA Suppl. art. 8(1)              | 6   | months        | 2010-04-01 | 2010-09-30
deemed_type2                       | PSA Suppl. Act 50/2020 art. 7(1)  | funds_transfer_2 | regime | 2021-05-01 |
deemed_period_weeks                | PSA Suppl. Act 50/2020 art. 10(2) | 1   | weeks         | 2021-05-01 |
deemed_period_trust_business_days  | PSA Suppl. Act 50/2020 art. 12(3) | 1   | business days | 2021-05-01 |
high_value_grace_years             | PSA Suppl. Act 61/2022 art. 2(1)  | 2   | years         | 2023-06-01 | 2025-05-31
high_value_notice_weeks            | PSA Suppl. Act 61/2022 art. 3(1)  | 2   | weeks         | 2023-06-01 | 2023-06-14
cross_border_grace_months          | PSA Suppl. Act 66/2025 art. 2(1)  | 6   | months        | 2026-06-01 | 2026-11-30
cross_border_grace_pending_years   | PSA Suppl. Act 66/2025 art. 2(2)  | 2   | years         | 2026-06-01 | 2028-05-31
"""


@dataclass(frozen=True)
class Expectation:
    """One fact of the law: the articles it stands in, and a question whose answer must be `want`."""

    name: str
    articles: frozenset[str]
    ask: Callable[[RuleBase], Any]
    want: Any

    def met(self, rules: RuleBase) -> bool:
        """Return whether the rules give the expected answer; an error is none."""
        try:
            return bool(self.ask(rules) == self.want)
        except Exception:
            return False


def rows(table: str) -> list[list[str]]:
    """Return the cells of a table of this module."""
    lines = [line for line in table.strip().splitlines() if line.strip()]
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def day(text: str, shift: int = 0) -> dt.date:
    """Return a date, shifted by days."""
    return dt.date.fromisoformat(text) + dt.timedelta(days=shift)


def wallet(**limits: Any) -> Any:
    """A reloadable, transferable third-party wallet with a ceiling above the high-value limit."""
    base = {"holds_value": True, "usable_at": "others", "transferable": True, "reloadable": True}
    return activity_from({**base, "account_ceiling_jpy": 300_001, **limits})


def state_of(rules: RuleBase, name: str, on: dt.date) -> tuple[str, str]:
    """Return (value as text, word) of a parameter on a day, or ("gap", kind)."""
    found = value_at(rules, name, on).state
    if isinstance(found, Gap):
        return "gap", ""
    value = found.value
    return (" ".join(value) if isinstance(value, tuple) else str(value)), found.word


def parameter_expectations() -> list[Expectation]:
    """The table above, asked on the first and last day of each value and on the days beside them."""
    found = []
    for name, places, word, start, end, value in rows(PARAMETERS):
        articles = frozenset(p.strip() for p in places.split(";"))
        want = (value, word)
        asked = [(day(start), want), (day(end), want)]
        if start != FIRST:
            asked.append((day(start, -1), ("gap", "")))
            asked.append((day(FIRST), ("gap", "")))
        if end != LAST:
            asked.append((day(end, 1), ("gap", "")))
            asked.append((day(LAST), ("gap", "")))
        for on, state in asked:
            found.append(
                Expectation(
                    f"{name} on {on}",
                    articles,
                    lambda r, n=name, d=on: state_of(r, n, d),
                    state,
                )
            )
        found.append(
            Expectation(
                f"{name} begins and ends",
                articles,
                lambda r, n=name: [(p.valid_from, p.valid_to) for p in r.parameter(n).periods],
                [(day(start), None if end == LAST else day(end))],
            )
        )
    return found


def _e(name: str, article: str, ask: Callable[[RuleBase], Any], want: Any) -> Expectation:
    return Expectation(name, frozenset(a.strip() for a in article.split(";")), ask, want)


def _required(yen: int, on: str, **options: Any) -> Callable[[RuleBase], Any]:
    return lambda r: preserve(yen, on, rules=r, **options).value


def _deposit(yen: int, on: str) -> Callable[[RuleBase], Any]:
    return lambda r: deposit(yen, on, rules=r).value


def _may(operation: str, regime: str, on: str, yen: int, **facts: Any) -> Callable[[RuleBase], Any]:
    return lambda r: permitted(operation, regime, on, yen, Facts(**facts), rules=r).verdict


def _regimes(features: dict[str, Any], on: str) -> Callable[[RuleBase], Any]:
    return lambda r: classify(activity_from(features), on, r).regimes


def _high(on: str = "2026-08-12", **limits: Any) -> Callable[[RuleBase], Any]:
    return lambda r: classify(wallet(**limits), on, r).regimes == ("prepaid_high_value",)


def threshold_expectations() -> list[Expectation]:
    """Every threshold one yen (or one unit) below, at and above, asked through the answers."""
    now = "2026-08-12"
    remit = {"remits": True, "max_user_debt_jpy": 0}
    each, month = "transfer_each_jpy", "transfer_month_jpy"
    code = {"transferable": False}
    brand = {"transferable": False, "brand_spent_month_jpy": 400_000}
    brand_spent = {"transferable": False, "brand_recorded_month_jpy": 400_000}
    found = []

    def three(
        name: str,
        article: str,
        ask: Callable[[int], Callable[[RuleBase], Any]],
        at: int,
        *want: Any,
    ) -> None:
        for step, answer in zip((-1, 0, 1), want, strict=True):
            found.append(_e(f"{name} at {at + step:,}", article, ask(at + step), answer))

    for on in ("2010-09-30", "2018-09-30", "2026-03-31"):
        three(
            f"base amount {on}",
            "PSA-Order art. 6; PSA art. 14(1); PSA art. 5(1)",
            lambda n, d=on: _deposit(n, d),
            10_000_000,
            Fraction(0),
            Fraction(0),
            Fraction(10_000_001, 2),
        )
    three(
        "high-value, each",
        "PPI-Ord art. 5-2(1)(i)(a)",
        lambda n: _high(**{each: n, month: 300_000}),
        100_000,
        False,
        False,
        True,
    )
    three(
        "high-value, month",
        "PPI-Ord art. 5-2(1)(i)(b)",
        lambda n: _high(**{each: 100_000, month: n}),
        300_000,
        False,
        False,
        True,
    )
    three(
        "high-value, account",
        "PPI-Ord art. 5-3(1); PSA art. 3(9)",
        lambda n: _high(account_ceiling_jpy=n, **{each: 100_001, month: 300_000}),
        300_000,
        False,
        False,
        True,
    )
    three(
        "high-value, code",
        "PPI-Ord art. 5-2(1)(ii)(a)",
        lambda n: _high(**code, code_each_jpy=n, code_month_jpy=300_000),
        100_000,
        False,
        False,
        True,
    )
    three(
        "high-value, code month",
        "PPI-Ord art. 5-2(1)(ii)(b)",
        lambda n: _high(**code, code_each_jpy=100_000, code_month_jpy=n),
        300_000,
        False,
        False,
        True,
    )
    three(
        "high-value, brand recorded",
        "PPI-Ord art. 5-2(2)(i)",
        lambda n: _high(**brand, brand_recorded_month_jpy=n),
        300_000,
        False,
        False,
        True,
    )
    three(
        "high-value, brand spent",
        "PPI-Ord art. 5-2(2)(iii)",
        lambda n: _high(**brand_spent, brand_spent_month_jpy=n),
        300_000,
        False,
        False,
        True,
    )
    for regime, on, cap, article in (
        ("funds_transfer", "2018-11-03", 1_000_000, "PSA Suppl. Act 50/2020 art. 7(1)"),
        ("funds_transfer_2", now, 1_000_000, "PSA-Order art. 12-2(1); PSA art. 36-2(2)"),
        ("funds_transfer_3", now, 50_000, "PSA-Order art. 12-2(2); PSA art. 36-2(3)"),
    ):
        three(
            f"cap of {regime}",
            article,
            lambda n, r=regime, d=on: _may("transfer", r, d, n),
            cap,
            "yes",
            "yes",
            "no",
        )
    three(
        "type by cap",
        "PSA-Order art. 12-2(1); PSA art. 36-2(2)",
        lambda n: _regimes({**remit, "max_transfer_jpy": n}, now),
        1_000_000,
        ("funds_transfer_2",),
        ("funds_transfer_2",),
        ("funds_transfer_1",),
    )
    three(
        "type 3 by cap",
        "PSA-Order art. 12-2(2); PSA art. 36-2(3)",
        lambda n: _regimes({**remit, "max_transfer_jpy": n}, now),
        50_000,
        ("funds_transfer_3",),
        ("funds_transfer_3",),
        ("funds_transfer_2",),
    )
    three(
        "debt of type 3",
        "PSA-Order art. 17-2; PSA art. 51-3",
        lambda n: _may("hold_balance", "funds_transfer_3", now, n),
        50_000,
        "yes",
        "yes",
        "no",
    )
    three(
        "purpose check of type 2",
        "FT-Ord art. 30-2(1)",
        lambda n: (
            lambda r: permitted("hold_balance", "funds_transfer_2", now, n, rules=r).extra[
                "purpose_check"
            ]
        ),
        1_000_000,
        False,
        False,
        True,
    )
    three(
        "cash identification",
        "AML-Order art. 7(1)(i)(ケ)",
        lambda n: (
            lambda r: kyc_required("funds_transfer_2", now, "cash_transfer", n, rules=r).verdict
        ),
        100_000,
        "no",
        "no",
        "yes",
    )
    three(
        "refund share of issue",
        "PPI-Ord art. 42(1)(i)",
        lambda n: _may(
            "cash_out", "prepaid_third_party", now, 0, refunded_jpy=n, issued_before_jpy=1_000
        ),
        200,
        "yes",
        "yes",
        "no",
    )
    three(
        "refund share of balance",
        "PPI-Ord art. 42(1)(ii)",
        lambda n: _may(
            "cash_out", "prepaid_third_party", now, 0, refunded_jpy=n, balance_before_jpy=1_000
        ),
        50,
        "yes",
        "yes",
        "no",
    )
    three(
        "exempt validity",
        "PSA-Order art. 4(2); PSA art. 4(ii)",
        lambda n: _regimes(
            {"holds_value": True, "usable_at": "issuer", "expires_after_months": n}, now
        ),
        6,
        ("none",),
        ("none",),
        ("prepaid_own",),
    )
    three(
        "holding of type 1",
        "FT-Ord art. 32-2(2)(i)",
        lambda n: _may("hold_balance", "funds_transfer_1", now, 1, full_contract=True, months=n),
        2,
        "yes",
        "yes",
        "no",
    )
    three(
        "cost formula",
        "FT-Ord art. 11(6)(i); FT-Ord art. 11(6)(ii)",
        lambda n: _required(n, now),
        100_000_000,
        Fraction(104_999_998_95, 100),
        105_000_000,
        Fraction(105_000_001_01, 100),
    )
    three(
        "floor of one type",
        "PSA-Order art. 14(i); PSA art. 43(2); FT-Ord art. 11(6)(i)",
        lambda n: _required(n, now),
        9_523_809,
        10_000_000,
        10_000_000,
        Fraction(100_000_005, 10),
    )
    three(
        "joint floor",
        "PSA-Order art. 17-3(2)(i)",
        lambda n: _required(n, now, types=2, joint=True),
        9_523_809,
        10_000_000,
        10_000_000,
        Fraction(100_000_005, 10),
    )
    # 6,342,857 x 1.05 = 6,659,999.85; 6,342,858 x 1.05 = 6,660,000.9
    three(
        "joint floor, a type outside",
        "PSA-Order art. 17-3(2)(iii)",
        lambda n: _required(n, now, types=2, joint=True, type_outside_joint=True),
        6_342_857,
        6_660_000,
        6_660_000,
        Fraction(66_600_009, 10),
    )
    own = "PSA art. 5(1); PSA-Order art. 6"
    three(
        "notification of an own-type issuer",
        own,
        lambda n: lambda r: notification_required(n, "2018-09-30", rules=r).verdict,
        10_000_000,
        "no",
        "no",
        "yes",
    )
    for area, article, least in (
        ("general", "PSA-Order art. 5(1)(iii); PSA art. 10(1)(ii)(a)", 100_000_000),
        ("one_municipality", "PSA-Order art. 5(1)(i)", 10_000_000),
    ):
        three(
            f"net assets, {area}",
            article,
            lambda n, a=area: (
                lambda r: assets_sufficient("prepaid_third_party", now, n, area=a, rules=r).verdict
            ),
            least,
            "no",
            "yes",
            "yes",
        )
    three(
        "capital of a bank",
        "Bank-Order art. 3; Bank art. 5(1)",
        lambda n: lambda r: assets_sufficient("bank", now, n, rules=r).verdict,
        2_000_000_000,
        "no",
        "yes",
        "yes",
    )
    found.append(
        _e(
            "net assets, local non-profit",
            "PSA-Order art. 5(1)(ii)",
            lambda r: (
                assets_sufficient(
                    "prepaid_third_party", now, 0, area="local_nonprofit", rules=r
                ).verdict
            ),
            "yes",
        )
    )
    return found


def case_expectations() -> list[Expectation]:
    """The worked cases, and single answers that no threshold gives."""
    now = "2026-08-12"
    collector = {
        "collects": True,
        "payee": "consumer",
        "claim": "split_bill",
        "cross_border": False,
    }
    border = {"collects": True, "payee": "business", "cross_border": True}
    border["cross_border_excepted"] = False
    cap = {"max_transfer_jpy": 100_000}
    wide = {"transfer_each_jpy": 100_001, "transfer_month_jpy": 300_001}
    types = ("PSA-Order art. 14(i)", "PSA-Order art. 14(ii)")
    kyash = {"holds_value": True, "usable_at": "others", "transferable": True, "pays_out": False}

    def kyash_2018(r: RuleBase) -> tuple[Any, ...]:
        found = classify(activity_from(kyash), "2018-11-03", r)
        return found.regimes, found.cash_out, found.kyc

    def deadline(regime: str) -> Callable[[RuleBase], Any]:
        return lambda r: preserve(1, now, regime=regime, rules=r).extra["deadline"][regime]

    def text(topic: str, regime: str, on: str = now) -> Callable[[RuleBase], Any]:
        return lambda r: compare(on, r).cell(topic, regime).en

    return [
        _e("1 yen third-party", "PSA art. 7", _regimes(kyash, now), ("prepaid_third_party",)),
        _e("1 yen no deposit", "PSA art. 14(1)", _deposit(1, now), 0),
        _e(
            "base dates",
            "PSA art. 3(2)",
            lambda r: deposit(1, "2018-11-03", rules=r).extra["base_date"],
            day("2018-09-30"),
        ),
        _e(
            "base date in spring",
            "PSA art. 3(2)",
            lambda r: deposit(1, "2018-04-15", rules=r).extra["base_date"],
            day("2018-03-31"),
        ),
        _e(
            "extra base dates",
            "PSA art. 29-2(1)",
            lambda r: deposit(1, "2026-10-15", extra_base_dates=True, rules=r).extra["base_date"],
            day("2026-09-30"),
        ),
        _e(
            "extra base date of December",
            "PSA art. 29-2(1)",
            lambda r: deposit(1, "2026-12-31", extra_base_dates=True, rules=r).extra["base_date"],
            day("2026-12-31"),
        ),
        _e(
            "extra base date of June",
            "PSA art. 29-2(1)",
            lambda r: deposit(1, "2026-08-12", extra_base_dates=True, rules=r).extra["base_date"],
            day("2026-06-30"),
        ),
        _e("half of 40 million", "PSA art. 14(1)", _deposit(40_000_000, "2018-09-30"), 20_000_000),
        _e("floor", "PSA-Order art. 14(i)", _required(5_000_000, now), 10_000_000),
        _e("80 million", "FT-Ord art. 11(6)(i)", _required(80_000_000, now), 84_000_000),
        _e(
            "100 million",
            "FT-Ord art. 11(6)(i); FT-Ord art. 11(6)(ii)",
            _required(100_000_000, now),
            105_000_000,
        ),
        _e("150 million", "FT-Ord art. 11(6)(ii)", _required(150_000_000, now), 155_500_000),
        _e("three types", types[0], _required(0, now, types=3), 3_330_000),
        _e("two types", types[0], _required(0, now, types=2), 5_000_000),
        _e(
            "all in bank deposits",
            types[1],
            _required(0, now, regime="funds_transfer_3", bank_deposit_percent=100),
            0,
        ),
        _e(
            "deadline of type 1",
            "FT-Ord art. 11(1)",
            deadline("funds_transfer_1"),
            "within 2 business days of each business day",
        ),
        _e(
            "deadline of type 2",
            "FT-Ord art. 11(2); PSA art. 43(1)(ii)",
            deadline("funds_transfer_2"),
            "within 3 business days of the end of a calculation period of at most 1 week",
        ),
        _e(
            "single type: the floor bounds",
            "PSA Suppl. Act 50/2020 art. 10(1)",
            lambda r: preserve(5_000_000, "2018-11-03", rules=r).extra["at_least_jpy"],
            10_000_000,
        ),
        _e(
            "single type: period",
            "PSA Suppl. Act 50/2020 art. 10(2)",
            lambda r: preserve(1, "2018-11-03", rules=r).extra["deadline"],
            {"funds_transfer": "calculation period: 1 week"},
        ),
        _e(
            "type 3 with a balance",
            "PSA art. 51-3; PSA-Order art. 17-2",
            _may("transfer", "funds_transfer_3", now, 50_000, balance_jpy=1),
            "no",
        ),
        _e(
            "split bill before",
            "FT-Ord art. 1-2(ii); PSA art. 2-2(i)",
            _regimes({**collector, **cap}, BEFORE_TYPES),
            ("collection_agency",),
        ),
        _e(
            "split bill after",
            "FT-Ord art. 1-2(ii); PSA art. 2-2(i)",
            _regimes({**collector, **cap, "max_user_debt_jpy": 0}, TYPES),
            ("funds_transfer_2",),
        ),
        _e(
            "wide prepaid before",
            "PSA art. 3(8)(i); PSA-Order Suppl. Order 186/2023 art. 1",
            _high("2023-05-31", **wide),
            False,
        ),
        _e(
            "wide prepaid after",
            "PSA art. 3(8)(i); PSA-Order Suppl. Order 186/2023 art. 1",
            _high(HIGH_VALUE, **wide),
            True,
        ),
        _e(
            "cross-border before",
            "PSA art. 2-2(ii); FT-Ord art. 1-3(1)",
            _regimes({**border, **cap}, "2026-05-31"),
            ("collection_agency",),
        ),
        _e(
            "cross-border after",
            "PSA art. 2-2(ii); FT-Ord art. 1-3(1)",
            _regimes({**border, **cap, "max_user_debt_jpy": 0}, CROSS_BORDER),
            ("funds_transfer_2",),
        ),
        _e(
            "Kyash 2018",
            "PSA art. 20(5); PSA art. 7; AML art. 2(2)(xxx-2)",
            kyash_2018,
            (("prepaid_third_party",), "no", "no"),
        ),
        _e(
            "net assets said",
            "PSA-Order art. 5(1)(iii); PSA art. 10(1)(ii)(a)",
            text("minimum_assets", "prepaid_third_party"),
            "net assets of at least ¥100,000,000; less where use is local",
        ),
        _e(
            "capital said",
            "Bank-Order art. 3; Bank art. 5(1)",
            text("minimum_assets", "bank"),
            "capital of at least ¥2,000,000,000",
        ),
        _e(
            "penalty said",
            "PSA art. 107",
            text("penalty", "prepaid_third_party"),
            "without registration: up to 3 years or ¥3,000,000, or both",
        ),
    ]
