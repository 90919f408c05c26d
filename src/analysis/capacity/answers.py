"""The report's questions, answered in words and numbers only as far as the data go."""

from __future__ import annotations

import pandas as pd

from analysis import tables
from analysis.capacity.counterfactual import POLICIES

QUESTIONS = {
    "fronts 2 → 4": "Would more fronts have helped?",
    "processors 1 → 2": "Would a database machine twice as large have helped?",
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
    """Return what the data say of adding fronts to the design that holds locks across the call."""
    part = effects[
        (effects["design"] == "lock_across_call") & (effects["question"] == "fronts 2 → 4")
    ]
    if part.empty or part.iloc[0]["pairs"] < 2:
        return "Whether more fronts help `lock_across_call` was not measured often enough to say."
    row = part.iloc[0]
    if row["low"] > 0:
        return (
            "In `lock_across_call` doubling the fronts from two to four raised goodput by "
            f"{row['difference']:.1f} per second: the load was not beyond the knee of two fronts."
        )
    return (
        "In `lock_across_call` adding fronts **did not raise goodput** as far as this sweep can "
        "show: four fronts gave "
        f"{row['difference']:+.1f} per second against two (95 % interval {row['low']:+.1f} to "
        f"{row['high']:+.1f}) at {row['offered_per_s']:g} offered per second."
    )


def mitigation_sentences(effects: pd.DataFrame) -> list[str]:
    """Return what an earlier switch-off would have saved, denied and avoided."""
    said = []
    for row in effects[effects["variant"] != "never"].itertuples():
        again = "one run" if row.repetitions == 1 else f"{row.repetitions} runs"
        said.append(
            f"Auto-charge off at **{row.variant}**: {row.payments_saved:+,.0f} payments came "
            f"through ({_range(row.payments_saved_low, row.payments_saved_high)}), "
            f"{row.denied:,.0f} were denied for want of balance, {row.refunds_avoided:,.0f} "
            f"refunds "
            f"were avoided ({_range(row.refunds_avoided_low, row.refunds_avoided_high)}; {again} "
            "each, against never)."
        )
    return said


def _range(low: object, high: object) -> str:
    return f"{float(str(low)):+,.0f} to {float(str(high)):+,.0f}"


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
            f"{tables.percent(part['after'].mean(), 0)} six seconds after the trigger had ended, "
            f"with {part['attempts_after'].mean():.1f} attempts a payment."
        )
    return said


def policy_sentence(goodput: pd.DataFrame) -> str:
    """Return which retry policies let goodput return, or that none differs."""
    by_policy = goodput.groupby("variant", sort=False)["returned"].all()
    back = [p for p in POLICIES if by_policy.get(p, False)]
    stuck = [p for p in POLICIES if p in by_policy.index and not by_policy[p]]
    if not len(by_policy):
        return "Metastability was not measured."
    if not stuck:
        return "Goodput returned under every retry policy: this trigger left no metastable state."
    if not back:
        return "Goodput returned under **no** policy within the time that was watched."
    return (
        f"The retry policy makes the difference: goodput returned under {_listed(back)}, and did "
        f"not under {_listed(stuck)}."
    )


def _listed(names: list[str]) -> str:
    return " and ".join(f"“{n}”" for n in names)


def study_sentences(mitigation: pd.DataFrame, goodput: pd.DataFrame) -> list[str]:
    """Return both studies in words; says so where one was not measured."""
    said = mitigation_sentences(mitigation) + metastability_sentences(goodput)
    return said or ["Neither study was measured in this sweep."]
