"""What a business does, as features that the law asks about.

A feature is true, false, a number, or unknown (None). Combinations that cannot be are refused.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from runlog.errors import BadData, did_you_mean

Limit = int | Literal["none"] | None
"""Whole yen; "none" for no limit; None for unknown."""


@dataclass(frozen=True)
class Activity:
    """Features of one business. Every one may be left out: what is unknown stays unknown.

    Prepaid value:
        holds_value: users pay first and hold a recorded value.
        usable_at: where it pays: `issuer` (or those closely related) or `others`.
        expires_after_months: validity from issue; "none" for no expiry.
        exempt_kind: ticket, state-issued, employees-only or another exemption of PSA 4.
        transferable: value can be sent to another user electronically.
        reloadable: value is added electronically.
        account_ceiling_jpy, transfer_each_jpy, transfer_month_jpy: limits of the product.
        code_each_jpy, code_month_jpy: what can be recorded by notified codes.
        brand_recorded_month_jpy, brand_spent_month_jpy: of a brand prepaid card.
    Money transfer:
        remits: moves users' money to others on their order.
        pays_out: users get money back in cash or to a bank account as they wish.
        max_transfer_jpy, max_user_debt_jpy: limits of the product.
    Collecting for payees:
        collects: receives payments on behalf of payees.
        payee: `consumer` or `business`.
        claim: what the payee is owed for: `split_bill`, `loan` or `goods`.
        debt_discharged_on_receipt: the payer is free once the collector has the money.
        cross_border, cross_border_excepted: across the border; excepted by FT-Ord 1-3.
    Others:
        takes_deposits: deposits together with lending.
        reads_accounts: reads bank accounts or passes on orders, holds no money.
        passes_through: charges a card or bank account at the moment of payment.
    """

    holds_value: bool | None = None
    usable_at: Literal["issuer", "others"] | None = None
    expires_after_months: Limit = None
    exempt_kind: bool | None = None
    transferable: bool | None = None
    reloadable: bool | None = None
    account_ceiling_jpy: Limit = None
    transfer_each_jpy: Limit = None
    transfer_month_jpy: Limit = None
    code_each_jpy: Limit = None
    code_month_jpy: Limit = None
    brand_recorded_month_jpy: Limit = None
    brand_spent_month_jpy: Limit = None
    remits: bool | None = None
    pays_out: bool | None = None
    max_transfer_jpy: Limit = None
    max_user_debt_jpy: Limit = None
    collects: bool | None = None
    payee: Literal["consumer", "business"] | None = None
    claim: Literal["split_bill", "loan", "goods"] | None = None
    debt_discharged_on_receipt: bool | None = None
    cross_border: bool | None = None
    cross_border_excepted: bool | None = None
    takes_deposits: bool | None = None
    reads_accounts: bool | None = None
    passes_through: bool | None = None

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise BadData(f"unknown {name}", value, "give one of: " + ", ".join(allowed))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if _is_limit(field.name):
                _check_limit(field.name, value)
            elif field.name not in _CHOICES and not isinstance(value, bool | None):
                raise BadData(
                    f"{field.name} is neither true nor false", value, "give true or false"
                )
        for contradiction, met in self._contradictions().items():
            if met:
                todo = "leave one of them out or correct it"
                raise BadData("the features contradict each other", contradiction, todo)
        if not any(getattr(self, name) is not None for name in _KINDS):
            todo = "say which it is: " + ", ".join(_KINDS)
            raise BadData("no kind of activity given", "", todo)

    def _contradictions(self) -> dict[str, bool]:
        limits = ("account_ceiling_jpy", "transfer_each_jpy", "transfer_month_jpy")
        about_value = (self.usable_at, self.expires_after_months, self.exempt_kind)
        about_value += tuple(getattr(self, name) for name in limits)
        about_payee = (self.payee, self.claim, self.debt_discharged_on_receipt)
        sends = (self.transfer_each_jpy, self.transfer_month_jpy)
        return {
            "no value is held, yet something is said of it": self.holds_value is False
            and any(v is not None for v in about_value),
            "value is held, yet payments only pass through": self.holds_value is True
            and self.passes_through is True,
            "value cannot be transferred, yet a transfer limit is given": self.transferable is False
            and any(v is not None for v in sends),
            "nothing is collected for payees, yet a payee is described": self.collects is False
            and any(v is not None for v in about_payee),
            "money is not moved, yet a transfer cap is given": self.remits is False
            and self.collects is not True
            and self.max_transfer_jpy is not None,
            "not across the border, yet excepted by the cross-border rule": self.cross_border
            is False
            and self.cross_border_excepted is True,
            "accounts are only read, yet money is held or moved": self.reads_accounts is True
            and (self.holds_value is True or self.remits is True or self.collects is True),
            "a single transfer above the monthly limit": _above(
                self.transfer_each_jpy, self.transfer_month_jpy
            ),
        }


def activity_from(features: dict[str, Any]) -> Activity:
    """Return the activity of plain features. Raises BadData for unknown or impossible ones."""
    known = [f.name for f in dataclasses.fields(Activity)]
    for name in features:
        if name not in known:
            raise BadData("no such feature", name, did_you_mean(name, known))
    return Activity(**features)


def features_from_text(text: str) -> dict[str, Any]:
    """Return features written as `holds_value=true,usable_at=others,max_transfer_jpy=100000`.

    Raises BadData for a part that is not name=value.

    >>> features_from_text("holds_value=true, max_transfer_jpy=100_000, account_ceiling_jpy=none")
    {'holds_value': True, 'max_transfer_jpy': 100000, 'account_ceiling_jpy': 'none'}
    """
    features: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, separator, value = part.partition("=")
        if not separator:
            raise BadData("not a feature", part, "write name=value, separated by commas")
        features[name.strip()] = _typed(value.strip())
    return features


def _typed(value: str) -> Any:
    fixed = {"true": True, "yes": True, "false": False, "no": False, "unknown": None}
    if value.lower() in fixed:
        return fixed[value.lower()]
    digits = value.replace("_", "").removeprefix("-")
    return int(value) if digits.isdecimal() and digits.isascii() else value


def _is_limit(name: str) -> bool:
    return name.endswith("_jpy") or name == "expires_after_months"


def _check_limit(name: str, value: Any) -> None:
    if value is None or value == "none":
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadData(f"{name} is no whole number", value, 'give a whole number or "none"')
    if value < 0:
        raise BadData(f"{name} is negative", value, "give zero or more")


def _above(one: Limit, other: Limit) -> bool:
    # a single transfer with no limit of its own is bounded by the month's
    return isinstance(one, int) and isinstance(other, int) and one > other


_CHOICES = {
    "usable_at": ("issuer", "others"),
    "payee": ("consumer", "business"),
    "claim": ("split_bill", "loan", "goods"),
}
_KINDS = (
    "holds_value",
    "remits",
    "collects",
    "takes_deposits",
    "reads_accounts",
    "passes_through",
)
