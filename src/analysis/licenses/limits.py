"""The limits that a license puts on the reference engine: plain data, one place for the numbers."""

from __future__ import annotations

import datetime as dt
from typing import Any

from analysis.licenses.comparison import cell, exists
from analysis.licenses.model import RuleBase
from analysis.licenses.permissions import TRANSFER_CAPS, kyc_required, permitted
from analysis.licenses.reasons import Reason, a_day, rules_or_default, value_at
from runlog.errors import UsageFault

_BALANCES = {"funds_transfer_3": "user_debt_cap_type3_jpy"}


def engine_limits(
    regime: str, on: dt.date | str | None = None, rules: RuleBase | None = None
) -> dict[str, Any]:
    """Return the limits of a regime on a day (default: the text date) as plain data for JSON.

    Keys: `regime`, `on`, `max_transfer_jpy` and `max_balance_jpy` (whole yen, None: the law sets
    none), `cash_out` and `kyc` (True, False, None unknown), `articles` (key to articles),
    `text_date` and `disclaimer`. Raises UsageFault for a regime that is unknown or did not
    exist on the day.
    """
    rules = rules_or_default(rules)
    day = a_day(on if on is not None else rules.text_date, rules)
    if not exists(rules.regime(regime), day):
        todo = "known on this day: " + ", ".join(r.id for r in rules.regimes if exists(r, day))
        raise UsageFault(f"{regime} did not exist on this day", day, todo)
    transfer, transfer_reason = _number(TRANSFER_CAPS, "transfer_cap", regime, day, rules)
    balance, balance_reason = _number(_BALANCES, "holding", regime, day, rules)
    cash_out = permitted("cash_out", regime, day, rules=rules)
    kyc = kyc_required(regime, day, rules=rules)
    return {
        "regime": regime,
        "on": day.isoformat(),
        "max_transfer_jpy": transfer,
        "max_balance_jpy": balance,
        "cash_out": _YES_NO.get(cash_out.verdict),
        "kyc": _YES_NO.get(kyc.verdict),
        "articles": {
            "max_transfer_jpy": _articles(transfer_reason),
            "max_balance_jpy": _articles(balance_reason),
            "cash_out": cash_out.articles(),
            "kyc": kyc.articles(),
        },
        "text_date": rules.text_date.isoformat(),
        "disclaimer": rules.disclaimer.en,
    }


def _number(
    names: dict[str, str], topic: str, regime: str, day: dt.date, rules: RuleBase
) -> tuple[int | None, Reason]:
    if regime not in names:
        return None, cell(topic, regime, day, rules).reason
    value = value_at(rules, names[regime], day)
    return int(value.number), value.reason()


def _articles(reason: Reason) -> list[str]:
    return list(dict.fromkeys(r["article_en"] for r in reason.flat()))


_YES_NO = {"yes": True, "no": False}
