"""Compare every citation with the text of the law, given a folder of it.

The folder holds one JSON file a law, `<law id>.json`, in the form of public e-Gov viewers: keys
`law_id`, `revision_id` and `blocks`, a flat list of headings (`t` "h", `x` text) and articles (`t`
"a", `num` "第12条の2", `body`). Article numbers start again in each supplementary provision
(附則), so a heading that begins with 附 ends what went before. In a body, paragraphs are lines;
later ones begin "2 ", items one full-width space and the number, sub-items two and イ, ロ.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from analysis.licenses.corpus import citations
from analysis.licenses.model import Citation, Parameter, RuleBase, ValuePeriod
from analysis.licenses.reasons import rules_or_default
from analysis.licenses.words import amount_ja
from runlog.errors import BadData, UsageFault


@dataclass(frozen=True)
class Difference:
    """One citation that the text does not bear out."""

    place: str
    law: str
    article: str
    what: str
    expected: str


@dataclass(frozen=True)
class Verification:
    """What was compared: counts, differences, and what could not be compared and why."""

    quotes_checked: int
    amounts_checked: int
    words_checked: int
    differences: tuple[Difference, ...]
    not_checked: tuple[str, ...]


def verify(folder: Path, rules: RuleBase | None = None) -> Verification:
    """Return how the citations compare with the law files of a folder.

    Laws without a file, and guidelines, are listed as not checked. Raises UsageFault when the
    folder holds no law that is cited, BadData when a file has another form.
    """
    rules = rules_or_default(rules)
    if not folder.is_dir():
        raise UsageFault("no such folder", folder, "give a folder of <law id>.json files")
    texts = {
        law.short: LawText.read(folder / f"{law.law_id}.json")
        for law in rules.laws
        if (folder / f"{law.law_id}.json").is_file()
    }
    if not texts:
        raise UsageFault("no cited law in the folder", folder, "it needs <law id>.json files")
    found = Verification(0, 0, 0, (), ())
    for law in rules.laws:
        if law.short not in texts:
            why = "a guideline, no statute text" if law.kind == "guideline" else "no file"
            found = replace(found, not_checked=(*found.not_checked, f"{law.short}: {why}"))
        elif texts[law.short].revision != law.revision:
            wrong = Difference("laws", law.short, "", "revision of the file", law.revision)
            found = _with(found, wrong)
    for place, citation in citations(rules):
        if citation.law in texts:
            found = _quote(found, place, citation, texts[citation.law])
    found = _numbers(found, rules, texts)
    for amendment in rules.amendments:
        for c in amendment.citations:
            day = _japanese_date(c.quote or "")
            if day and day != amendment.in_force:
                wrong = Difference(amendment.act.en, c.law, c.article, "date in quote", str(day))
                found = _with(found, wrong)
    return found


@dataclass(frozen=True)
class LawText:
    """The articles of one law, main provisions and each supplementary provision apart."""

    revision: str
    articles: dict[tuple[str, str], str]

    @classmethod
    def read(cls, path: Path) -> LawText:
        """Return the text of a law file. Raises BadData when it has another form."""
        try:
            content = json.loads(path.read_text("utf-8"))
            return cls(content["revision_id"], _articles(content["blocks"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"{path.name}: {type(error).__name__} {error}"
            raise BadData("not a law file", what, "it needs revision_id and blocks") from None

    def find(self, article: str) -> str | None:
        """Return the text of an article, paragraph, item or sub-item; None when there is none."""
        part, rest = _split_part(article)
        found = re.match(r"第\d+条(?:の\d+)*", rest)
        if not found:
            return None
        body = self.articles.get((part, found[0]))
        return None if body is None else _narrow(body, rest[found.end() :])


def normalised(text: str) -> str:
    """Return text without spaces and with arabic numerals only, so that editions compare.

    >>> normalised("第十二条の二　二以上"), normalised("第12条の2 2以上")
    ('第12条の22以上', '第12条の22以上')
    """
    joined = re.sub(r"\s+", "", text)
    joined = re.sub(r"[〇一二三四五六七八九十百千万億]+", lambda m: _arabic(m[0]), joined)
    return joined.replace(",", "").replace("，", "")


def _articles(blocks: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    part = ""
    found: dict[tuple[str, str], str] = {}
    for block in blocks:
        if block["t"] == "h" and block["x"].startswith("附"):
            part = re.sub(r"\s+", "", block["x"])
        elif block["t"] == "a":
            found.setdefault((part, block["num"]), block["body"])
    return found


def _split_part(article: str) -> tuple[str, str]:
    found = re.match(r"附則(?:（.+?）)?", article)
    return (found[0], article[found.end() :]) if found else ("", article)


def _narrow(body: str, place: str) -> str | None:
    """Return the part of an article's body that 第n項第n号イ names."""
    found = re.fullmatch(r"(?:第(\d+)項)?(?:第(\d+)号((?:の\d+)*))?(.)?", place)
    if not found:
        return None
    paragraph, item, branch, letter = found.groups()
    lines = body.split("\n")
    if paragraph:
        starts = [0] + [i for i, line in enumerate(lines) if re.match(r"\d+ ", line)]
        numbers = [1] + [int(lines[i].split(" ")[0]) for i in starts[1:]]
        lines = _between(lines, starts, numbers, int(paragraph))
    if item:
        marks = [(i, re.match(r"\u3000(?!\u3000)([\dの]+)\s", x)) for i, x in enumerate(lines)]
        starts = [i for i, m in marks if m]
        names = [m[1] for _, m in marks if m]
        lines = _between(lines, starts, names, item + (branch or ""))
    if letter:
        marks = [(i, re.match(r"\u3000\u3000(?!\u3000)(\S)\s", x)) for i, x in enumerate(lines)]
        starts = [i for i, m in marks if m]
        lines = _between(lines, starts, [m[1] for _, m in marks if m], letter)
    return "\n".join(lines) if lines else None


