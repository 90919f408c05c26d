"""Scores diagnoses against the truth of the runs that `matrix.py` made.

    python benchmarks/diagnosis/score.py DIR [--rounds 6 7] [--out results.json]

The only reader of truth.json. Prints tables in markdown: AC@k is the share of runs whose injected
cause is among the first k, Avg@5 the mean of AC@1..5; intervals are 95 % (Wilson; bootstrap for
Avg@5).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
import baselines

from analysis.bottleneck.case import EVIDENCE, Case, open_case
from analysis.bottleneck.series import series
from analysis.bottleneck.verdict.diagnose import diagnose
from runlog.schema import TRUTH

EVIDENCE_SETS = {"all": EVIDENCE, "logs": ("logs",), "requests": ("requests",)}
WINDOWS = ("known", "detected", "early", "late")
# Faults that leave something in a server log; the others are scored with samples and requests only.
# A statement below log_min_duration_statement leaves nothing: a missing index and a flipped plan
# are counted only in runs whose log has at least LOGGED_LEAST durations inside the window.
LOGGED_LEAST = 5
IN_LOGS = frozenset({
    "hot_row", "lock_across_call", "connection_limit", "missing_index", "plan_flip", "wal_stall",
    "deadlock", "serialization_failure", "advisory_lock", "ddl_lock_queue", "server_crash",
    "sync_standby_lost",
})  # fmt: skip
# Rounds that were looked at while the rules were made: the centroid learns from them.
DEVELOPMENT = range(6)
METHODS = ("rules", "max_z", "n_sigma", "median_iqr", "centroid")


def truth_of(folder: Path) -> list[dict[str, Any]]:
    """Injected faults of a run: fault, start, end (with time zone)."""
    found = json.loads((folder / TRUTH).read_text("utf-8"))["faults"]
    for fault in found:
        for edge in ("start", "end"):
            fault[edge] = dt.datetime.fromisoformat(fault[edge])
    return found


def window_of(
    faults: list[dict[str, Any]], mode: str, shift_s: float
) -> tuple[dt.datetime, dt.datetime] | None:
    """The window handed to the methods; None when they must find it. `shift_s` 0: its
    own length.
    """
    if mode == "detected" or not faults:
        return None
    start, end = min(f["start"] for f in faults), max(f["end"] for f in faults)
    shift = dt.timedelta(seconds=shift_s) if shift_s else end - start
    step = {"known": 0, "early": -1, "late": 1}[mode] * shift
    return start + step, end + step


def judge(
    folder: Path, evidence: str, centroid: baselines.Centroid | None, shift_s: float
) -> list[dict[str, Any]]:
    """All rankings of one run with one set of evidence, one row a window mode and method."""
    faults = truth_of(folder)
    try:
        case = open_case(folder, evidence=EVIDENCE_SETS[evidence], validate=False)
    except Exception as error:  # a run without this evidence
        print(f"{folder.name} {evidence}: {error}", file=sys.stderr)
        return []
    frame = series(case)
    in_log = _visible(case, faults)
    rows = []
    for mode in WINDOWS:
        window = window_of(faults, mode, shift_s)
        if mode != "detected" and window is None:
            continue
        found = diagnose(case, window=window)
        rankings = {"rules": found.causes}
        if faults:
            rankings |= _baselines(case, frame, window, found.window, centroid)
        for method, ranking in rankings.items():
            rows.append({
                "run": folder.name, "evidence": evidence, "window": mode, "method": method,
                "causes": [f["fault"] for f in faults], "ranking": ranking,
                "alarm": bool(found.problems), "design": case.manifest.design,
                "found": found.window.origin, "in_log": in_log,
            })  # fmt: skip
    case.close()
    return rows


def _visible(case: Case, faults: list[dict[str, Any]]) -> bool:
    """True when the run's faults left something in its server log."""
    if not faults or not all(f["fault"] in IN_LOGS for f in faults):
        return False
    if not {f["fault"] for f in faults} & {"missing_index", "plan_flip"}:
        return True
    first = case.bucket_of(min(f["start"] for f in faults))
    last = case.bucket_of(max(f["end"] for f in faults))
    query = "SELECT count(*) FROM bn_durations WHERE bucket BETWEEN $first AND $last"
    found = case.con.execute(query, {"first": first, "last": last}).fetchall()
    return int(found[0][0]) >= LOGGED_LEAST


