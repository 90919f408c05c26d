"""What the report on the bottleneck shows: frames and sentences, one method a section.

Works for runs of the engine and for imported logs. What a run did not record is said to be
"not recorded"; it is never shown as zero.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.bottleneck import blocking, compare, littles_law, requests, statements
from analysis.bottleneck.case import Case, open_case
from analysis.bottleneck.verdict.diagnose import Diagnosis, diagnose
from analysis.bottleneck.words import brief_statement
from analysis.paths import find_run
from analysis.sql import load
from runlog.errors import UsageFault

# A chart of more kinds of waiting than this cannot be read.
EVENTS_SHOWN = 7
IDLE = "Idle in transaction"


@dataclass
class View:
    """One run as the report shows it, with another run to compare it with, or None.

    `not_compared` names a run that was asked for and had another load.
    """

    name: str
    diagnosis: Diagnosis = field(repr=False)
    other: View | None = None
    not_compared: str = ""

    @property
    def case(self) -> Case:
        return self.diagnosis.case

    @property
    def window(self) -> tuple[dt.datetime, dt.datetime] | None:
        """Start and end of the anomaly window on the display clock; None when nothing
        stands out.
        """
        found = self.diagnosis.window
        if not found.found:
            return None
        start, end = self.shown(pd.Series([found.start, found.end]))
        return start.to_pydatetime(), end.to_pydatetime()

    def shown(self, times: Any) -> pd.Series:
        """Run times on the incident's clock where the scenario has one; else as they are. UTC."""
        clock = self.case.manifest.clock
        moments = pd.to_datetime(pd.Series(times), utc=True)
        if clock.scenario_start is None:
            return moments
        passed = (moments - pd.Timestamp(clock.wall_start)) * clock.compression
        return (pd.Timestamp(clock.scenario_start).tz_convert("UTC") + passed).astype(moments.dtype)

    def events(self) -> pd.DataFrame:
        """What an operator knew, on the display clock: at, kind, label, important."""
        found = self.case.con.execute(load("bottleneck_events")).df()
        found["at"] = self.shown(found["at"]).to_numpy() if len(found) else found["at"]
        found["at"] = pd.to_datetime(found["at"], utc=True)
        return found

    def sessions(self) -> pd.DataFrame:
        """Average active sessions over time by wait event: `at`, one column an event, largest
        first.

        The last column is sessions idle in transaction, which is no database time. Without samples:
        logged statement time and, of it, logged lock waits. Empty when neither was recorded.
        """
        if self.case.has("samples"):
            return self._sampled_sessions()
        frame = self.diagnosis.frame
        if frame["log_aas"].isna().all():
            return pd.DataFrame(columns=["at"])
        waits = frame["log_wait_sessions"].fillna(0.0)
        rest = (frame["log_aas"].fillna(0.0) - waits).clip(lower=0.0)
        return pd.DataFrame({
            "at": self.shown(frame["at"]).to_numpy(), "lock waits in the log": waits,
            "other statement time in the log": rest,
        })  # fmt: skip

    def _sampled_sessions(self) -> pd.DataFrame:
        found = self.case.con.execute(load("bottleneck_aas")).df()
        idle = found["wait_class"] == IDLE
        found["event"] = found["wait_class"].where(
            found["wait_class"].isin(["CPU", IDLE]),
            found["wait_class"] + ": " + found["wait_event"],
        )
        top = found[~idle].groupby("event")["sessions"].sum().sort_values(ascending=False)
        kept = list(top.index[:EVENTS_SHOWN])
        found.loc[~idle & ~found["event"].isin(kept), "event"] = "other"
        wide = found.pivot_table(index="bucket", columns="event", values="sessions", aggfunc="sum")
        wide = wide.reindex(self.diagnosis.frame.index).astype("float64")
        sampled = self.diagnosis.frame["ticks"] > 0
        wide = wide.fillna(0.0).where(sampled, other=float("nan"))
        order = [*kept, "other", IDLE]
        wide = wide[[name for name in order if name in wide.columns]]
        wide.insert(0, "at", self.shown(self.diagnosis.frame["at"]).to_numpy())
        return wide.reset_index(drop=True)

    def statements(self, top: int = 12) -> pd.DataFrame:
        """DB time by statement inside the window: statement, db_time_s, share, and where it went.

        From samples where there are any (nothing is below a threshold), else from the server log.
        """
        window = self.diagnosis.window
        if self.case.has("samples"):
            found = statements.sampled_statements(self.case, window, top)
            found["statement"] = [brief_statement(text) for text in found["statement"]]
            return found
        found = statements.logged_statements(self.case, window, top)
        found["statement"] = [brief_statement(text) for text in found["statement"]]
        found["db_time_s"] = found["total_us"] / 1e6
        found["db_time_share"] = found["share"]
        return found

    def timed_statements(self) -> pd.DataFrame:
        """Exact percentiles by statement inside the window: as clients measured, else as logged."""
        window = self.diagnosis.window
        if self.case.has("requests") and self.case.run.rows("spans"):
            found = statements.client_statements(self.case, window)
            return found.drop(columns=["span"])
        found = statements.logged_statements(self.case, window)
        found["statement"] = [brief_statement(text) for text in found["statement"]]
        return found[[
            "statement", "kind", "calls", "total_us", "p50_us", "p95_us", "p99_us", "p999_us",
            "max_us",
        ]]  # fmt: skip

    def roots(self) -> pd.DataFrame:
        """Kinds of root blockers in the window: from samples, else from the log."""
        frames = self.diagnosis.features.frames
        return frames["roots"] if len(frames["roots"]) else frames["log_roots"]

    def hot_rows(self) -> pd.DataFrame:
        """Hot rows, tables and advisory locks of the window, from the server log."""
        return self.diagnosis.features.frames["hot_rows"]

    def episodes(self) -> pd.DataFrame:
        """Blocking episodes from samples, their times on the display clock."""
        found = blocking.episodes(self.case)
        for name in ("started_at", "ended_at"):
            found[name] = self.shown(found[name]).to_numpy()
            found[name] = pd.to_datetime(found[name], utc=True)
        return found

    def pool(self) -> pd.DataFrame:
        """Pool waiting beside latency over time, on the display clock."""
        found = requests.pool_against_latency(self.diagnosis.frame)
        found["at"] = pd.to_datetime(self.shown(found["at"]).to_numpy(), utc=True)
        return found

    def states(self) -> pd.DataFrame:
        """Requests in each state over time, on the display clock; empty without spans."""
        found = requests.request_states(self.case, self.diagnosis.frame)
        if found.empty or not self.case.run.rows("spans"):
            return pd.DataFrame(columns=["at"])
        found["at"] = pd.to_datetime(self.shown(found["at"]).to_numpy(), utc=True)
        return found.reset_index(drop=True)

    def phases(self) -> pd.DataFrame:
        """Before, during and after, one row a headline measure."""
        return compare.compare_phases(self.diagnosis.frame, self.diagnosis.window)

    def littles_law(self) -> pd.DataFrame:
        """The data-quality test by Little's law, one row a record and judgement: windows, ratio."""
        found = littles_law.littles_law(self.case, self.diagnosis.frame)
        if found.empty:
            return pd.DataFrame(columns=["what", "windows", "agree", "ratio_median"])
        judged = found[found["judgement"] != "too little"]
        grouped = judged.groupby("what")
        return pd.DataFrame({
            "windows": grouped.size(),
            "agree": grouped["judgement"].agg(lambda j: int((j != "disagrees").sum())),
            "ratio_median": grouped["ratio"].median(),
        }).reset_index()  # fmt: skip

    def log_table(self, name: str, top: int = 10) -> pd.DataFrame:
        """One table of the server log over the whole record (see `statements.LOG_TABLES`)."""
        return statements.log_table(self.case, name, None, top)


