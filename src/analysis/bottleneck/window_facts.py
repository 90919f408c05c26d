"""Facts of one window that are no series: who blocked, which errors, which calls, which front."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.bottleneck import blocking, statements
from analysis.bottleneck.case import Case
from analysis.bottleneck.robust import INDIFFERENT_US
from analysis.bottleneck.window import Window
from analysis.sql import load

# Errors and autoanalyze lines just before the first bad bucket belong to what follows.
SLACK_S = 5
# A request that takes so much longer than the usual 95th percentile has hung.
INTERRUPTED_US = 1_000_000
# A front was in work when it finished about one attempt a bucket in the few just before.
NEAR_BUCKETS, FRONT_AT_WORK = 5, 0.8


def of_samples(
    case: Case, window: Window, frames: dict[str, pd.DataFrame], frame: pd.DataFrame
) -> dict[str, Any]:
    if not case.has("samples"):
        return {}
    crowd = query(case, "duckdb/bottleneck_fact_crowds", window).iloc[0].to_dict()
    gap = case.con.execute(
        load("duckdb/bottleneck_fact_gaps"),
        {**case.axis, "use": True, "first": window.first, "last": window.last},
    ).df().iloc[0]  # fmt: skip
    roots = frames["roots"]
    hidden = case.con.execute(
        load("bottleneck_fact_hidden"), {"start": window.start, "end": window.end}
    ).df().iloc[0]  # fmt: skip
    return {
        "hidden_share": hidden["hidden"] / max(hidden["sessions"], 1),
        "unblamed_share": hidden["unblamed"] / max(hidden["lock_waits"], 1),
        "working_root_share": blocking.working_root_share(roots),
        "waiters": crowd["waiters"], "roots": crowd["roots"], "blocked_samples": crowd["samples"],
        "cycle_samples": crowd["cycles"],
        "idle_root_share": blocking.idle_root_share(roots),
        "wal_root_share": _root_share(roots, "root_wait", "wal|syncrep"),
        "cpu_root_share": _root_share(roots, "root_wait", "on cpu"),
        "gap_s": gap["gap_us"] / 1e6 if pd.notna(gap["gap_us"]) else None,
        "pause_s": gap["median_us"] / 1e6 if pd.notna(gap["median_us"]) else None,
        **_behind(case, window),
        **_leading_statement(case, window, frame),
    }  # fmt: skip


def _behind(case: Case, window: Window) -> dict[str, float]:
    """Share of waiting (0..1) for, or behind a waiter for, an advisory lock and a table."""
    found = query(case, "duckdb/bottleneck_fact_behind", window)
    shares = dict(zip(found["kind"], found["behind_share"], strict=True))
    return {f"behind_{kind}": float(shares.get(kind, 0.0)) for kind in ("advisory", "relation")}


def _root_share(roots: pd.DataFrame, column: str, pattern: str) -> float:
    """Share of waiting whose root matches; NaN when nobody waited."""
    total = roots["waiter_s"].sum() if len(roots) else 0
    if not total:
        return math.nan
    hit = roots[column].str.lower().str.contains(pattern, na=False)
    return float(roots.loc[hit, "waiter_s"].sum() / total)


def _leading_statement(case: Case, window: Window, frame: pd.DataFrame) -> dict[str, Any]:
    """The statement whose time on CPU and reading grew most: by how much, and as step or slope."""
    found = case.con.execute(load("bottleneck_fact_statements")).df()
    if found.empty:
        return {}
    ticks = frame["ticks"].to_numpy(dtype=float)
    wide = found.pivot_table(index="bucket", columns="query_id", values="cpu_io", aggfunc="sum")
    wide = wide.reindex(frame.index).fillna(0.0).div(np.where(ticks > 0, ticks, np.nan), axis=0)
    inside = wide.iloc[list(window.buckets)].mean()
    outside = wide.iloc[list(window.reference)].mean() if window.reference else inside * 0.0
    growth = (inside - outside.fillna(0.0)).sort_values(ascending=False)
    leader = growth.index[0]
    rest = float(growth.iloc[1:].clip(lower=0.0).sum())
    return {
        "leader_query_id": int(leader), "leader_growth": float(growth.iloc[0]),
        "leader_share": float(growth.iloc[0] / max(growth.iloc[0] + rest, 1e-9)),
        "leader_slope": _slope(wide[leader].iloc[list(window.buckets)]),
    }  # fmt: skip


def _slope(values: pd.Series) -> float:
    """Growth inside the window: level of the last third over the first; 1 is flat, NaN
    too short.
    """
    known = values.dropna()
    third = len(known) // 3
    if third < 2 or known.iloc[:third].mean() <= 0:
        return math.nan
    return float(known.iloc[-third:].mean() / known.iloc[:third].mean())


def of_log(case: Case, window: Window, frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    if not case.has("logs"):
        return {}
    slack = max(1, SLACK_S // case.bucket_s)
    span = {"first": window.first, "last": window.last, "slack": slack}
    signs = case.con.execute(load("bottleneck_fact_signs"), span).df().iloc[0].to_dict()
    facts: dict[str, Any] = {f"sign_{name}": int(value or 0) for name, value in signs.items()}
    builds = case.con.execute(load("bottleneck_fact_index_builds"), span).df()
    facts["index_builds"] = int(builds["index_builds"].iloc[0])
    facts["log_placed_share"] = _log_placed_share(case)
    kinds = frames["wait_kinds"].set_index("kind")
    total = float(kinds["wait_s"].sum()) if len(kinds) else 0.0
    facts["log_wait_s"] = total
    for kind in ("transaction", "tuple", "relation", "advisory", "extend"):
        facts[f"log_wait_s_{kind}"] = float(kinds["wait_s"].get(kind, 0.0))
    facts["log_strongest"] = int(kinds["strongest"].sum()) if len(kinds) else 0
    facts["hot_relation_share"] = (
        float(frames["hot_rows"]["relation_share"].max()) if total else None
    )
    row_waits = kinds["waits"].reindex(["transaction", "tuple"]).fillna(0)
    facts["log_row_waits"] = int(row_waits.sum())
    facts["log_long_holds"] = int(row_waits["tuple"])
    waiting = query(case, "bottleneck_fact_waiting_time", window).iloc[0]
    facts["log_waiting_statement_s"] = float(waiting["waiting_s"] or 0.0)
    facts["log_commit_s"] = float(waiting["commit_s"] or 0.0)
    facts["log_commits"] = int(waiting["commits"] or 0)
    facts["log_statement_s"] = float(waiting["total_s"] or 0.0)
    facts["checkpoints"] = int(
        statements.log_table(case, "checkpoints", window)["checkpoints"].sum()
    )
    return facts | _error_facts(case, window)


def _log_placed_share(case: Case) -> float:
    """Records of the log in the time under diagnosis, over what its usual rate would put there."""
    found = case.con.execute(
        load("bottleneck_fact_log_place"), {"start": case.start, "end": case.at(case.buckets)}
    ).df().iloc[0]  # fmt: skip
    axis_s = (case.end - case.start).total_seconds()
    part = min(1.0, max(axis_s, 1.0) / max(float(found["span_s"]), 1.0))
    return float(found["placed"]) / (float(found["records"]) * part)


def _error_facts(case: Case, window: Window) -> dict[str, Any]:
    """Errors of the causes that are told by their SQLSTATE: number inside, and a minute outside."""
    found = case.con.execute(load("bottleneck_fact_errors")).df()
    within = found["bucket"].between(window.first, window.last)
    beside = found["bucket"].isin(window.reference)
    reference_min = len(window.reference) * case.bucket_s / 60
    facts: dict[str, Any] = {}
    for code, name in (("40P01", "deadlocks"), ("40001", "serialization"), ("53300", "too_many")):
        hit = found["sql_state_code"] == code
        facts[f"errors_{name}"] = int(found.loc[hit & within, "records"].sum())
        outside = float(found.loc[hit & beside, "records"].sum())
        facts[f"errors_{name}_outside_per_min"] = (
            outside / reference_min if window.reference else math.nan
        )
    return facts


def of_requests(case: Case, window: Window, frame: pd.DataFrame) -> dict[str, Any]:
    if not case.has("requests"):
        return {}
    span = {"first": window.first, "last": window.last}
    calls = case.con.execute(
        load("duckdb/bottleneck_fact_gateway_calls"), {**span, **case.axis}
    ).df().iloc[0]  # fmt: skip
    facts: dict[str, Any] = {f"gateway_{name}": int(value) for name, value in calls.items()}
    for side in ("", "_outside"):
        calls_us = max(facts[f"gateway_calls{side}_us"], 1)
        facts[f"gateway_slow_share{side}"] = facts[f"gateway_slow{side}_us"] / calls_us
    held = query(case, "duckdb/bottleneck_fact_held_calls", window).iloc[0]
    facts["held_calls"] = int(held["held"])
    facts["held_share"] = int(held["held"]) / max(int(held["calls"]), 1)
    facts["held_share_outside"] = int(held["held_outside"]) / max(int(held["calls_outside"]), 1)
    repeats = query(case, "duckdb/bottleneck_fact_repeats", window).iloc[0]
    known = pd.notna(repeats["pause_us_p50"])
    facts["repeat_pause_ms"] = float(repeats["pause_us_p50"]) / 1000 if known else None
    facts["attempt_max"] = int(repeats["attempt_max"]) if pd.notna(repeats["attempt_max"]) else 1
    facts["repeats"] = int(repeats["repeats"])
    facts["repeats_each"] = facts["repeats"] / max(int(repeats["repeated"]), 1)
    harm = case.con.execute(load("duckdb/bottleneck_fact_harm"), {
        **span, "start": window.start, "end": window.end, "record_end": case.end,
        "interrupted_us": INTERRUPTED_US,
    }).df().iloc[0]  # fmt: skip
    facts |= {f"harm_{name}": int(value) for name, value in harm.items()}
    facts |= _front_facts(case.con.execute(load("bottleneck_fact_fronts")).df(), window)
    served = frame["approved"].iloc[list(window.buckets)]
    sent = frame["arrivals"].iloc[list(window.buckets)]
    facts["unserved_buckets"] = _longest((served.fillna(0) == 0) & (sent.fillna(0) > 0))
    return facts


def client_growth(case: Case, window: Window) -> pd.DataFrame:
    """Client statements by growth: name, times (median during over outside), growth_share."""
    found = query(case, "bottleneck_fact_client_statements", window)
    found = found[(found["p50_outside_us"] > 0) & (found["calls_during"] >= 5)].copy()
    trifle = INDIFFERENT_US
    found["times"] = (found["p50_during_us"] + trifle) / (found["p50_outside_us"] + trifle)
    growth = ((found["p50_during_us"] - found["p50_outside_us"]) * found["calls_during"]).clip(
        lower=0
    )
    found["growth_share"] = growth / max(float(growth.sum()), 1e-9)
    return found.sort_values("growth_share", ascending=False, kind="stable").reset_index(drop=True)


def _front_facts(fronts: pd.DataFrame, window: Window) -> dict[str, Any]:
    """Longest silence of one front, in buckets in which another one finished work.

    Buckets in which nobody finished anything say nothing about one front, and do not end a silence.
    Only fronts count that were in work just before they fell silent (just after, where that begins
    the record), one attempt a bucket and more, and whose silence is no accident: `silence_odds` is
    the natural logarithm of how unlikely it is that the others finished all that was finished then.
    """
    if fronts.empty:
        return {"fronts_seen": 0}
    finished = fronts.pivot_table(
        index="bucket", columns="front_id", values="finished", aggfunc="sum"
    )
    wide = finished.reindex(list(window.buckets)).fillna(0.0)
    found: list[dict[str, Any]] = []
    for front in wide.columns:
        others = wide.drop(columns=front).sum(axis=1)
        served = others[others > 0]
        silence = _longest_stretch(wide.loc[others > 0, front] == 0)
        if not len(silence):
            continue
        first, last = int(silence[0]), int(silence[-1])
        beside = range(first - NEAR_BUCKETS, first) if first >= 2 else range(last + 1, last + 6)
        near = finished.reindex([b for b in beside if b >= 0]).fillna(0.0)
        if near[front].mean() < FRONT_AT_WORK:
            continue
        share = min(float(near[front].sum() / near.to_numpy().sum()), 0.999)
        found.append({
            "silent_front": front, "silent_buckets": len(silence), "working_buckets": len(served),
            "silence_odds": -float(served[silence].sum()) * math.log(1 - share),
        })  # fmt: skip
    worst = max(found, key=lambda row: int(row["silent_buckets"]), default={})
    return {"fronts_seen": int(wide.shape[1]), **worst}


def _longest_stretch(flags: pd.Series) -> pd.Index:
    """Index of the longest unbroken stretch of True; empty where there is none."""
    stretches = [part.index[part] for _, part in flags.groupby((~flags).cumsum())]
    return max(stretches, key=len, default=flags.index[:0])


def _longest(flags: pd.Series) -> int:
    """Length of the longest unbroken stretch of True."""
    return len(_longest_stretch(flags))


def query(case: Case, name: str, window: Window) -> pd.DataFrame:
    span = {"first": window.first, "last": window.last}
    return case.con.execute(load(name), span).df()
