"""What the law says, written down a second time and by hand: the data are tested against this.

Every line cites the article it was taken from; `license_rule_table.ARTICLES` keeps the words of the
article, and says how they are compared with the statute. Nothing here is read from data/licenses.
"""

# ruff: noqa: E501 - a table reads best as one line a row

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from analysis.licenses.model import Gap, RuleBase
from analysis.licenses.reasons import value_at

FIRST, LAST = "2010-04-01", "2026-12-31"

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