def _baselines(
    case: Case, frame: pd.DataFrame, given: Any, detected: Any, centroid: baselines.Centroid | None
) -> dict[str, list[str]]:
    start, end = (case.bucket_of(given[0]), case.bucket_of(given[1])) if given else (
        detected.first, detected.last)  # fmt: skip
    ranks = {
        "max_z": baselines.rank_by(baselines.max_z(frame, start)),
        "n_sigma": baselines.rank_by(baselines.n_sigma(frame, start)),
        "median_iqr": baselines.rank_by(baselines.median_iqr(frame, start)),
    }
    if centroid is not None:
        ranks["centroid"] = centroid.rank(baselines.signature(frame, start, end))
    return ranks


def learn(folders: list[Path], evidence: str) -> baselines.Centroid | None:
    """The centroids of the development rounds' single faults, with the window known."""
    examples = []
    for folder in folders:
        faults = truth_of(folder)
        if len(faults) != 1:
            continue
        try:
            case = open_case(folder, evidence=EVIDENCE_SETS[evidence], validate=False)
        except Exception:
            continue
        start, end = case.bucket_of(faults[0]["start"]), case.bucket_of(faults[0]["end"])
        examples.append((faults[0]["fault"], baselines.signature(series(case), start, end)))
        case.close()
    return baselines.Centroid(examples) if examples else None


def hit(row: pd.Series, k: int) -> bool:
    """True when every injected cause is among the first k."""
    return set(row["causes"]) <= set(row["ranking"][:k])


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if not count:
        return math.nan, math.nan
    z, p = 1.96, hits / count
    centre = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return max(0.0, centre - half), min(1.0, centre + half)


def share(hits: pd.Series) -> str:
    """A share with its interval, as a table cell."""
    if not len(hits):
        return "–"
    low, high = wilson(int(hits.sum()), len(hits))
    return f"{hits.mean():.2f} ({low:.2f}–{high:.2f})"


