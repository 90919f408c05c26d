"""The mapping file: which column of a user's two CSV files means what.

A mapping is a TOML file with two tables:

    [ledger]
    idempotency_key = "order_id"        # column: the payment's own key, unique in the file
    amount = "total"                    # column: whole yen asked for
    card_amount = "card"                # column, optional: the part the card gives (else all of it)
    balance_amount = "balance_used"     # column, optional: what is drawn from the balance right now
    status = "state"                    # column
    time = "created_at"                 # column: ISO 8601
    customer = "user"                   # column, optional
    currency = "ccy"                    # column; or currency_is = "JPY" for the whole file
    timezone = "Asia/Tokyo"             # only when the times carry no zone of their own
    [ledger.status_values]
    paid = ["PAID"]
    failed = ["FAILED", "CANCELLED"]
    unknown = ["PENDING"]               # not decided: never refunded on a guess, but listed

    [statement]
    idempotency_key = "merchant_ref"
    charge_id = "txn"                   # column, optional: the acquirer's key, unique in the file
    amount = "amount"
    status = "status"
    time = "processed_at"
    currency = "currency"
    [statement.status_values]
    captured = ["SETTLED"]
    voided = ["VOID"]
    refunded = ["REFUND"]

Columns that are not named are ignored.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from analysis.incidents.when import zone_of
from runlog.errors import BadData, did_you_mean


class _Columns(BaseModel):
    """What both files have in common."""

    model_config = ConfigDict(extra="forbid")
    idempotency_key: str
    amount: str
    status: str
    time: str
    currency: str | None = None
    currency_is: str | None = None
    timezone: str | None = None

    @model_validator(mode="after")
    def _check(self) -> _Columns:
        if (self.currency is None) == (self.currency_is is None):
            msg = "give exactly one of currency (a column) and currency_is (for the whole file)"
            raise ValueError(msg)
        if self.currency_is not in (None, "JPY"):
            msg = f"currency_is is '{self.currency_is}'; only JPY can be reconciled here"
            raise ValueError(msg)
        if self.timezone is not None:
            zone_of(self.timezone)
        return self


class _Words(BaseModel):
    """Status words of a file, each with one meaning."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _check(self) -> _Words:
        words = [w for group in self.model_dump().values() for w in group]
        twice = sorted({w for w in words if words.count(w) > 1})
        if twice:
            msg = f"'{twice[0]}' has two meanings; give each word once"
            raise ValueError(msg)
        return self


class LedgerStatus(_Words):
    """Words of the ledger export that mean paid, failed, and not known."""

    paid: list[str]
    failed: list[str]
    unknown: list[str] = []


class StatementStatus(_Words):
    """Words of the acquirer statement that mean captured, voided and refunded."""

    captured: list[str]
    voided: list[str] = []
    refunded: list[str] = []


class LedgerColumns(_Columns):
    """Columns of the ledger export: one row a payment."""

    card_amount: str | None = None
    balance_amount: str | None = None
    customer: str | None = None
    status_values: LedgerStatus


class StatementColumns(_Columns):
    """Columns of the acquirer statement: one row a charge."""

    charge_id: str | None = None
    status_values: StatementStatus


class Mapping(BaseModel):
    """A whole mapping file."""

    model_config = ConfigDict(extra="forbid")
    ledger: LedgerColumns
    statement: StatementColumns


def read_mapping(path: Path) -> Mapping:
    """Return the mapping in a TOML file. Raises BadData that names the wrong key."""
    if not path.is_file():
        raise BadData("no such mapping file", path, "see `walletlab reconcile --help`")
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadData("mapping is not TOML", path, str(error)) from error
    try:
        return Mapping.model_validate(content)
    except ValidationError as error:
        raise BadData("mapping refused", path, _advice(error)) from error


def _advice(error: ValidationError) -> str:
    faults: list[Any] = sorted(error.errors(), key=lambda f: f["type"] != "extra_forbidden")
    fault = faults[0]  # a mistyped name says more than the name that is then missing
    place = ".".join(str(p) for p in fault["loc"]) or "(whole file)"
    if fault["type"] == "extra_forbidden":
        return f"{place} is not known; {did_you_mean(str(fault['loc'][-1]), _known(fault['loc']))}"
    if fault["type"] == "missing":
        return f"{place} is missing"
    return f"{place}: {fault['msg'].removeprefix('Value error, ')}"


def _known(place: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = Mapping
    for step in place[:-1]:
        field = model.model_fields.get(str(step))
        if field is None or not isinstance(field.annotation, type):
            return list(model.model_fields)
        model = field.annotation
    return list(model.model_fields)
