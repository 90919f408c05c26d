"""The closed list of functions that an incident may name, and which operations of a run they are.

A partial outage has no single availability. Each function is one thing a customer or merchant does,
so that "payments from balance worked, payments with auto-charge did not" can be said as data.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Function:
    """One function: its label, and the run's operation (with or without auto-charge) it matches.

    `operation` is None when the reference engine has no such operation; `needs_auto_charge` is
    None when both kinds belong to it.
    """

    name: str
    label: str
    operation: str | None = None
    needs_auto_charge: bool | None = None


_LIST = (
    Function("card_payment_auto_charge", "Card payment with auto-charge", "card_payment", True),
    Function("card_payment_balance", "Card payment from balance", "card_payment", False),
    Function("card_payment", "Card payment"),
    Function("code_payment", "Code payment in shops"),
    Function("contactless_payment", "Contactless payment (Google Pay)"),
    Function("p2p_send_auto_charge", "Send with auto-charge", "p2p_transfer", True),
    Function("p2p_send", "Send to another person", "p2p_transfer", False),
    Function("fund_balance", "Loading by bank, ATM or store; receiving", "top_up", False),
    Function("card_top_up", "Top-up from a card"),
    Function("card_funded_payment", "Payment funded by a card"),
    Function("balance_payment", "Payment from balance"),
    Function("bank_top_up", "Top-up from a bank account"),
    Function("balance_inquiry", "Balance inquiry", "balance_inquiry", False),
    Function("login", "Log-in"),
    Function("app", "App"),
    Function("web", "Web site"),
    Function("api", "API"),
    Function("dashboard", "Dashboard"),
    Function("oauth", "OAuth"),
    Function("merchant_console", "Merchant console"),
    Function("chat", "Support chat"),
    Function("atm", "Cash machines"),
    Function("bank_transfer", "Bank transfers"),
    Function("branch", "Branches"),
    Function("settlement", "Interbank settlement services"),
    Function("trading", "Buying and selling"),
    Function("storage", "Object storage"),
    Function("repository", "Code hosting"),
    Function("mail_delivery", "Mail delivery"),
    Function("event_ingestion", "Event ingestion"),
    Function("all_products", "All products"),
)

FUNCTIONS: dict[str, Function] = {f.name: f for f in _LIST}

# "unknown" is written down on purpose: a function that no source names is a finding, not a gap.
STATES = ("up", "degraded", "partly_down", "down", "unknown")
AFFECTED = ("degraded", "partly_down", "down")
