"""Change any number, date, word or answer in the data: a fact that cites its article fails."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import license_answer_expectations as answered
import license_expectations as law
import license_rule_table as tables
import pytest

from analysis import paths
from analysis.licenses.corpus import build, read, rule_base
from analysis.licenses.model import Gap, RuleBase
from analysis.licenses.words import WORDS, article_en

DAY = dt.timedelta(days=1)
OPPOSITE = {
    "超える": ("以上", "以下", "未満"),
    "以上": ("超える", "以下", "未満"),
    "下回つてはならない": ("超える", "以下"),
    "以下": ("未満", "超える", "以上"),
    "超えない": ("未満", "超える"),
    "以内": ("未満", "超える"),
    "期間内": ("未満", "超える"),
    "未満": ("以下", "超える", "以上"),
    "none": ("超える", "以下"),
}


@dataclass(frozen=True)
class Mutation:
    """One value of the data at `path`, changed."""

    place: str
    articles: frozenset[str]
    path: tuple[Any, ...]
    value: Any


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return read(paths.data("licenses"))


@pytest.fixture(scope="module")
def expectations() -> list[law.Expectation]:
    return [
        *law.parameter_expectations(),
        *answered.threshold_expectations(),
        *answered.case_expectations(),
        *_table_expectations(),
    ]


def test_every_expectation_holds_on_the_data(expectations):
    failed = [e.name for e in expectations if not e.met(rule_base())]
    assert not failed
    assert len(expectations) > 700


def test_every_parameter_has_its_expectations():
    assert [row[0] for row in law.rows(law.PARAMETERS)] == [p.id for p in rule_base().parameters]


def test_every_article_of_the_tables_is_kept_with_the_words_it_decides_by():
    kept = dict(law.rows(tables.ARTICLES))
    assert kept.keys() == tables.cited()
    assert all(0 < len(words) <= 50 for words in kept.values())


def test_every_mutation_of_a_parameter_fails_a_fact_that_cites_its_article(content, expectations):
    _all_killed(content, expectations, list(_parameter_mutations(content)), at_least=490)


def test_every_mutation_of_a_rule_fails_a_fact_that_cites_its_article(content, expectations):
    _all_killed(content, expectations, list(_dated_mutations(content)), at_least=400)


def test_every_mutation_of_an_amendment_fails_a_fact_that_cites_its_article(content, expectations):
    _all_killed(content, expectations, list(_amendment_mutations(content)), at_least=40)


def test_mutated_numbers_and_words_fail_an_answer_not_only_the_table(content):
    """A number that no answer uses would be decoration."""
    answers = answered.threshold_expectations() + answered.case_expectations()
    unused = {
        # said in the comparison and the explanation; no answer computes with them
        "bank_capital_lowest_order_jpy",
        "penalty_type1_unapproved_years",
        "penalty_type1_unapproved_jpy",
        "penalty_unlicensed_banking_years",
        "penalty_unlicensed_banking_jpy",
        "outage_status_report_months",
    }
    survivors = []
    for mutation in _parameter_mutations(content):
        if mutation.path[4] == "value" and mutation.place not in unused:
            rules = _mutated(content, mutation)
            if all(e.met(rules) for e in answers if e.articles & mutation.articles):
                survivors.append(f"{mutation.place} = {mutation.value}")
    # one yen more is cut away again: PSA-Order 14(i) cuts the floor down to 10,000 yen
    assert survivors == ["preservation_floor_jpy = 10000001"]


def test_words_of_thresholds_decide_answers(content):
    answers = answered.threshold_expectations()
    decided = {row[0] for row in law.rows(law.PARAMETERS) if row[2] == "超える"}
    survivors = []
    for mutation in _parameter_mutations(content):
        if mutation.path[4] != "word" or mutation.place not in decided:
            continue
        rules = _mutated(content, mutation)
        if all(e.met(rules) for e in answers if e.articles & mutation.articles):
            survivors.append(f"{mutation.place}: {mutation.value}")
    assert not survivors, survivors[:20]


def _all_killed(
    content: dict[str, Any],
    expectations: list[law.Expectation],
    mutations: list[Mutation],
    at_least: int,
) -> None:
    assert len(mutations) >= at_least
    survivors = []
    for mutation in mutations:
        rules = _mutated(content, mutation)
        asked = [e for e in expectations if e.articles & mutation.articles]
        # the table first: it is quick, and one failing fact is enough
        if not any(not e.met(rules) for e in asked):
            survivors.append(f"{mutation.place} {mutation.path}: {mutation.value}")
    assert not survivors, survivors[:20]


def _mutated(content: dict[str, Any], mutation: Mutation) -> RuleBase:
    """Build the rules with one value changed; only the branch of the change is copied."""
    section, number = mutation.path[0], mutation.path[1]
    items = list(content[section])
    items[number] = copy.deepcopy(items[number])
    place = items[number]
    for step in mutation.path[2:-1]:
        place = place[step]
    place[mutation.path[-1]] = mutation.value
    changed = build({**_rest(content, section), section: [items[number]]}, check=False)
    whole = getattr(rule_base(), section)
    mine = getattr(changed, section)[0]
    new = tuple(mine if i == number else x for i, x in enumerate(whole))
    return rule_base().model_copy(update={section: new})


def _rest(content: dict[str, Any], section: str) -> dict[str, Any]:
    lists = {k: [] for k, v in content.items() if isinstance(v, list) and k != section}
    return {**content, **lists}


def _parameter_mutations(content: dict[str, Any]) -> Iterator[Mutation]:
    for number, item in enumerate(content["parameters"]):
        for index, period in enumerate(item["periods"]):
            base = ("parameters", number, "periods", index)
            articles = _articles(period)
            for value in _other_values(period["value"]):
                yield Mutation(item["id"], articles, (*base, "value"), value)
            for word in OPPOSITE[period["word"]]:
                yield Mutation(item["id"], articles, (*base, "word"), word)
        yield from _span_mutations("parameters", number, item)


def _dated_mutations(content: dict[str, Any]) -> Iterator[Mutation]:
    for section in ("regimes", "rules", "clauses"):
        for number, item in enumerate(content[section]):
            for index, period in enumerate(item["periods"]):
                if "answer" in period:
                    path = (section, number, "periods", index, "answer")
                    yield Mutation(item["id"], _articles(period), path, "another")
            yield from _span_mutations(section, number, item)
    for number, duty in enumerate(content["duties"]):
        for value in (duty["valid_from"] - DAY, duty["valid_from"] + DAY):
            yield Mutation(duty["id"], _articles(duty), ("duties", number, "valid_from"), value)


def _span_mutations(section: str, number: int, item: dict[str, Any]) -> Iterator[Mutation]:
    for index, period in enumerate(item["periods"]):
        base = (section, number, "periods", index)
        articles = _articles(period)
        for shift in (-DAY, DAY):
            start = period["valid_from"] + shift
            yield Mutation(item["id"], articles, (*base, "valid_from"), start)
            end = period["valid_to"]
            if end is not None:
                yield Mutation(item["id"], articles, (*base, "valid_to"), end + shift)
        if period["valid_to"] is None:
            early = dt.date.fromisoformat(law.LAST) - DAY
            yield Mutation(item["id"], articles, (*base, "valid_to"), early)
        else:
            yield Mutation(item["id"], articles, (*base, "valid_to"), None)
    articles = frozenset().union(*(_articles(p) for p in item["periods"]))
    for index, gap in enumerate(item.get("gaps", ()) if item["periods"] else ()):
        base = (section, number, "gaps", index)
        for name in ("start", "end"):
            if gap[name].isoformat() in (law.FIRST, law.LAST):
                continue  # outside it no question can be asked
            for shift in (-DAY, DAY):
                yield Mutation(item["id"], articles, (*base, name), gap[name] + shift)


def _amendment_mutations(content: dict[str, Any]) -> Iterator[Mutation]:
    for number, item in enumerate(content["amendments"]):
        for shift in (-DAY, DAY):
            path: tuple[Any, ...] = ("amendments", number, "in_force")
            yield Mutation(item["act"]["en"], _articles(item), path, item["in_force"] + shift)
        for index, passing in enumerate(item.get("transitions", ())):
            base = ("amendments", number, "transitions", index)
            for value in _other_values(passing["value"]):
                yield Mutation(passing["id"], _articles(passing), (*base, "value"), value)
            for name in ("valid_from", "valid_to"):
                if passing[name] is not None:
                    value = passing[name] + DAY
                    yield Mutation(passing["id"], _articles(passing), (*base, name), value)


def _other_values(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [[value[0], "10-31"], [value[0]]]
    if isinstance(value, int):
        return [value + 1, max(0, value - 1) if value else 2, value * 10 if value else 3]
    if "/" in value:
        top, bottom = value.split("/")
        return [f"{int(top) + 1}/{bottom}", f"{top}/{int(bottom) * 10}"]
    return ["funds_transfer_1"]


def _articles(period: dict[str, Any]) -> frozenset[str]:
    return frozenset(f"{c['law']} {article_en(c['article'])}" for c in period["citations"])


def _table_expectations() -> list[law.Expectation]:
    found = [*_rule_expectations(), *_coverage_expectations()]
    for section, table in (("regimes", tables.REGIMES), ("clauses", tables.CLAUSES)):
        for name, places, start, end in law.rows(table):
            found += _days(section, name, places, start, end, "yes", "no")
    for name, places, start in law.rows(tables.DUTIES):
        articles = frozenset(p.strip() for p in places.split(";"))
        begun = lambda r, n=name: next(d.valid_from for d in r.duties if d.id == n)  # noqa: E731
        found.append(law.Expectation(f"duty {name}", articles, begun, law.day(start)))
    for day, act, place in law.rows(law.AMENDMENTS):
        ask = lambda r, a=act: next(x.in_force for x in r.amendments if x.act.en == a)  # noqa: E731
        found.append(law.Expectation(act, frozenset({place}), ask, law.day(day)))
    for name, place, value, unit, start, end in law.rows(law.TRANSITIONS):
        want = (value, unit, law.day(start), law.day(end) if end else None)
        ask = lambda r, n=name: _transition(r, n)  # noqa: E731
        found.append(law.Expectation(name, frozenset({place}), ask, want))
    return found


def _coverage_expectations() -> Iterator[law.Expectation]:
    """Every day of every item has one state: a moved end of a gap leaves a hole or an overlap."""
    listed = [("parameters", row[0], row[1]) for row in law.rows(law.PARAMETERS)]
    for topic, regimes, _, places, *_ in law.rows(tables.RULES):
        listed.append(("rules", f"{topic}/{'+'.join(regimes.split())}", places))
    listed += [("regimes", row[0], row[1]) for row in law.rows(tables.REGIMES)]
    listed += [("clauses", row[0], row[1]) for row in law.rows(tables.CLAUSES)]
    for section, name, places in listed:
        yield law.Expectation(
            f"{section} {name} covers each day once",
            frozenset(p.strip() for p in places.split(";")),
            lambda r, s=section, n=name: _uncovered(_item(r, s, n)),
            [],
        )


def _uncovered(item: Any) -> list[str]:
    last = dt.date.fromisoformat(law.LAST)
    spans = [(p.valid_from, p.valid_to or last) for p in item.periods]
    spans += [(g.start, g.end) for g in item.gaps]
    spans.sort()
    starts = [s for s, _ in spans]
    wanted = [dt.date.fromisoformat(law.FIRST), *(e + DAY for _, e in spans[:-1])]
    faults = [f"{s} is not {w}" for s, w in zip(starts, wanted, strict=True) if s != w]
    return faults if spans[-1][1] == last else [*faults, f"ends {spans[-1][1]}"]


def _rule_expectations() -> Iterator[law.Expectation]:
    for topic, regimes, answer, places, start, end in law.rows(tables.RULES):
        name = f"{topic}/{'+'.join(regimes.split())}"
        yield from _days("rules", name, places, start, end, answer, None)


def _days(
    section: str, name: str, places: str, start: str, end: str, inside: str, outside: str | None
) -> Iterator[law.Expectation]:
    """The state on the first and last day, and on the days beside them and of the whole span."""
    articles = frozenset(p.strip() for p in places.split(";"))
    asked = {law.day(start): inside, law.day(end): inside}
    spans = [(law.day(start), law.day(end))]
    for beside, at_edge in ((law.day(start, -1), start), (law.day(end, 1), end)):
        if at_edge not in (law.FIRST, law.LAST):
            asked[beside] = f"not this period of {name}"
    for on, want in asked.items():
        yield law.Expectation(
            f"{section} {name} on {on}",
            articles,
            lambda r, d=on, s=spans[0]: _state(r, section, name, d, s),
            want,
        )
    yield law.Expectation(
        f"{section} {name} from {start} to {end}",
        articles,
        lambda r, s=spans[0]: s in _spans(r, section, name),
        True,
    )


def _state(rules: RuleBase, section: str, name: str, on: dt.date, span: tuple[Any, Any]) -> str:
    state = _item(rules, section, name).at(on)
    if isinstance(state, Gap) or not span[0] <= on <= span[1]:
        return f"not this period of {name}"
    return str(getattr(state, "answer", "yes"))


def _spans(rules: RuleBase, section: str, name: str) -> list[tuple[dt.date, dt.date]]:
    last = dt.date.fromisoformat(law.LAST)
    periods = _item(rules, section, name).periods
    return [(p.valid_from, p.valid_to or last) for p in periods]


def _item(rules: RuleBase, section: str, name: str) -> Any:
    return next(x for x in getattr(rules, section) if x.id == name)


def _transition(rules: RuleBase, name: str) -> tuple[Any, ...]:
    found = rules.transition(name)
    return str(found.value), found.unit, found.valid_from, found.valid_to


def test_words_are_read_as_japanese_law_reads_them():
    outcomes = {
        "超える": (False, False, True),
        "以上": (False, True, True),
        "下回つてはならない": (False, True, True),
        "以下": (True, True, False),
        "超えない": (True, True, False),
        "以内": (True, True, False),
        "期間内": (True, True, False),
        "未満": (True, False, False),
    }
    assert set(outcomes) == set(WORDS) - {"none"}
    for word, want in outcomes.items():
        compare = WORDS[word].compare
        assert compare is not None
        assert tuple(compare(Fraction(n), Fraction(10)) for n in (9, 10, 11)) == want, word
