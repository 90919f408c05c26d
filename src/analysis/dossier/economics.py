"""A small what-if of a fee-free wallet: what a payment brings, what people cost, what a stop means.

None of the figures is the company's: all but the cashback and the head count are assumptions that a
reader sets, and each carries that label. The arithmetic is plain so that it can be argued with.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from runlog.errors import UsageFault

_DAYS_A_MONTH = 30
ASSUMPTION, FACT = "assumption", "public fact"


@dataclass(frozen=True)
class Assumptions:
    """The inputs: yen a month, shares in percent of what is paid, people."""

    monthly_volume_jpy: int
    interchange_pct: float
    cashback_pct: float
    funding_fee_pct: float
    auto_charge_share_pct: float
    employees: int
    cost_per_employee_jpy: int

    def checked(self) -> Assumptions:
        """Return itself. Raises UsageFault for a value that makes no sense."""
        for name in ("interchange_pct", "cashback_pct", "funding_fee_pct", "auto_charge_share_pct"):
            if not 0 <= getattr(self, name) <= 100:
                raise UsageFault(f"{name} out of range", getattr(self, name), "give 0 to 100")
        for name in ("monthly_volume_jpy", "employees", "cost_per_employee_jpy"):
            if getattr(self, name) < 0:
                raise UsageFault(f"{name} below zero", getattr(self, name), "give 0 or more")
        return self

    @property
    def margin_pct(self) -> float:
        """Percent of a payment that is left: interchange less cashback less the cost of funding."""
        funding = self.funding_fee_pct * self.auto_charge_share_pct / 100
        return self.interchange_pct - self.cashback_pct - funding

    @property
    def payroll_month_jpy(self) -> int:
        """Yen a month for the people (a twelfth of the year)."""
        return round(self.employees * self.cost_per_employee_jpy / 12)

    @property
    def margin_month_jpy(self) -> int:
        """Yen a month that payments leave, below zero when each costs more than it brings."""
        return round(self.monthly_volume_jpy * self.margin_pct / 100)


def labelled(given: Assumptions) -> pd.DataFrame:
    """Return one row an input: input, value, unit, label (assumption or public fact)."""
    rows = [
        ("Payments a month", given.monthly_volume_jpy, "yen", ASSUMPTION),
        ("Interchange received", given.interchange_pct, "% of a payment", ASSUMPTION),
        ("Cashback paid", given.cashback_pct, "% of a payment", f"{FACT} at 2 (J-CAST, 2018)"),
        ("Cost of charging a card", given.funding_fee_pct, "% of the charge", ASSUMPTION),
        ("Paid by auto-charge", given.auto_charge_share_pct, "% of payments", ASSUMPTION),
        ("Employees", given.employees, "people", f"{FACT} at 25 (interview, 2018)"),
        ("Cost of an employee", given.cost_per_employee_jpy, "yen a year", ASSUMPTION),
    ]
    shown = [(name, f"{value:,}", unit, label) for name, value, unit, label in rows]
    return pd.DataFrame(shown, columns=["input", "value", "unit", "label"])


def what_if(given: Assumptions, stopped_days: tuple[float, float]) -> pd.DataFrame:
    """Return one row a result: result, low and high in yen or percent, what it follows from.

    Args:
        stopped_days: least and most days that payments with auto-charge were switched off.
    """
    low_days, high_days = stopped_days
    share = given.auto_charge_share_pct / 100
    daily_jpy = given.monthly_volume_jpy / _DAYS_A_MONTH
    stopped = [round(daily_jpy * share * days) for days in (low_days, high_days)]
    margin = sorted(round(v * given.margin_pct / 100) for v in stopped)
    cashback = [round(v * given.cashback_pct / 100) for v in stopped]
    needed = break_even_volume_jpy(given)
    rows: list[tuple[str, float | None, float | None, str]] = [
        ("Left of a payment (%)", given.margin_pct, given.margin_pct, "interchange less costs"),
        ("Left in a month (yen)", given.margin_month_jpy, given.margin_month_jpy, "of payments"),
        ("People in a month (yen)", given.payroll_month_jpy, given.payroll_month_jpy, "payroll"),
        ("Volume that pays for the people (yen a month)", needed, needed, "payroll / margin"),
        (
            "Payments stopped by the restriction (yen)",
            stopped[0],
            stopped[1],
            "days x auto-charge share",
        ),
        ("Margin of the stopped payments (yen)", margin[0], margin[1], "below zero: it was saved"),
        ("Cashback customers went without (yen)", cashback[0], cashback[1], "of these payments"),
    ]
    return pd.DataFrame(rows, columns=["result", "low", "high", "follows_from"])


def break_even_volume_jpy(given: Assumptions) -> int | None:
    """Return the monthly volume whose margin pays for the people, None when no volume does."""
    if given.margin_pct <= 0:
        return None
    return round(given.payroll_month_jpy / (given.margin_pct / 100))


def verdict(given: Assumptions) -> str:
    """Return the one sentence that follows from the assumptions."""
    left = f"{given.margin_pct:+.2f} yen of every 100 yen paid"
    if given.margin_pct <= 0:
        return (
            f"Under these assumptions {left} are left: growth makes the loss larger, no volume "
            "pays for the people, and what an outage costs is trust and time, not margin."
        )
    volume = break_even_volume_jpy(given)
    return (
        f"Under these assumptions {left} are left, and {volume:,} yen a month would pay for the "
        f"{given.employees} people."
    )
