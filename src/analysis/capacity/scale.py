"""Beyond this machine: what a believed model says of an internet-scale wallet.

Nothing here is said for a design whose model failed its validation. The figures are those of the
utilisation law, with demands measured on the machine of the sweep; a larger machine has others.
"""

from __future__ import annotations

import math

import pandas as pd

from analysis.capacity.model import Model
from analysis.capacity.queueing import BUSY_SHARE, stations_needed

WALLETS = 10_000_000
PAYMENTS_PER_S = 20_000.0
ZIPF = 0.5  # popularity of wallets in the scenarios


def hottest_share(members: int, exponent: float = ZIPF) -> float:
    """Return the share of all requests that the most popular of `members` makes.

    Zipf's law; the sum is approximated by its integral (Euler and Maclaurin), below 1 % off.

    >>> round(hottest_share(1, 0.5), 2), round(hottest_share(100, 0.5), 4)
    (1.0, 0.0538)
    """
    if members == 1:
        return 1.0
    if exponent == 1:
        return 1 / (math.log(members) + 0.5772)
    total = (members ** (1 - exponent) - 1) / (1 - exponent) + 0.5 + 0.5 * members**-exponent
    return 1 / (total + exponent / 12)


def internet_scale(
    models: dict[str, Model],
    trusted: dict[str, bool],
    errors: dict[str, float],
    payments_per_s: float = PAYMENTS_PER_S,
    wallets: int = WALLETS,
) -> pd.DataFrame:
    """Return one row a design whose model is believed: what this rate asks of it.

    Columns: design, payments_per_s, row_ms (busy time of the settlement row for one payment),
    one_row_per_s (payments one row carries when always busy), rows_needed (at 70 % busy),
    hottest_wallet_per_s, hottest_wallet_busy (share of its time the most popular wallet's row is
    locked, if a payment holds it as long as the settlement row), model_error (median absolute
    error of p95 on held-out loads).
    """
    rows = []
    for design, model in models.items():
        if not trusted.get(design):
            continue
        hottest, row_s = payments_per_s * hottest_share(wallets), model.payment_row_s
        rows.append(
            {
                "design": design,
                "payments_per_s": payments_per_s,
                "row_ms": 1000 * row_s,
                "one_row_per_s": 1 / row_s if row_s else math.inf,
                "rows_needed": stations_needed(payments_per_s, row_s, BUSY_SHARE),
                "hottest_wallet_per_s": hottest,
                "hottest_wallet_busy": hottest * row_s,
                "model_error": errors[design],
            }
        )
    columns = [
        *("design", "payments_per_s", "row_ms", "one_row_per_s", "rows_needed"),
        *("hottest_wallet_per_s", "hottest_wallet_busy", "model_error"),
    ]
    return pd.DataFrame(rows, columns=columns)
