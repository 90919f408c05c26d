"""The question a license report answers: which days, which service, which amounts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from analysis.licenses import rule_base
from analysis.licenses.model import RuleBase
from analysis.licenses.reasons import a_day, an_amount
from analysis.licenses.services import Service, find_service
from runlog.errors import BadData


@dataclass(frozen=True)
class LicenseCase:
    """What the report is about; amounts in whole yen."""

    on: dt.date
    today: dt.date
    service: Service
    unused_balance_jpy: int
    undelivered_jpy: int
    types: int
    rules: RuleBase


def open_case(
    on: str,
    today: str,
    service: str,
    *,
    unused_balance_jpy: int,
    undelivered_jpy: int,
    types: int,
) -> LicenseCase:
    """Return the case of a report's parameters.

    Raises BadData for a day outside the covered span, a negative amount, or a `today` before `on`;
    UsageFault for a service that is not in the record.
    """
    rules = rule_base()
    then, later = a_day(on, rules), a_day(today, rules)
    if later < then:
        raise BadData("`today` lies before `on`", f"{later} < {then}", "give a later day")
    return LicenseCase(
        then,
        later,
        find_service(service),
        an_amount(unused_balance_jpy, "the unused balance"),
        an_amount(undelivered_jpy, "the undelivered amount"),
        types,
        rules,
    )