def average_at_5(rows: pd.DataFrame) -> str:
    """Avg@5 with a bootstrap interval."""
    if not len(rows):
        return "–"
    each = np.array([np.mean([hit(r, k) for k in range(1, 6)]) for _, r in rows.iterrows()])
    random = np.random.default_rng(5)
    drawn = random.choice(each, size=(2000, len(each))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{each.mean():.2f} ({low:.2f}–{high:.2f})"


def tables(rows: pd.DataFrame, *, full: bool) -> str:
    """The results as markdown; of the baselines only the best one, or all of them when `full`."""
    single = rows[rows["causes"].map(len) == 1]
    double = rows[(rows["causes"].map(len) == 2) & (rows["evidence"] == "all")]
    healthy = rows[(rows["causes"].map(len) == 0) & (rows["method"] == "rules")]
    lines = [
        "| evidence | window | method | runs | AC@1 | AC@3 | Avg@5 |",
        "|---|---|---|---|---|---|---|",
    ]
    for (evidence, window), part in _parts(single):
        judged = part[part["in_log"]] if evidence == "logs" else part
        for method, own in _shown(judged, 1, full):
            first, third = share(own.apply(hit, axis=1, k=1)), share(own.apply(hit, axis=1, k=3))
            cells = (evidence, window, method, len(own), first, third, average_at_5(own))
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += ["", "Two faults at once, both in the first three:", "",
              "| window | method | runs | both in top 3 |", "|---|---|---|---|"]  # fmt: skip
    for (_, window), part in _parts(double):
        for method, own in _shown(part, 3, full):
            both = share(own.apply(hit, axis=1, k=3))
            lines.append(f"| {window} | {method} | {len(own)} | {both} |")
    lines += ["", "Healthy runs without a problem finding (specificity):", "",
              "| evidence | runs | specificity |", "|---|---|---|"]  # fmt: skip
    for evidence in EVIDENCE_SETS:
        part = healthy[healthy["evidence"] == evidence]
        if len(part):
            lines.append(f"| {evidence} | {len(part)} | {share(~part['alarm'])} |")
    return "\n".join([*lines, "", *per_fault(single), "", *misses(rows)])


def _parts(rows: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """Rows by evidence and window, in the order of the tables; empty parts are left out."""
    pairs = [(e, w) for e in EVIDENCE_SETS for w in WINDOWS]
    parts = [(p, rows[(rows["evidence"] == p[0]) & (rows["window"] == p[1])]) for p in pairs]
    return [(pair, part) for pair, part in parts if len(part)]


def _shown(part: pd.DataFrame, k: int, full: bool) -> list[tuple[str, pd.DataFrame]]:
    """Rows by method: the rules, then every baseline, or the one that is right most often."""
    each = {m: part[part["method"] == m] for m in METHODS if (part["method"] == m).any()}
    rules = each.pop("rules", None)
    ranked = sorted(each, key=lambda m: -each[m].apply(hit, axis=1, k=k).mean())
    shown = ranked if full else ranked[:1]
    own = [("rules", rules)] if rules is not None else []
    return own + [(m, each[m]) for m in shown]


def misses(rows: pd.DataFrame) -> list[str]:
    """Every run that the rules got wrong with all evidence, window detected, one line each."""
    part = rows[(rows["evidence"] == "all") & (rows["method"] == "rules")
                & (rows["window"] == "detected")]  # fmt: skip
    lines = ["Runs that went wrong (rules, window detected, all evidence):", ""]
    for _, row in part.sort_values("run").iterrows():
        wrong = (
            not hit(row, max(1, 3 * (len(row["causes"]) - 1))) if row["causes"] else row["alarm"]
        )
        if wrong:
            named = ", ".join(row["ranking"][:4]) or "nothing"
            lines.append(f"* {row['run']} ({row['design']}): {named}")
    return lines


def per_fault(single: pd.DataFrame) -> list[str]:
    """AC@1 of the rules by fault, window detected."""
    lines = ["By fault, rules, window detected, all evidence:", "",
             "| fault | runs | AC@1 | AC@3 | first named instead |",
             "|---|---|---|---|---|"]  # fmt: skip
    part = single[(single["evidence"] == "all") & (single["window"] == "detected")
                  & (single["method"] == "rules")].copy()  # fmt: skip
    part["fault"] = part["causes"].map(lambda c: c[0])
    for fault, group in part.groupby("fault"):
        first, third = group.apply(hit, axis=1, k=1), group.apply(hit, axis=1, k=3)
        others = sorted({(r[0] if r else "nothing") for r in group.loc[~first, "ranking"]})
        lines.append(
            f"| {fault} | {len(group)} | {first.mean():.2f} | {third.mean():.2f} | "
            f"{', '.join(others)} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, nargs="*", default=[6, 7])
    parser.add_argument(
        "--shift", type=float, default=0.0, help="seconds; 0: the fault's own length"
    )
    parser.add_argument("--full", action="store_true", help="all baselines, not only the best")
    parser.add_argument("--out", type=Path, help="write every ranking as JSON")
    parser.add_argument("--add", type=Path, nargs="*", default=[], help="rankings made before")
    options = parser.parse_args()
    runs = sorted(
        p.parent for p in options.folder.glob(f"*/{TRUTH}") if ".partial-" not in p.parent.name
    )
    rounds = {p: int(m[1]) for p in runs if (m := re.match(r"[rx](\d+)-", p.name))}
    development = [p for p, number in rounds.items() if number in DEVELOPMENT]
    rows: list[dict[str, Any]] = [r for p in options.add for r in json.loads(p.read_text("utf-8"))]
    for evidence in EVIDENCE_SETS:
        centroid = learn(development, evidence)
        for folder in (p for p, number in rounds.items() if number in options.rounds):
            rows += judge(folder, evidence, centroid, options.shift)
    frame = pd.DataFrame(rows)
    print(tables(frame, full=options.full))
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
