"""What the cells of the dossier notebook show: facts, evidence, outages, corpus, what-if."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis import tables
from analysis.charts import timeline_corpus
from analysis.dossier import economics
from analysis.dossier.facts import Dossier, Topic, evidence, facts, load_dossier, value_words
from analysis.incidents import compare
from analysis.incidents.clock import Timeline
from analysis.incidents.store import Corpus, load_corpus
from analysis.incidents.when import ABOUT_MINUTES
from analysis.outage import words
from analysis.outage.frames import minutes_words, when_words
from analysis.tables import display
from runlog.errors import UsageFault

_RESTRICTED = "kyash-2018-11-03"


@dataclass
class Case:
    """The dossier, the corpus, and the corpus as one table of outages."""

    dossier: Dossier
    corpus: Corpus
    table: pd.DataFrame
    contrast: compare.Contrast
    compared_minutes: float


def open_case(compare_minutes: float = 216.0) -> Case:
    """Return the case. Raises UsageFault for a duration that is not above zero."""
    if not 0 < compare_minutes < 1e9:
        raise UsageFault("compare_minutes not above zero", compare_minutes, "give minutes")
    corpus = load_corpus()
    table = compare.overview(corpus)
    contrast = compare.database_against_rest(table)
    return Case(load_dossier(), corpus, table, contrast, compare_minutes)


def kyash(case: Case) -> list[Timeline]:
    """Return the outages of the company, oldest first."""
    return [Timeline(i) for i in case.corpus.select(company="Kyash")]


def summary(case: Case) -> None:
    """Display the big values and the executive summary."""
    people = value_words(case.dossier.value("Employees in 2018"))
    servers = value_words(case.dossier.value("Server engineers in 2018"))
    capital_jpy = case.dossier.value("Capital in 2018, with capital reserve (yen)").value
    capital = f"¥{round(int(capital_jpy) / 1e6):,} million"
    stances = [e.stance for e in case.dossier.evidence]
    tiles = [
        tables.Tile("Employees in 2018", people, f"{servers} of them server engineers"),
        tables.Tile("Capital", capital, "with capital reserve"),
        tables.Tile("Outages in four months", str(len(kyash(case)))),
        tables.Tile("Outages compared", str(len(case.table)), "public record, all companies"),
    ]
    spans = [(t, t.affected_minutes()) for t in kyash(case)]
    lengths = "; ".join(f"{t.incident.id[6:]}: {minutes_words(s)}" for t, s in spans)
    counts = {s: stances.count(s) for s in ("for", "circumstantial", "against")}
    who = (
        f"**{case.dossier.title}:** a prepaid wallet with a Visa card, fee-free sends and "
        f"auto-charge, run by {people} people with processing built in-house."
    )
    outages_told = (
        f"Three outages in four months. Some function was affected for {lengths}. Mitigated and "
        "restored are two moments, and each function has its own."
    )
    hypothesis = (
        f"**HYPOTHESIS, unproven:** {_lower(case.dossier.hypothesis)}. {counts['for']} piece(s) of "
        f"evidence speak for it, {counts['circumstantial']} are circumstantial, "
        f"{counts['against']} speak against it; the company never said what was overloaded."
    )
    later = (
        "A first-hand account names PostgreSQL as the bottleneck of the same service in early "
        "2020. For November 2018 that is circumstantial."
    )
    said = [who, outages_told, hypothesis, later, contrast_words(case)]
    display(tables.tiles(tiles), tables.summary(said))


def about(case: Case, *topics: Topic) -> None:
    """Display the facts of some topics."""
    frame = facts(case.dossier, topics)
    drop = ["topic"] if len(topics) == 1 else []
    display(tables.table(frame.drop(columns=drop), "facts-" + "-".join(topics)))


def both_sides(case: Case) -> None:
    """Display the hypothesis with the evidence for and against it."""
    said = f"**HYPOTHESIS, unproven:** {case.dossier.hypothesis}."
    display(tables.paragraph(said), tables.table(evidence(case.dossier), "evidence"))


def outages(case: Case) -> None:
    """Display the company's outages side by side, with bounds."""
    rows = []
    for record in kyash(case):
        zone = record.incident.time_zone
        stated = "; ".join(str(c.value) for c in record.incident.causes.stated)
        rows.append(
            {
                "outage": record.incident.id,
                "began": when_words(record.time("started_at"), zone),
                "to_mitigation": minutes_words(record.duration("start_to_mitigation")),
                "affected": minutes_words(record.affected_minutes()),
                "affected_functions": words.functions(record),
                "stated_cause": stated,
            }
        )
    labels = {"to_mitigation": "To mitigation", "affected": "Some function affected"}
    display(tables.table(pd.DataFrame(rows), "outages", labels=labels))


