"""Factor by factor: what one change did to goodput, with an interval over paired repetitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

# (what is asked, the changed experiment, what it is compared with)
COMPARISONS = (
    ("fronts 1 → 2", "locked", "locked-fronts-1"),
    ("fronts 2 → 4", "locked-fronts-4", "locked"),
    ("processors 1 → 2", "locked", "locked-core-1"),
    ("settlement rows 1 → 8", "locked-shards-8", "locked"),
    ("shedding on", "locked-shedding", "locked"),
    ("auto-charge off", "locked-no-auto-charge", "locked"),
    ("the other design", "locked-as-phased", "locked"),
    ("fronts 1 → 2", "phased", "phased-fronts-1"),
    ("fronts 2 → 4", "phased-fronts-4", "phased"),
    ("processors 1 → 2", "phased", "phased-core-1"),
    ("settlement rows 1 → 8", "phased-shards-8", "phased"),
)


@dataclass(frozen=True)
class Effect:
    """Mean difference of paired repetitions, with its 95 % interval (Student's t)."""

    mean: float
    low: float
    high: float
    pairs: int

    @property
    def shown(self) -> bool:
        """True when the interval does not hold zero: the data show a difference."""
        return self.low > 0 or self.high < 0


def paired_effect(changed: npt.ArrayLike, base: npt.ArrayLike) -> Effect:
    """Return the mean of changed - base over pairs, and its interval.

    With fewer than two pairs the interval is without bounds: one run shows no spread.

    >>> paired_effect([3.0, 5.0], [1.0, 3.0])
    Effect(mean=2.0, low=2.0, high=2.0, pairs=2)
    """
    difference = np.asarray(changed, dtype=np.float64) - np.asarray(base, dtype=np.float64)
    pairs = len(difference)
    mean = float(difference.mean()) if pairs else float("nan")
    if pairs < 2:
        return Effect(mean, float("-inf"), float("inf"), pairs)
    error = float(difference.std(ddof=1)) / np.sqrt(pairs)
    reach = float(stats.t.ppf(0.975, pairs - 1)) * float(error)
    return Effect(mean, mean - reach, mean + reach, pairs)


def goodput_effects(results: pd.DataFrame) -> pd.DataFrame:
    """Return one row a comparison, in the order of `COMPARISONS`.

    Left out is what was not measured in one repetition at least with and without the change. Each
    interval stands for itself: of twenty that hold no true difference one shows one by chance.
    Columns: question, design, changed, base, offered_per_s, goodput_base, goodput_changed (per
    second, means), difference, low, high (95 %), pairs, shown.
    """
    wide = results.pivot_table(index="repetition", columns="experiment", values="goodput_per_s")
    by_name = results.drop_duplicates("experiment").set_index("experiment")
    rows = []
    for question, changed, base in COMPARISONS:
        if changed not in wide or base not in wide:
            continue
        pairs = wide[[changed, base]].dropna()
        if pairs.empty:
            continue
        effect = paired_effect(pairs[changed], pairs[base])
        rows.append(
            {
                "question": question,
                "design": by_name.loc[base, "design"],
                "changed": changed,
                "base": base,
                "offered_per_s": by_name.loc[base, "offered_per_s"],
                "goodput_base": pairs[base].mean(),
                "goodput_changed": pairs[changed].mean(),
                "difference": effect.mean,
                "low": effect.low,
                "high": effect.high,
                "pairs": effect.pairs,
                "shown": effect.shown,
            }
        )
    columns = [
        *("question", "design", "changed", "base", "offered_per_s", "goodput_base"),
        *("goodput_changed", "difference", "low", "high", "pairs", "shown"),
    ]
    return pd.DataFrame(rows, columns=columns)


def interval_by_experiment(results: pd.DataFrame) -> pd.DataFrame:
    """Return one row an experiment: mean and 95 % interval of throughput, goodput and p99.

    Columns: experiment, repetitions, then for each of throughput_per_s, goodput_per_s and
    latency_ms_p99: the mean, _low and _high.
    """
    frame = results.assign(latency_ms_p99=results["latency_us_p99"].astype("float64") / 1000)
    measured = ("throughput_per_s", "goodput_per_s", "latency_ms_p99")
    rows = []
    for name, part in frame.groupby("experiment", sort=False):
        row: dict[str, object] = {"experiment": name, "repetitions": len(part)}
        for column in measured:
            values = part[column].dropna()
            effect = paired_effect(values, np.zeros(len(values)))
            row |= {column: effect.mean, f"{column}_low": effect.low, f"{column}_high": effect.high}
        rows.append(row)
    ends = [f"{column}{end}" for column in measured for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["experiment", "repetitions", *ends])
