"""The boundary cases, worked: each asked of the rules, so that the table cannot drift from them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.licenses import (
    Answer,
    Facts,
    activity_from,
    classify,
    classify_service,
    deposit,
    notification_required,
    permitted,
    preserve,
    rule_base,
)
from analysis.licenses.classification import Classification
from analysis.licenses.model import RuleBase
from analysis.licenses.preservation import as_number
from analysis.licenses.words import yen_exact

NOW = "2026-08-12"
_COLLECTOR = {"collects": True, "payee": "consumer", "claim": "split_bill", "cross_border": False}
_BORDER = {
    "collects": True,
    "payee": "business",
    "cross_border": True,
    "cross_border_excepted": False,
}
_WALLET = {"holds_value": True, "usable_at": "others", "transferable": True, "reloadable": True}
_LARGE = {**_WALLET, "account_ceiling_jpy": 500_000, "transfer_month_jpy": 300_000}


@dataclass(frozen=True)
class Case:
    """One boundary case: what is asked, and how."""

    text: str
    ask: Callable[[RuleBase], Answer | Classification]


def worked_cases(rules: RuleBase) -> pd.DataFrame:
    """Return one row per case: case, answer, articles; in the order of the list below."""
    rows = []
    for case in CASES:
        found = case.ask(rules)
        articles = dict.fromkeys(r["article_en"] for r in found.reason.flat())
        rows.append(
            {
                "case": case.text,
                "answer": _short(found),
                "articles": ", ".join(list(articles)[:4]),
            }
        )
    return pd.DataFrame(rows)


def _short(found: Answer | Classification) -> str:
    if isinstance(found, Classification):
        names = _names(found)
        return f"{names}; cash-out {found.cash_out}, identity check {found.kyc}"
    if found.value is not None and not isinstance(found.value, bool):
        number = as_number(found)
        return "nothing to preserve" if number == 0 else f"preserve {yen_exact(found.value)}"
    if "base_date" in found.extra:
        return {"yes": "must notify", "no": "need not notify"}.get(found.verdict, found.verdict)
    return {"yes": "allowed", "no": "not allowed"}.get(found.verdict, found.verdict)


def _names(found: Classification) -> str:
    fixed = {"none": "no license", "unknown": "not settled"}
    names = [fixed.get(r) or rule_base().regime(r).name.en for r in found.regimes]
    return (" and " if found.certain else " or ").join(names)


def _deposit(yen: int, on: str = "2018-09-30") -> Callable[[RuleBase], Answer]:
    return lambda rules: deposit(yen, on, rules=rules)


def _preserve(yen: int, **options: Any) -> Callable[[RuleBase], Answer]:
    return lambda rules: preserve(yen, NOW, rules=rules, **options)


def _classify(features: dict[str, Any], on: str | dt.date) -> Callable[[RuleBase], Classification]:
    return lambda rules: classify(activity_from(features), on, rules)


def _transfer(regime: str, yen: int, **facts: Any) -> Callable[[RuleBase], Answer]:
    return lambda rules: permitted("transfer", regime, NOW, yen, Facts(**facts), rules=rules)


def _refund(refunded: int, issued: int) -> Callable[[RuleBase], Answer]:
    facts = Facts(refunded_jpy=refunded, issued_before_jpy=issued)
    return lambda rules: permitted("cash_out", "prepaid_third_party", NOW, None, facts, rules=rules)


CASES = (
    Case("Prepaid: unused balance of exactly ¥10,000,000 on 30 September", _deposit(10_000_000)),
    Case("One yen more", _deposit(10_000_001)),
    Case("Third-party prepaid with a balance of ¥1: the license", _classify(_WALLET, "2018-11-03")),
    Case("… and the deposit", _deposit(1)),
    Case(
        "Own-type prepaid with a balance of ¥9,900,000: must it notify?",
        lambda rules: notification_required(9_900_000, "2018-09-30", rules=rules),
    ),
    Case("Funds transfer, undelivered ¥5,000,000, one type", _preserve(5_000_000)),
    Case("… ¥9,523,809, the last amount at the floor", _preserve(9_523_809)),
    Case("… one yen more", _preserve(9_523_810)),
    Case("… ¥80,000,000", _preserve(80_000_000)),
    Case("… ¥100,000,000, where the two formulas meet", _preserve(100_000_000)),
    Case("… ¥150,000,000", _preserve(150_000_000)),
    Case("Three types, nothing undelivered: the floor of each", _preserve(0, types=3)),
    Case("Type 2, one transfer of ¥1,000,000", _transfer("funds_transfer_2", 1_000_000)),
    Case("… ¥1,000,001", _transfer("funds_transfer_2", 1_000_001)),
    Case(
        "Type 3, ¥50,000 to a user already owed ¥1",
        _transfer("funds_transfer_3", 50_000, balance_jpy=1),
    ),
    Case(
        "Prepaid with a ceiling of ¥500,000, ¥100,000 transferable at once",
        _classify({**_LARGE, "transfer_each_jpy": 100_000}, NOW),
    ),
    Case("… ¥100,001", _classify({**_LARGE, "transfer_each_jpy": 100_001}, NOW)),
    Case(
        "… ¥100,001 with a ceiling of exactly ¥300,000",
        _classify({**_LARGE, "account_ceiling_jpy": 300_000, "transfer_each_jpy": 100_001}, NOW),
    ),
    Case(
        "… ¥100,001 with the ceiling of ¥500,000, on 2023-05-31",
        _classify({**_LARGE, "transfer_each_jpy": 100_001}, "2023-05-31"),
    ),
    Case("Prepaid refunds of exactly 20 % of the last half-year's issue", _refund(200, 1_000)),
    Case("… of one yen more", _refund(201, 1_000)),
    Case("Split-bill collector on 2021-04-30", _classify(_COLLECTOR, "2021-04-30")),
    Case("… on 2021-05-01, transfer limit not known", _classify(_COLLECTOR, "2021-05-01")),
    Case(
        "Cross-border collector for businesses on 2026-05-31",
        _classify({**_BORDER, "max_transfer_jpy": 1_000_000}, "2026-05-31"),
    ),
    Case(
        "… on 2026-06-01, transfers up to ¥1,000,000",
        _classify({**_BORDER, "max_transfer_jpy": 1_000_000}, "2026-06-01"),
    ),
    Case(
        "Kyash on 2018-11-03",
        lambda rules: classify_service("kyash", "2018-11-03", rules).classification,
    ),
)
