"""The report's questions, answered in words and numbers only as far as the data go."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd

from analysis import tables
from analysis.capacity.counterfactual import POLICIES, SETTLED_S

RISE_SHARE_MIN = 0.1  # a rise of goodput smaller than this share is not worth more fronts

QUESTIONS = {
    "fronts 2 → 4": "Would more fronts have helped?",
    "processors 1 → 2": "Would a database machine with twice the processors have helped?",
    "the other design": "Would the other design have helped?",
    "shedding on": "Would shedding have helped?",
    "settlement rows 1 → 8": "Would spreading the settlement row have helped?",
    "auto-charge off": "Would switching auto-charge off have helped?",
}


def answer(row: pd.Series) -> str:
    """Return one question answered from its measured effect: yes, no, worse, or not shown.

    A difference whose 95 % interval holds zero is never called one.
    """
    asked = QUESTIONS.get(row["question"], row["question"] + "?")
    facts = (
        f"goodput {row['goodput_base']:.1f} → {row['goodput_changed']:.1f} of "
        f"{row['offered_per_s']:g} offered per second, change {row['difference']:+.1f}"
    )
    if row["pairs"] < 2:
        return f"{asked} **Not known**: {facts}, measured once."
    interval = f"95 % interval {row['low']:+.1f} to {row['high']:+.1f}, {row['pairs']} repetitions"
    if not row["shown"]:
        return f"{asked} **No difference shown**: {facts} ({interval})."
    share = row["difference"] / row["goodput_base"] if row["goodput_base"] > 0 else None
    amount = f", {tables.percent(share, 0)}" if share is not None else ""
    word = "**Yes**" if row["low"] > 0 else "**No, it made things worse**"
    return f"{asked} {word}: {facts}{amount} ({interval})."


def fronts_sentence(effects: pd.DataFrame) -> str:
    """Return what the data say of adding fronts to the design that holds locks across the call.

    That a rise is not shown does not say that there is none: "did not raise" is said only when
    the whole interval lies below a rise of a tenth.
    """
    part = effects[
        (effects["design"] == "lock_across_call") & (effects["question"] == "fronts 2 → 4")
    ]
    if part.empty or part.iloc[0]["pairs"] < 2:
        return "Whether more fronts help `lock_across_call` was not measured often enough to say."
    row = part.iloc[0]
    facts = (
        f"four fronts gave {row['difference']:+.1f} per second against two (95 % interval "
        f"{row['low']:+.1f} to {row['high']:+.1f}) at {row['offered_per_s']:g} offered per second"
    )
    if row["low"] > 0:
        said = "**raised goodput**: the load was not beyond the knee of two fronts"
    elif row["high"] < 0:
        said = "**lowered goodput**"
    elif row["high"] <= RISE_SHARE_MIN * row["goodput_base"]:
        said = f"**did not raise goodput** by as much as {tables.percent(RISE_SHARE_MIN, 0)}"
    else:
        said = "is **not shown to raise goodput**, nor is a rise ruled out"
    return f"In `lock_across_call` adding fronts {said}: {facts}."


def mitigation_sentences(effects: pd.DataFrame) -> list[str]:
    """Return what an earlier switch-off would have saved, denied and avoided, against never."""
    said = []
    for row in effects[effects["variant"] != "never"].to_dict("records"):
        saved, avoided = (_with_range(row, n) for n in ("payments_saved", "refunds_avoided"))
        runs = int(row["repetitions"])
        how = "one run each" if runs == 1 else f"means and range of {runs} runs each"
        said.append(
            f"Auto-charge off at **{row['variant']}**, against never: {saved} payments that came "
            f"through, {row['denied']:,.0f} denied for want of balance, refunds avoided {avoided} "
            f"({how})."
        )
    return said


def _with_range(row: dict[Hashable, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    bounds = f" ({low:+,.0f} to {high:+,.0f})" if row["repetitions"] > 1 else ""
    return f"{row[name]:+,.0f}{bounds}"


def metastability_sentences(goodput: pd.DataFrame) -> list[str]:
    """Return, policy by policy, whether goodput returned after the trigger was removed."""
    said = []
    for policy in POLICIES:
        part = goodput[goodput["variant"] == policy]
        if part.empty:
            continue
        returned, runs = int(part["returned"].sum()), len(part)
        word = "**returned**" if returned == runs else "**did not return**"
        if 0 < returned < runs:
            word = f"returned in {returned} of {runs} runs"
        said.append(
            f"{policy.capitalize()} ({POLICIES[policy][0]}): goodput {word}: "
            f"{tables.percent(part['before'].mean(), 0)} before, "
            f"{tables.percent(part['during'].mean(), 0)} during, "
            f"{tables.percent(part['after'].mean(), 0)} from {SETTLED_S:g} seconds after the "
            f"trigger's end on, with {part['attempts_after'].mean():.1f} attempts a payment "
            f"({_runs(runs)})."
        )
    return said


def _runs(count: int) -> str:
    return "one run" if count == 1 else f"{count} runs"


def policy_sentence(goodput: pd.DataFrame) -> str:
    """Return which retry policies let goodput return in every run, in some, or in none."""
    shares = goodput.groupby("variant", sort=False)["returned"].mean()
    measured = [p for p in POLICIES if p in shares.index]
    back = [p for p in measured if shares[p] == 1]
    stuck = [p for p in measured if shares[p] == 0]
    mixed = [p for p in measured if 0 < shares[p] < 1]
    if not measured:
        return "Metastability was not measured."
    if back == measured:
        return "Goodput returned under every retry policy: this trigger left no metastable state."
    if stuck == measured:
        return "Goodput returned under **no** policy within the time that was watched."
    parts = [f"returned under {_listed(back)}"] if back else []
    parts += [f"did not under {_listed(stuck)}"] if stuck else []
    parts += [f"returned in some runs only under {_listed(mixed)}"] if mixed else []
    lead = "The retry policy makes the difference: " if back and stuck else ""
    said = "goodput " + ", and ".join(parts) + "."
    return lead + said if lead else said[:1].upper() + said[1:]


def _listed(names: list[str]) -> str:
    return " and ".join(f"“{n}”" for n in names)


def study_sentences(mitigation: pd.DataFrame, goodput: pd.DataFrame) -> list[str]:
    """Return both studies in words; says so where one was not measured."""
    said = mitigation_sentences(mitigation) + metastability_sentences(goodput)
    return said or ["Neither study was measured in this sweep."]
