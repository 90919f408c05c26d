"""The boundary cases, worked: each asked of the rules, so that the table cannot drift from them."""

from __future__ import annotations

from collections.abc import Callable
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
_WALLET = {"holds_value": True, "usable_at": "others", "transferable": True, "reloadable": True}
Question = Callable[[RuleBase], Answer | Classification]


def worked_cases(rules: RuleBase) -> pd.DataFrame:
    """Return one row per case: case, answer, articles; in the order of the list below."""
    rows = []
    for text, ask in CASES.items():
        found = ask(rules)
        articles = dict.fromkeys(r["article_en"] for r in found.reason.flat())
        rows.append(
            {
                "case": text,
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


def _deposit(yen: int) -> Question:
    return lambda rules: deposit(yen, "2018-09-30", rules=rules)


def _preserve(yen: int, types: int = 1) -> Question:
    return lambda rules: preserve(yen, NOW, types=types, rules=rules)


def _classify(features: dict[str, Any], on: str) -> Question:
    return lambda rules: classify(activity_from(features), on, rules)


def _large(transfer_jpy: int, on: str = NOW, ceiling_jpy: int = 500_000) -> Question:
    limits = {"transfer_each_jpy": transfer_jpy, "transfer_month_jpy": 300_000}
    return _classify({**_WALLET, **limits, "account_ceiling_jpy": ceiling_jpy}, on)


def _split_bill(on: str) -> Question:
    payee = {"payee": "consumer", "claim": "split_bill", "cross_border": False}
    return _classify({"collects": True, **payee}, on)


def _cross_border(on: str) -> Question:
    payee = {"payee": "business", "cross_border": True, "cross_border_excepted": False}
    return _classify({"collects": True, **payee, "max_transfer_jpy": 1_000_000}, on)


def _transfer(regime: str, yen: int, owed_jpy: int = 0) -> Question:
    facts = Facts(balance_jpy=owed_jpy)
    return lambda rules: permitted("transfer", regime, NOW, yen, facts, rules=rules)


def _refund(refunded_jpy: int, issued_jpy: int) -> Question:
    facts = Facts(refunded_jpy=refunded_jpy, issued_before_jpy=issued_jpy)
    return lambda rules: permitted("cash_out", "prepaid_third_party", NOW, None, facts, rules=rules)


def _notify(yen: int) -> Question:
    return lambda rules: notification_required(yen, "2018-09-30", rules=rules)


def _kyash(rules: RuleBase) -> Classification:
    return classify_service("kyash", "2018-11-03", rules).classification


# what is asked -> how; the order is that of the table
CASES: dict[str, Question] = {
    "Prepaid: unused balance of exactly ¥10,000,000 on 30 September": _deposit(10_000_000),
    "One yen more": _deposit(10_000_001),
    "Third-party prepaid with a balance of ¥1: the license": _classify(_WALLET, "2018-11-03"),
    "… and the deposit": _deposit(1),
    "Own-type prepaid with a balance of ¥9,900,000: must it notify?": _notify(9_900_000),
    "Funds transfer, undelivered ¥5,000,000, one type": _preserve(5_000_000),
    "… ¥9,523,809, the last amount at the floor": _preserve(9_523_809),
    "… one yen more": _preserve(9_523_810),
    "… ¥80,000,000": _preserve(80_000_000),
    "… ¥100,000,000, where the two formulas meet": _preserve(100_000_000),
    "… ¥150,000,000": _preserve(150_000_000),
    "Three types, nothing undelivered: the floor of each": _preserve(0, types=3),
    "Type 2, one transfer of ¥1,000,000": _transfer("funds_transfer_2", 1_000_000),
    "… ¥1,000,001": _transfer("funds_transfer_2", 1_000_001),
    "Type 3, ¥50,000 to a user already owed ¥1": _transfer("funds_transfer_3", 50_000, 1),
    "Prepaid with a ceiling of ¥500,000, ¥100,000 transferable at once": _large(100_000),
    "… ¥100,001": _large(100_001),
    "… ¥100,001 with a ceiling of exactly ¥300,000": _large(100_001, ceiling_jpy=300_000),
    "… ¥100,001 with the ceiling of ¥500,000, on 2023-05-31": _large(100_001, "2023-05-31"),
    "Prepaid refunds of exactly 20 % of the last half-year's issue": _refund(200, 1_000),
    "… of one yen more": _refund(201, 1_000),
    "Split-bill collector on 2021-04-30": _split_bill("2021-04-30"),
    "… on 2021-05-01, transfer limit not known": _split_bill("2021-05-01"),
    "Cross-border collector for businesses on 2026-05-31": _cross_border("2026-05-31"),
    "… on 2026-06-01, transfers up to ¥1,000,000": _cross_border("2026-06-01"),
    "Kyash on 2018-11-03": _kyash,
}
