"""The corpus compared: by cause, duration, share of functions, speed of the first announcement.

The corpus is a collection of what was published, not a sample: firms that explain themselves are
over-represented, and so are outages long enough to be written about. What is computed here
describes these incidents and no others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.incidents.clock import Timeline
from analysis.incidents.frames import frames
from analysis.incidents.store import Corpus

_BOOTSTRAPS = 2000
_SEED = 20181103
_STATEMENTS = {
    "content": "first notice",
    "measure": "the measure taken",
    "cause": "the cause",
    "expected_recovery": "expected recovery",
}


def overview(corpus: Corpus) -> pd.DataFrame:
    """Return one row an outage (security incidents left out), columns as in table `incidents`."""
    table = frames(corpus.select(kind="outage"))["incidents"]
    return table.reset_index(drop=True)


def by_cause(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a cause group: incidents, median, shortest and longest minutes."""
    groups = table.groupby("cause_group", sort=True)
    frame = groups.agg(
        incidents=("incident_id", "size"),
        with_duration=("affected_min", "count"),
        median_min=("affected_min", "median"),
        shortest_min=("affected_min", "min"),
        longest_min=("affected_min", "max"),
    ).reset_index()
    named = table[table["database"] == "yes"].groupby("cause_group").size()
    frame["database_named"] = frame["cause_group"].map(named).fillna(0).astype("int64")
    return frame.sort_values("incidents", ascending=False, kind="stable", ignore_index=True)


@dataclass(frozen=True)
class Contrast:
    """How two groups of durations differ: sizes, medians, and how often one exceeds the other.

    `longer` is the probability that a duration drawn from the first group is longer than one from
    the second (ties half), with a bootstrap interval of 95 %. At 0.5 duration tells nothing.
    """

    first_count: int
    second_count: int
    first_median_min: float
    second_median_min: float
    longer: float
    longer_low: float
    longer_high: float

    @property
    def tells_apart(self) -> bool:
        """True when the interval leaves out one half."""
        return self.longer_low > 0.5 or self.longer_high < 0.5


def database_against_rest(table: pd.DataFrame) -> Contrast:
    """Return the contrast of outages with a database among their causes against the others.

    `partly` counts with neither. The bootstrap is seeded, so that equal data give equal figures.
    """
    known = table.dropna(subset=["affected_min"])
    first = known.loc[known["database"] == "yes", "affected_min"].to_numpy(float)
    second = known.loc[known["database"] == "no", "affected_min"].to_numpy(float)
    rng = np.random.default_rng(_SEED)
    draws = [
        _longer(rng.choice(first, len(first)), rng.choice(second, len(second)))
        for _ in range(_BOOTSTRAPS)
    ]
    low, high = np.quantile(draws, (0.025, 0.975))
    return Contrast(
        len(first),
        len(second),
        float(np.median(first)),
        float(np.median(second)),
        _longer(first, second),
        float(low),
        float(high),
    )


def _longer(first: np.ndarray, second: np.ndarray) -> float:
    difference = first[:, None] - second[None, :]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def profile(table: pd.DataFrame) -> pd.DataFrame:
    """Return properties of outages with a database named as a cause beside those without.

    One row a property: outages, told by the operator itself, with a duration, median, groups.
    """
    columns = {}
    for name, value in (("database_named", "yes"), ("not_named", "no")):
        group = table[table["database"] == value]
        common = group["cause_group"].value_counts()
        columns[name] = [
            str(len(group)),
            f"{int(group['official_source'].sum())} of {len(group)}",
            f"{int(group['affected_min'].notna().sum())} of {len(group)}",
            f"{group['affected_min'].median():,.0f} min",
            ", ".join(f"{n.replace('_', ' ')} {c}" for n, c in common.head(3).items()),  # type: ignore[attr-defined]
        ]
    what = [
        "Outages",
        "Told by the operator itself",
        "With a known duration",
        "Median duration",
        "Commonest groups of causes",
    ]
    return pd.DataFrame({"property": what, **columns})


def operators_tell(table: pd.DataFrame) -> bool:
    """True when database causes come from operators' own accounts more often than other causes."""
    shares = table.groupby("database")["official_source"].mean()
    return bool(shares.get("yes", 0.0) > shares.get("no", 0.0))


def said(corpus: Corpus) -> pd.DataFrame:
    """Return one row an incident and kind of statement: the first time each thing was said.

    Columns: incident_id, statement, offset_min (as written), offset_min_low, offset_min_high. Only
    outages of which announcements are on record; an open bound is left out.
    """
    rows = []
    for incident in corpus.select(kind="outage"):
        clock = Timeline(incident)
        for what, words in _STATEMENTS.items():
            events = clock.said(what)
            if not events or events[0].offset.min is None or events[0].offset.max is None:
                continue
            offset = events[0].offset
            rows.append(
                {
                    "incident_id": incident.id,
                    "statement": words,
                    "offset_min": offset.as_written,
                    "offset_min_low": offset.min,
                    "offset_min_high": offset.max,
                }
            )
    columns = ["incident_id", "statement", "offset_min", "offset_min_low", "offset_min_high"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype(dict.fromkeys(columns[2:], "float64"))


def overlap(table: pd.DataFrame, minutes: float) -> pd.DataFrame:
    """Return the incidents whose duration is within a factor of two of `minutes`, any cause."""
    near = table["affected_min"].between(minutes / 2, minutes * 2)
    columns = ["incident_id", "cause_group", "database", "affected_min"]
    return table.loc[near, columns].sort_values("affected_min", ignore_index=True)