def _between(lines: list[str], starts: list[int], names: list[Any], wanted: Any) -> list[str]:
    if wanted not in names:
        return []
    index = names.index(wanted)
    end = starts[index + 1] if index + 1 < len(starts) else len(lines)
    return lines[starts[index] : end]


def _quote(found: Verification, place: str, citation: Citation, text: LawText) -> Verification:
    body = text.find(citation.article)
    if body is None:
        missing = Difference(place, citation.law, citation.article, "no such article", "")
        return _with(found, missing)
    if citation.quote is None:
        return found
    found = replace(found, quotes_checked=found.quotes_checked + 1)
    parts = [re.escape(normalised(p)) for p in citation.quote.split("…")]
    if re.search(".*?".join(parts), normalised(body), re.DOTALL):
        return found
    wrong = Difference(place, citation.law, citation.article, "quote not there", citation.quote)
    return _with(found, wrong)


def _numbers(found: Verification, rules: RuleBase, texts: dict[str, LawText]) -> Verification:
    """Compare amounts and comparison words where a citation says that it shows them."""
    for parameter in rules.parameters:
        for period in parameter.periods:
            shown = {kind for c in period.citations for kind in c.shows}
            if "amount" not in shown:
                why = "its amount is in no text compared, see its sources"
                found = _left_out(found, f"{parameter.id}: {why}")
            for c in period.citations:
                if c.law in texts and texts[c.law].find(c.article) is not None:
                    found = _number(found, parameter, period, c)
    return found


def _number(
    found: Verification, parameter: Parameter, period: ValuePeriod, citation: Citation
) -> Verification:
    quote = normalised(citation.quote or "")
    place = (parameter.id, citation.law, citation.article)
    if "amount" in citation.shows:
        found = replace(found, amounts_checked=found.amounts_checked + 1)
        amounts = _written(period.value, parameter.unit)
        if not all(any(_stands(w, quote) for w in ways) for ways in amounts):
            found = _with(found, Difference(*place, "amount not in quote", str(period.value)))
    if "word" in citation.shows:
        found = replace(found, words_checked=found.words_checked + 1)
        if period.word not in quote:
            found = _with(found, Difference(*place, "word not in quote", period.word))
    return found


def _left_out(found: Verification, what: str) -> Verification:
    return replace(found, not_checked=(*found.not_checked, what))


def _stands(amount: str, quote: str) -> bool:
    # 50,000円 must not be found inside 150,000円
    return re.search(r"(?<!\d)" + re.escape(normalised(amount)), quote) is not None


def _written(value: int | str | tuple[str, ...], unit: str) -> list[list[str]]:
    """Return the ways a statute may write a value; each inner list is one part, any way will do."""
    if isinstance(value, tuple):
        return [[f"{int(v[:2])}月{int(v[3:])}日"] for v in value]
    if unit == "ratio":
        number = Fraction(value)
        return [[f"{number.denominator}分の{number.numerator}", f"100分の{number * 100}"]]
    if unit == "months":
        return [[f"{value}月", f"{value}か月"]]
    plain = amount_ja(int(value), unit)
    return [[plain, "零"] if value == 0 else [plain]]


def _japanese_date(text: str) -> dt.date | None:
    found = re.search(r"(令和|平成)(\d+)年(\d+)月(\d+)日", text)
    if not found:
        return None
    start = 2018 if found[1] == "令和" else 1988
    return dt.date(start + int(found[2]), int(found[3]), int(found[4]))


def _with(found: Verification, difference: Difference) -> Verification:
    return replace(found, differences=(*found.differences, difference))


_DIGITS = {d: i for i, d in enumerate("〇一二三四五六七八九")}
_SMALL = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10**4, "億": 10**8}


def _arabic(kanji: str) -> str:
    total = section = digit = 0
    for sign in kanji:
        if sign in _DIGITS:
            digit = digit * 10 + _DIGITS[sign]
        elif sign in _SMALL:
            section += (digit or 1) * _SMALL[sign]
            digit = 0
        else:
            total += (section + digit or 1) * _LARGE[sign]
            section = digit = 0
    return str(total + section + digit)
