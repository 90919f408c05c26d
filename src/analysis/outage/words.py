"""The sentences of an outage report: each is made from the data, none is written for a case."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis import slo, tables
from analysis.incidents.clock import Timeline
from analysis.incidents.functions import AFFECTED, FUNCTIONS
from analysis.incidents.schema import Claim
from analysis.outage.case import Outage
from analysis.outage.frames import NOT_ON_RECORD, minutes_words, when_words

# words that keep their capital inside a sentence, beside abbreviations and names like MongoDB
_NAMES = frozenset({"Amazon", "Google", "Nikkei", "Suica"})
_WHAT = {
    "started_at": "the start",
    "mitigated_at": "the mitigation",
    "restored_at": "the end",
}
_FUNDED = ("Card payment with auto-charge", "Card payment from balance")


def summary(outage: Outage) -> list[str]:
    """Return the executive summary: the record first, then what the run beside it measured."""
    record = _record_sentences(outage.record) if outage.record else []
    return [*record, *_run_sentences(outage)]


def _record_sentences(record: Timeline) -> list[str]:
    incident, zone = record.incident, record.incident.time_zone
    began = when_words(record.time("started_at"), zone)
    affected = str(incident.affected[0].value).rstrip(".")
    lead = f"**{incident.title}.** Affected: {_lower(affected)}."
    lead += f" It began {began}, local time of {zone}."
    if incident.kind == "security":
        lead += " This is a security incident and is kept apart from the outages."
    said = record.duration("start_to_first_notice")
    cause = record.duration("start_to_cause_published")
    notice = (
        f"The first notice came after **{minutes_words(said)}**"
        + (f", the cause after {minutes_words(cause)}." if cause.min is not None else ".")
        if said.min is not None
        else "When customers were first told is not on record."
    )
    return [lead, lengths(record), functions(record), notice, causes(record), *conflicts(record)]


def lengths(record: Timeline) -> str:
    """Return how long it lasted, mitigation and restoration kept apart."""
    zone = record.incident.time_zone
    mitigated, restored = record.time("mitigated_at"), record.time("restored_at")
    if mitigated and restored:
        return (
            f"It was mitigated after **{minutes_words(record.duration('start_to_mitigation'))}**; "
            f"full function came back {when_words(restored, zone)}, "
            f"**{minutes_words(record.duration('mitigation_to_restoration'))}** later."
        )
    affected = record.affected_minutes()
    words = minutes_words(affected)
    if restored:
        span = record.duration("start_to_restoration")
        between = f" (from first to last trouble: {minutes_words(span)})"
        return f"Some function was affected for **{words}**{between if span != affected else ''}."
    if affected.min is not None:
        open_ended = all(p.end is None for p in record.phases())
        tail = "; the record gives the length, not the end" if open_ended else ""
        return f"Some function was affected for **{words}**{tail}."
    if mitigated:
        span = record.duration("start_to_mitigation")
        return f"It was mitigated after {minutes_words(span)}; the end is not on record."
    return "How long it lasted is not on record."


def functions(record: Timeline) -> str:
    """Return how many functions were affected, were up, or are named by no source."""
    states: dict[str, set[str]] = {}
    for phase in record.incident.phases:
        for entry in phase.functions:
            states.setdefault(entry.function, set()).add(str(entry.state[0].value))
    if not states:
        return "No source used here says which functions were affected."
    hit = [FUNCTIONS[f].label for f, s in states.items() if s & set(AFFECTED)]
    up = [FUNCTIONS[f].label for f, s in states.items() if s == {"up"} or s == {"up", "unknown"}]
    silent = [f for f, s in states.items() if s == {"unknown"}]
    words = f"Functions affected on record: {_listed(hit)}."
    if up:
        words += f" Working meanwhile: {_listed(up)}."
    if silent:
        words += f" Of {len(silent)} further function(s) no source speaks."
    if up or silent:
        words += " No single availability describes that."
    return words


def causes(record: Timeline) -> str:
    """Return the stated cause, and in words what is hypothesis and what is unknown."""
    found = record.incident.causes
    parts = []
    if found.stated:
        stated = "; ".join(_lower(str(c.value)) for c in found.stated)
        parts.append(f"**Cause as stated:** {stated}.")
    parts += [f"Inferred, not stated: {_lower(str(c.value))}." for c in found.inferred]
    if found.unknown:
        unknown = "; ".join(_lower(str(c.value)) for c in found.unknown)
        parts.append(f"Not known: {unknown}.")
    return " ".join(parts)


def conflicts(record: Timeline) -> list[str]:
    """Return one sentence a time or figure on which sources disagree, and why one is used."""
    alternatives: dict[str, list[Any]] = {}
    for path, _, claim in record.incident.claims():
        if not path.startswith(("causes", "later_evidence", "durations", "events")):
            alternatives.setdefault(path, []).append(claim)
    sentences = []
    for path, claims in alternatives.items():
        if len({str(c.value) for c in claims}) < 2:
            continue
        name = _WHAT.get(path, path.removesuffix(".claims").replace("_", " "))
        used, *rest = [_value_words(record, path, claim) for claim in claims]
        sentences.append(
            f"Sources disagree on {name}: {used} is used, {_listed(rest)} is kept beside it. "
            f"{claims[0].why}"
        )
    return sentences


def _value_words(record: Timeline, path: str, claim: Claim) -> str:
    if path in _WHAT:
        return when_words(record.moment(claim), record.incident.time_zone)
    return f"{claim.value:,}" if isinstance(claim.value, int | float) else str(claim.value)


def _run_sentences(outage: Outage) -> list[str]:
    run = outage.measured
    if run is None:
        return [outage.run_note]
    totals, design = outage.totals, run.run.manifest.design
    lost = totals["failed"] + totals["timed_out"] + totals["shed"]
    made = f" (design {design})" if design else ""
    subject = "The run laid beside it" if outage.incident else "The run"
    first = (
        f"**{subject}{made}** took {totals['offered']:,} attempts, of which {lost:,} "
        f"({tables.percent(lost / totals['offered'])}) failed, timed out or were shed."
    )
    return [first, *_measured(outage)]


def _measured(outage: Outage) -> list[str]:
    """What the run says of latency, of functions, of its mitigation and of its alerts."""
    functions_said = [*function_sentence(outage), *mitigation_sentence(outage)]
    return [*latency_sentence(outage), *functions_said, *_alerts(outage)]


def latency_sentence(outage: Outage) -> list[str]:
    """Return how the latency moved from before to during, from the intended arrival."""
    before, during = outage.phase("before"), outage.phase("during")
    if before is None or during is None:
        whole = outage.phases.iloc[0]
        p99 = tables.duration(whole["response_us_p99"])
        return [f"Over the whole run the p99 from the intended arrival was {p99}."]
    words = (
        "Measured p99 from the intended arrival: "
        f"{tables.duration(before['response_us_p99'])} before, "
        f"**{tables.duration(during['response_us_p99'])} during**; from the start of work "
        f"{tables.duration(during['service_us_p99'])} during. Latencies are never scaled."
    )
    return [words]


def function_sentence(outage: Outage) -> list[str]:
    """Return the measured availability of the function hit hardest and of the one hit least."""
    frame = outage.functions
    phase = "during" if "during" in set(frame["phase"]) else str(frame["phase"].iloc[0])
    rows = frame[(frame["phase"] == phase) & (frame["offered"] >= 10)]
    whole = rows[rows["funding"].isin(["all", ""])].sort_values("availability")
    if whole.empty:
        return []
    worst, best = whole.iloc[0], whole.iloc[-1]
    words = f"Measured {phase}: **{_share(worst)}**"
    words += f", against {_share(best)}." if worst["label"] != best["label"] else "."
    lost = rows[rows["funding"] == "not_looked_at"]
    if not lost.empty:
        count = int(lost["offered"].sum())
        words += f" {count:,} attempts ended before their funding was looked at."
    pair = rows[rows["label"].isin(_FUNDED)].sort_values("label", ascending=False)
    if len(pair) == 2:
        words += " Of those that got that far: " + ", ".join(_share(r) for _, r in pair.iterrows())
        words += "."
    return [words]


def mitigation_sentence(outage: Outage) -> list[str]:
    """Return what came back after the mitigation, and how many payments were declined by then.

    The run does not tell which decline is the measure's: the share before it stands beside.
    """
    frame = outage.functions
    rows = frame[(frame["operation"] == "card_payment") & (frame["funding"] == "all")]
    rows = rows.set_index("phase")
    if "mitigated" not in rows.index:
        return []
    answered, declined = rows["availability"], rows["availability"] - rows["approved_share"]
    words = (
        f"After the mitigation **{tables.percent(answered['mitigated'])}** of card payments were "
        f"answered, and {tables.percent(declined['mitigated'])} were declined"
    )
    if "during" not in rows.index:
        return [words + "."]
    words += f", against {tables.percent(declined['during'])} before it"
    price = declined["mitigated"] > declined["during"]
    return [words + (": the price of a measure that declines on purpose." if price else ".")]


def _share(row: pd.Series) -> str:
    share, late = tables.percent(row["availability"]), tables.percent(row["in_time_share"])
    return f"{_lower(str(row['label']))} answered {share} of attempts, in time {late}"


def _alerts(outage: Outage) -> list[str]:
    run = outage.measured
    assert run is not None
    detected, rule = slo.time_to_detect(run, outage.rates)
    clock = "the incident clock" if outage.replays else "the run"
    breached = slo.minutes_breached(outage.rates)
    goal = f"{outage.settings.objective_pct:g} % answered within {outage.settings.slow_ms:,.0f} ms"
    words = [
        f"Against an objective of {goal}, budget burned too fast in {breached:,} min of {clock}."
    ]
    if rule:
        words.append(f"A burn-rate page ({rule}) fires **{minutes_words(detected)}** after onset.")
    scored = outage.change_scores
    events = int(scored["verdict"].isin(["found", "missed"]).sum())
    if events:
        found, extra = (int((scored["verdict"] == v).sum()) for v in ("found", "extra"))
        words.append(
            f"Change points found from the measurements alone meet {found} of {events} events of "
            f"the run, each within a tenth of its length, with {extra} beyond them."
        )
    return [" ".join(words)]


def tiles(outage: Outage) -> list[tables.Tile]:
    """Return the big values at the top of the report; an unknown one says so."""
    found = []
    if outage.record is not None:
        record = outage.record
        mitigated = record.duration("start_to_mitigation")
        found.append(
            tables.Tile("Some function affected", minutes_words(record.affected_minutes()))
        )
        if mitigated.min is not None:
            found.append(tables.Tile("To mitigation", minutes_words(mitigated)))
        notice = minutes_words(record.duration("start_to_first_notice"))
        found.append(tables.Tile("To the first notice", notice))
        group = str(record.incident.cause_group[0].value).replace("_", " ")
        named = str(record.incident.database[0].value)
        found.append(tables.Tile("Cause, as grouped here", group, f"database named: {named}"))
    if outage.measured is not None:
        row = outage.phase("during")
        row = outage.phases.iloc[0] if row is None else row
        share = row["answered"] / row["offered"]
        tone: tables.Tone = "bad" if share < 0.9 else "warn" if share < 0.99 else "good"
        words = f"{row['phase']}, p99 {tables.duration(row['response_us_p99'])}"
        found.append(tables.Tile("Run: answered", tables.percent(share), words, tone))
    return found


def findings(outage: Outage) -> list[tables.Finding]:
    """Return the findings table: each with its evidence, its basis and its confidence."""
    found = []
    record = outage.record
    if record is not None:
        start = record.incident.started_at[0]
        sources = ", ".join(start.sources)
        found.append(
            tables.Finding(
                lengths(record).replace("**", ""), sources, "public record", start.confidence
            )
        )
        for claim in record.incident.causes.stated:
            cited = ", ".join(claim.sources)
            text = f"Stated cause: {claim.value}"
            found.append(tables.Finding(text, cited, "public record", claim.confidence))
        for claim in record.incident.causes.inferred:
            basis = "hypothesis" if claim.basis == "hypothesis" else "public record"
            cited = ", ".join(claim.sources)
            found.append(tables.Finding(str(claim.value), cited, basis, claim.confidence))  # type: ignore[arg-type]
    if outage.measured is not None:
        run_id = outage.measured.run.manifest.run_id
        for sentence in _measured(outage):
            text = sentence.replace("**", "")
            found.append(tables.Finding(text, f"run {run_id}", "measured", "as measured"))
    return found


def caveats(outage: Outage) -> list[str]:
    """Return what the report cannot tell."""
    said = []
    record, run = outage.record, outage.measured
    if record is not None:
        said += list(record.incident.gaps)
        said.append(
            f"“About” is read as {outage.settings.about_min:g} minutes either side: a convention, "
            "stated by no source."
        )
        said += [
            f"Later evidence ({c.confidence}): {c.value}. {c.note or ''}".strip()
            for c in record.incident.later_evidence
        ]
    if run is None:
        return said
    if record is not None:
        said.append("The run is a model of the kind of trouble, not a record of this outage.")
    hypothesis = " ".join(str(outage.scenario.get("hypothesis", "")).split())
    said += [hypothesis] if hypothesis else []
    if outage.replays:
        lasting = slo.window_in_run(run, 60).total_seconds()
        said.append(
            f"The run's clock is compressed {run.clock.compression:g} times: the alert windows are "
            f"scaled with it (1 h lasts {lasting:.1f} s of run), latencies and timeouts are not."
        )
    fired = slo.firing(outage.rates)
    short = fired.loc[fired["covered_max"] < 1, "rule"].tolist()
    if short:
        said.append(
            "Burn windows that reach back beyond the run's start count only what was seen; never "
            f"full in this run: {_listed(short)}."
        )
    return said


def caption(outage: Outage, words: str) -> str:
    """Return a caption for a figure of the run, with what its time axis is."""
    axis = "the incident's clock" if outage.replays else "the run's own clock"
    return f"{words} The axis is {axis}."


def _listed(words: list[str]) -> str:
    if len(words) < 2:
        return words[0] if words else NOT_ON_RECORD
    return ", ".join(words[:-1]) + " and " + words[-1]


def _lower(words: str) -> str:
    """First letter small inside a sentence, unless the word is a name or an abbreviation."""
    first = words.split(maxsplit=1)[0] if words else ""
    keep = (
        (len(first) > 1 and first.isupper())
        or any(c.isupper() for c in first[1:])
        or first in _NAMES
    )
    return words if keep else words[:1].lower() + words[1:]