def by_cause(case: Case) -> None:
    """Display durations of all outages by cause, and the table of groups."""
    unknown = int(case.table["affected_min"].isna().sum())
    said = (
        f"{len(case.table) - unknown} of {len(case.table)} outages have a duration; the other "
        f"{unknown} are left out, not drawn at zero. Bars are bounds; squares have a database "
        "among their stated causes."
    )
    labels = {
        "median_min": "Median (min)",
        "shortest_min": "Shortest (min)",
        "longest_min": "Longest (min)",
        "database_named": "Database named",
    }
    minutes = dict.fromkeys(("median_min", "shortest_min", "longest_min"), "integer")
    figure = timeline_corpus.durations_by_cause(case.table)
    groups = compare.by_cause(case.table)
    table = tables.table(groups, "causes", labels=labels, formats=minutes)
    display(figure, tables.paragraph(said), table)


def breadth(case: Case) -> None:
    """Display how much of the service was affected for how long, and how soon customers knew."""
    said = compare.said(case.corpus)
    told = said["incident_id"].nunique()
    words_shown = (
        "Sources name what failed far more often than what went on working, so most marks stand at "
        "100 %: that is a property of the record, not of the outages."
    )
    display(timeline_corpus.share_against_duration(case.table), tables.paragraph(words_shown))
    frame = pd.DataFrame(
        {
            "outage": said["incident_id"],
            "said": said["statement"],
            "after": [
                minutes_words(_span(low, high, written))
                for low, high, written in zip(
                    said["offset_min_low"], said["offset_min_high"], said["offset_min"], strict=True
                )
            ],
        }
    )
    sparse = (
        f"The times of announcements are on record for {told} of {len(case.table)} outages: how "
        "fast others were cannot be told from this corpus."
    )
    labels = {"after": "After the start"}
    display(tables.table(frame, "said", labels=labels), tables.paragraph(sparse))


def contrast_words(case: Case) -> str:
    """Return what separates outages with a database among the causes, and whether it does."""
    c = case.contrast
    interval = f"{c.longer_low:.2f} to {c.longer_high:.2f}"
    verdict = (
        "Duration tells the two groups apart here."
        if c.tells_apart
        else "The interval holds one half: duration does not tell them apart."
    )
    return (
        f"Of the outages with a known duration, {c.first_count} have a database among their stated "
        f"causes (median {c.first_median_min:,.0f} min) and {c.second_count} do not (median "
        f"{c.second_median_min:,.0f} min). One of the first lasts longer than one of the second "
        f"with probability {c.longer:.2f} (95 % interval {interval}). {verdict}"
    )


def durations_tell(case: Case) -> None:
    """Display what a duration can tell and what it cannot, on the incidents of like length."""
    near = compare.overlap(case.table, case.compared_minutes)
    groups = near["cause_group"].nunique()
    said = (
        f"{len(near)} outages lasted between half and twice {case.compared_minutes:,.0f} min, of "
        f"{groups} groups of causes. A duration can tell how long customers waited and how far a "
        "mitigation lay from the repair. It cannot tell the cause, because very different causes "
        "last equally long; nor how many were hit; nor how much of the service was down."
    )
    labels = {"affected_min": "Some function affected (min)"}
    profile = compare.profile(case.table)
    own = profile.set_index("property").loc["Told by the operator itself"]
    length = "not only how long" if case.contrast.tells_apart else "not how long"
    told = (
        f"What sets the first group apart in this corpus is {length} but who tells: outages "
        "with a database among their stated causes are known from the operator's own account more "
        f"often ({own['database_named']}, against {own['not_named']}), and an operator that "
        "explains itself names parts. “No database named” is not “no database involved”."
    )
    labels |= {"database_named": "Database named", "not_named": "Not named"}
    display(
        tables.table(near, "near", labels=labels, formats={"affected_min": "integer"}),
        tables.paragraph(said),
        tables.table(profile, "profile", labels=labels),
        tables.paragraph(told) if compare.operators_tell(case.table) else None,
    )