def open_view(
    run: str, compare_run: str = "", window_start: str = "", window_end: str = ""
) -> View:
    """Return the view of a run (path or name), with `compare_run` beside it unless "".

    Only runs of the same scenario and seed are compared: anything else would compare two loads.

    Raises UsageFault for an unknown run or a window with one end, BadData for a damaged run.
    """
    if bool(window_start) != bool(window_end):
        raise UsageFault("window with one end", window_start or window_end, "give both, or none")
    window = (moment(window_start), moment(window_end)) if window_start else None
    view = View(run, diagnose(open_case(find_run(run)), window=window))
    if compare_run:
        other = open_case(find_run(compare_run))
        if _same_load(view.case, other):
            view.other = View(compare_run, diagnose(other))
        else:
            view.not_compared = compare_run
            other.close()
    return view


def _same_load(one: Case, other: Case) -> bool:
    """True when two runs played the same scenario with the same seed."""
    here, there = one.manifest, other.manifest
    if here.scenario is None or there.scenario is None:
        return False
    return (here.scenario.name, here.seed) == (there.scenario.name, there.seed)


def moment(text: str) -> dt.datetime:
    """Return a time given as ISO 8601 text; one without a zone is UTC. Raises UsageFault.

    >>> moment("2018-10-09T14:14:00+09:00").isoformat()
    '2018-10-09T14:14:00+09:00'
    """
    try:
        parsed = dt.datetime.fromisoformat(text)
    except ValueError as error:
        todo = "write it like 2018-10-09T14:14:00+09:00"
        raise UsageFault("not a time", text, todo) from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)
