"""Two studies on measured runs: an earlier mitigation, and whether goodput returns by itself.

Mitigation: the scenario `kyash-2018-11-03` again and again, with nothing changed but the moment at
which auto-charge is switched off. Metastability: a slow gateway for a few seconds, the same load,
and four ways for clients to try again; the test is that of "Metastable Failures in the Wild" (OSDI
2022): remove the trigger and see whether goodput returns.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any

import pandas as pd

from runlog.errors import BadData

MITIGATION, METASTABILITY = "mitigation", "metastability"
SCENARIO = "kyash-2018-11-03"
SWITCHED_OFF = ("15:10", "16:00", "18:18", "never")
LIFTED = "20:00"  # what follows in the scenario stands for weeks and is not compared

TRIGGER_START_S, TRIGGER_END_S, STUDY_END_S = 5.0, 8.0, 26.0
SETTLED_S = 6.0  # after the trigger: time for honest backlog to go before judging

# policy -> (words, flags)
POLICIES: dict[str, tuple[str, str]] = {
    "no retries": ("clients give up after one try", "retries = 0"),
    "at once, 12 times": (
        "clients try again at once, up to 12 times",
        'retries = 12\nbackoff = "none"\nbackoff_ms = 0',
    ),
    "back-off, 12 times": (
        "clients wait longer before each new try",
        'retries = 12\nbackoff = "exponential"\nbackoff_ms = 200',
    ),
    "back-off and budget": (
        "as before, and at most one retry for ten first tries",
        'retries = 12\nbackoff = "exponential"\nbackoff_ms = 200\nretry_budget = 0.1',
    ),
}


@dataclass(frozen=True)
class Variant:
    """One scenario text to run for a study."""

    study: str
    name: str
    text: str


def mitigation_variants(scenario: str) -> list[Variant]:
    """Return the scenario with auto-charge switched off at each moment, or never.

    `scenario` is its TOML text. Everything after 20:00 is cut off, and so is the moment at which
    the restriction ends. Latencies are never scaled.
    Raises BadData when the text has no mitigation event or no clock.
    """
    content = tomllib.loads(scenario)
    clock = content.get("clock")
    switched = [e for e in content.get("events", []) if e.get("kind") == "mitigation"]
    if not clock or len(switched) != 1:
        raise BadData("scenario has no single mitigation on a clock", content.get("name", "?"))
    compression = float(clock["compression"])
    start = pd.Timestamp(clock["start"])
    end_s = _second(start, LIFTED, compression)
    return [
        Variant(MITIGATION, moment, _variant(content, _moment(start, moment, compression), end_s))
        for moment in SWITCHED_OFF
    ]


def _moment(start: pd.Timestamp, moment: str, compression: float) -> float | None:
    return None if moment == "never" else _second(start, moment, compression)


def _second(start: pd.Timestamp, moment: str, compression: float) -> float:
    hour, minute = (int(part) for part in moment.split(":"))
    passed = start.replace(hour=hour, minute=minute, second=0) - start
    return float(passed.total_seconds()) / compression


def _variant(content: dict[str, Any], off_s: float | None, end_s: float) -> str:
    """The scenario as TOML with one event, cut at `end_s`."""
    phases = [p for p in content["phases"] if p["start_s"] < end_s]
    lines = [
        _line(key, content[key])
        for key in ("name", "title", "about", "seed", "drain_s", "design", "fronts")
        if key in content
    ]
    lines += [f"duration_s = {end_s:.3f}", "sampler_hz = 1"]
    for table in ("flags", "population", "gateway"):
        lines += [f"[{table}]", *(_line(k, v) for k, v in content.get(table, {}).items())]
    for phase in phases:
        lines += ["[[phases]]", *(_line(k, v) for k, v in phase.items() if k != "end_s")]
        lines.append(f"end_s = {min(phase['end_s'], end_s):.3f}")
    for fault in content.get("faults", []):
        if fault["start_s"] >= end_s:
            continue
        lines += ["[[faults]]", *(_line(k, v) for k, v in fault.items() if k != "end_s")]
        lines.append(f"end_s = {min(fault['end_s'], end_s):.3f}")
    if off_s is not None:
        lines += ["[[events]]", f"at_s = {off_s:.3f}", 'kind = "mitigation"', "important = true"]
        lines += ['label = "auto-charge switched off"', "set = { auto_charge = false }"]
    return "\n".join(lines) + "\n"


def _line(key: str, value: object) -> str:
    return f"{key} = {_toml(value)}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + re.sub(r'(["\\])', r"\\\1", value).replace("\n", "\\n") + '"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return str(value)


def metastability_variants() -> list[Variant]:
    """Return the same load and trigger under each retry policy."""
    return [
        Variant(METASTABILITY, name, _METASTABILITY.format(flags=flags, seed=20250412))
        for name, (_, flags) in POLICIES.items()
    ]


_METASTABILITY = f"""name = "metastability"
title = "Does goodput return when the trigger is gone?"
about = "a gateway with little to spare is slow for a few seconds"
seed = {{seed}}
duration_s = {STUDY_END_S}
drain_s = 4.0
design = "phased"
fronts = 2
sampler_hz = 1