def what_if(case: Case, given: economics.Assumptions) -> None:
    """Display the economics: inputs with their labels, results, and the sentence that follows."""
    span = Timeline(case.corpus.get(_RESTRICTED)).duration("mitigation_to_restoration")
    assert span.min is not None and span.max is not None
    results = economics.what_if(given.checked(), (span.min / 1440, span.max / 1440))
    inputs = tables.table(economics.labelled(given), "inputs", caption="Inputs")
    found = tables.table(results, "results", caption="What follows")
    display(inputs, found, tables.paragraph(economics.verdict(given)))


def check_lines(case: Case) -> str:
    """Return a few rounded figures as text: what the notebook test compares."""
    lines = [f"outages compared: {len(case.table)}"]
    lines += [f"{t.incident.id}: {minutes_words(t.affected_minutes())}" for t in kyash(case)]
    lines.append(contrast_words(case))
    stances = evidence(case.dossier)["stance"].value_counts().sort_index()
    lines.append(", ".join(f"{n} {c}" for n, c in stances.items()))
    return "\n".join(lines)


def findings(case: Case) -> list[tables.Finding]:
    """Return the findings table."""
    found = []
    for record in kyash(case):
        claim = record.incident.started_at[0]
        text = words.lengths(record).replace("**", "")
        sources = ", ".join(claim.sources)
        finding = f"{record.incident.id}: {text}"
        found.append(tables.Finding(finding, sources, "public record", claim.confidence))
    cited = f"{len(case.dossier.evidence)} pieces of evidence"
    found.append(tables.Finding(f"{case.dossier.hypothesis}: unproven", cited, "hypothesis", "L"))
    groups = f"{case.contrast.first_count} against {case.contrast.second_count} outages"
    found.append(tables.Finding(contrast_words(case), groups, "computed", "describes the corpus"))
    return found


def caveats() -> list[str]:
    """Return what the dossier cannot tell."""
    sample = (
        "The corpus is what was published, not a sample: outages that were long, and firms that "
        "explain themselves, are over-represented."
    )
    return [
        sample,
        f"“About” is read as {ABOUT_MINUTES} minutes either side, by convention.",
        "Groups of causes are ours; the stated cause stands in each incident's own report.",
        "The economics are a what-if: no figure of the company's accounts was used.",
        "Facts from secondary copies of a register were not checked against the register.",
    ]


def metrics(case: Case) -> dict[str, Any]:
    """Return the figures of the dossier."""
    c = case.contrast
    return {
        "outages_compared": len(case.table),
        "outages_with_duration": int(case.table["affected_min"].notna().sum()),
        "database_named": c.first_count,
        "median_min_database": c.first_median_min,
        "median_min_other": c.second_median_min,
        "probability_database_longer": c.longer,
        "probability_database_longer_95": [c.longer_low, c.longer_high],
        "evidence": {s: int(n) for s, n in evidence(case.dossier)["stance"].value_counts().items()},
        "kyash_affected_min": {t.incident.id: t.affected_minutes().as_json() for t in kyash(case)},
    }


def ending(case: Case) -> None:
    """Display the findings table and the caveats."""
    display(tables.findings(findings(case)), tables.caveats(caveats()))


def _span(low: float, high: float, written: float) -> Any:
    from analysis.incidents.when import Span

    return Span(low, high, None if pd.isna(written) else written)


def _lower(text: str) -> str:
    first = text.split(maxsplit=1)[0]
    return text if any(c.isupper() for c in first[1:]) else text[:1].lower() + text[1:]
