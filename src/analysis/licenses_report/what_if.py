"""What would have changed for a prepaid wallet with a funds-transfer license on the same day."""

from __future__ import annotations

import pandas as pd

from analysis.licenses import deposit, preserve
from analysis.licenses.comparison import cell, exists
from analysis.licenses.words import yen_exact
from analysis.licenses_report.case import LicenseCase

TOPICS = ("cash_out", "kyc", "transfer_cap", "holding", "preservation", "card_funding", "entry")


def funds_transfer_on(case: LicenseCase) -> str:
    """Return the funds-transfer regime a wallet would have chosen on the day."""
    single = case.rules.regime("funds_transfer")
    return "funds_transfer" if exists(single, case.on) else "funds_transfer_2"


def what_if(case: LicenseCase) -> pd.DataFrame:
    """Return one row per topic: topic, as prepaid, with funds transfer, change, articles, status.

    `change` says `yes`, `no` or `not known`, from the answer codes of the rules.
    """
    other = funds_transfer_on(case)
    labels = {t.id: t.label.en for t in case.rules.topics}
    rows = []
    for topic in TOPICS:
        prepaid = cell(topic, "prepaid_third_party", case.on, case.rules)
        funds = cell(topic, other, case.on, case.rules)
        open_ = "unknown" in (prepaid.answer, funds.answer)
        same = prepaid.answer == funds.answer
        rows.append(
            {
                "topic": labels[topic],
                "as_prepaid": _said(prepaid.answer, prepaid.en),
                "with_funds_transfer": _said(funds.answer, funds.en),
                "change": "not known" if open_ else "no" if same else "yes",
                "articles": ", ".join(dict.fromkeys(prepaid.articles + funds.articles)),
                "layer": " / ".join(dict.fromkeys((prepaid.status, funds.status))),
            }
        )
    return pd.DataFrame(rows)


def set_aside(case: LicenseCase) -> dict[str, str]:
    """Return what each license would have set aside of the given balance, as text.

    Keys: balance, prepaid, funds_transfer. The balance is the report's parameter, not Kyash's:
    its balances are not public.
    """
    half = deposit(case.unused_balance_jpy, case.on, rules=case.rules)
    full = preserve(case.unused_balance_jpy, case.on, rules=case.rules)
    prepaid = "unknown" if half.value is None else yen_exact(half.value)
    least = full.extra.get("at_least_jpy")
    if full.value is not None:
        funds = yen_exact(full.value)
    else:
        funds = f"at least {yen_exact(least)}" if isinstance(least, int) else "unknown"
    return {
        "balance": yen_exact(case.unused_balance_jpy),
        "prepaid": prepaid,
        "funds_transfer": funds,
    }


def _said(answer: str, text: str) -> str:
    return f"unknown: {text}" if answer == "unknown" else text