[flags]
settlement_shards = 8
client_timeout_ms = 1500
gateway_timeout_ms = 1000
{{flags}}

[population]
wallets = 2000
merchants = 60
opening_balance_jpy = [0, 2500]

[gateway]
latency_ms = 60
latency_sigma = 0.35
decline_share = 0.01
capacity = 5

[[phases]]
label = "ordinary load"
start_s = 0
end_s = {STUDY_END_S}
rate_per_s = 70
mix = {{{{ card_payment = 0.72, p2p_transfer = 0.18, top_up = 0.1 }}}}

[[faults]]
name = "gateway_slow"
start_s = {TRIGGER_START_S}
end_s = {TRIGGER_END_S}
parameters = {{{{ latency_ms = 1500.0 }}}}
"""


def goodput_after(timelines: pd.DataFrame) -> pd.DataFrame:
    """Return one row a policy and repetition: goodput share before, during and after the trigger.

    Columns: variant, repetition, before, during, after (shares of the intentions that were
    answered well in time), attempts_after (per intention), returned (after is at least 0.9 of
    before). "After" begins six seconds after the trigger has ended and ends two before the load.
    """
    frame = timelines[timelines["study"] == METASTABILITY]
    windows = {
        "before": (1, TRIGGER_START_S - 1),
        "during": (TRIGGER_START_S, TRIGGER_END_S),
        "after": (TRIGGER_END_S + SETTLED_S, STUDY_END_S - 2),
    }
    rows = []
    for (variant, repetition), part in frame.groupby(["variant", "repetition"], sort=False):
        row: dict[str, object] = {"variant": variant, "repetition": repetition}
        for name, (start, end) in windows.items():
            here = part[(part["second"] >= start) & (part["second"] < end)]
            asked = int(here["intentions"].sum())
            row[name] = int(here["good"].sum()) / asked if asked else float("nan")
            if name == "after":
                tries = int(here["attempts"].sum())
                row["attempts_after"] = tries / asked if asked else float("nan")
        rows.append(row)
    result = pd.DataFrame(rows, columns=["variant", "repetition", *windows, "attempts_after"])
    result["returned"] = result["after"] >= 0.9 * result["before"]
    return result


def mitigation_effects(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return one row a moment of the switch-off: means over repetitions, against never.

    Columns: variant, repetitions (in which "never" was run too; others are left out), paid, denied,
    refunds_due, refund_jpy, and the differences to "never" within the same repetition:
    payments_saved, refunds_avoided, each with _low and _high (smallest and largest).
    """
    frame = outcomes[outcomes["study"] == MITIGATION]
    never = frame[frame["variant"] == "never"].set_index("repetition")
    rows = []
    for variant in SWITCHED_OFF:
        part = frame[frame["variant"] == variant].set_index("repetition")
        part = part[part.index.isin(never.index)]
        if part.empty:
            continue
        base = never.loc[part.index]
        saved = part["paid"] - base["paid"]
        avoided = base["refunds_due"] - part["refunds_due"]
        means = {c: part[c].mean() for c in ("paid", "denied", "refunds_due", "refund_jpy")}
        rows.append(
            {"variant": variant, "repetitions": len(part)}
            | means
            | _spread("payments_saved", saved)
            | _spread("refunds_avoided", avoided)
        )
    columns = ["variant", "repetitions", "paid", "denied", "refunds_due", "refund_jpy"]
    for name in ("payments_saved", "refunds_avoided"):
        columns += [name, f"{name}_low", f"{name}_high"]
    return pd.DataFrame(rows, columns=columns)


def _spread(name: str, values: pd.Series) -> dict[str, float]:
    ends = {f"{name}_low": float(values.min()), f"{name}_high": float(values.max())}
    return {name: float(values.mean())} | ends
