"""Comparison words of Japanese statutes, amounts as the statutes write them, articles in English.

The words decide the one-yen cases: 超える and 未満 exclude the amount itself, 以上 and 以下 include
it. That reading is the drafting convention of Japanese law.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from analysis.licenses.model import Number


@dataclass(frozen=True)
class Word:
    """A comparison: how it is written, how it reads in English, how it is computed."""

    ja: str
    en: str
    compare: Callable[[Number, Number], bool] | None


WORDS: dict[str, Word] = {
    w.ja: w
    for w in (
        Word("超える", "more than", operator.gt),
        Word("以上", "at least", operator.ge),
        Word("下回つてはならない", "at least", operator.ge),
        Word("以下", "at most", operator.le),
        Word("超えない", "at most", operator.le),
        Word("以内", "at most", operator.le),
        Word("期間内", "at most", operator.le),
        Word("未満", "less than", operator.lt),
        Word("none", "", None),
    )
}


def holds(word: str, amount: Number, threshold: Number) -> bool:
    """Return whether `amount` stands in the relation `word` to `threshold`.

    >>> holds("超える", 10_000_000, 10_000_000), holds("以下", 100_000_000, 100_000_000)
    (False, True)
    """
    compare = WORDS[word].compare
    if compare is None:
        msg = "this parameter is no threshold"
        raise ValueError(msg)
    return compare(amount, threshold)


def amount_en(value: Number | tuple[str, ...], unit: str) -> str:
    """Return an amount as English text.

    >>> amount_en(10_000_000, "JPY"), amount_en(Fraction(1, 20), "ratio"), amount_en(2, "months")
    ('¥10,000,000', '5 %', '2 months')
    """
    if isinstance(value, tuple):
        return " and ".join(_MONTH_DAYS.get(v, v) for v in value)
    if unit == "JPY":
        return yen_exact(value)
    if unit == "ratio":
        return "½" if value == Fraction(1, 2) else f"{float(value * 100):g} %"
    return f"{value} {unit}" if value != 1 else f"1 {unit.removesuffix('s')}"


def amount_ja(value: Number | tuple[str, ...], unit: str) -> str:
    """Return an amount as Japanese text, numerals in arabic.

    >>> amount_ja(Fraction(1, 2), "ratio"), amount_ja(3, "business days"), amount_ja(50_000, "JPY")
    ('2分の1', '3営業日', '50,000円')
    """
    if isinstance(value, tuple):
        return "・".join(f"{int(v[:2])}月{int(v[3:])}日" for v in value)
    if unit == "JPY":
        return f"{exact(value)}円"
    if unit == "ratio":
        return "2分の1" if value == Fraction(1, 2) else f"{float(value * 100):g}％"
    return f"{value}{_UNITS_JA.get(unit, unit)}"


def yen_exact(value: Number) -> str:
    """Return yen without rounding: half a yen stays half a yen.

    >>> yen_exact(Fraction(10_000_001, 2))
    '¥5,000,000.5'
    """
    return f"¥{exact(value)}"


def exact(value: Number) -> str:
    """Return a number of yen in full, as many decimals as it has (never more than eight).

    >>> exact(Fraction(10**15) + Fraction(1, 2)), exact(155_500_000)
    ('1,000,000,000,000,000.5', '155,500,000')
    """
    whole, rest = divmod(Fraction(value), 1)
    decimals = f"{int(rest * 10**8):08d}".rstrip("0")
    return f"{whole:,}" + (f".{decimals}" if decimals else "")


def plain_number(value: Number) -> int | float:
    """Return a number for JSON: whole when it is whole.

    >>> plain_number(Fraction(4, 2)), plain_number(Fraction(1, 2))
    (2, 0.5)
    """
    return int(value) if Fraction(value).denominator == 1 else float(value)


def article_en(article: str) -> str:
    """Return an article in English notation; what is no main article stays as it is written.

    >>> article_en("第5条の2第1項第1号イ"), article_en("第107条第1号"), article_en("附則第8条第1項")
    ('art. 5-2(1)(i)(a)', 'art. 107(i)', 'Suppl. art. 8(1)')
    >>> article_en("附則（令和2年6月12日法律第50号）第7条第1項")
    'Suppl. Act 50/2020 art. 7(1)'
    """
    prefix = ""
    rest = article
    if rest.startswith("附則"):
        inside = re.match(r"附則(?:（(.+?)）)?", rest)
        assert inside
        prefix = "Suppl. " + (f"{_act_en(inside[1])} " if inside[1] else "")
        rest = rest[inside.end() :]
    found = _ARTICLE.fullmatch(rest)
    if not found:
        return article
    number, branch, paragraph, item, item_branch, letter = found.groups()
    text = f"{prefix}art. {number}" + (branch.replace("の", "-") if branch else "")
    text += f"({paragraph})" if paragraph else ""
    if item:
        text += f"({_roman(int(item))}{(item_branch or '').replace('の', '-')})"
    return text + (f"({_LETTERS.get(letter, letter)})" if letter else "")


_ARTICLE = re.compile(r"第(\d+)条((?:の\d+)*)(?:第(\d+)項)?(?:第(\d+)号((?:の\d+)*))?(.)?")
_ACT = re.compile(r"(令和|平成)(\d+|元)年\d+月\d+日(法律|政令|内閣府令)第(\d+)号")
_KINDS = {"法律": "Act", "政令": "Order", "内閣府令": "Ordinance"}
_LETTERS = dict(zip("イロハニホヘトチリヌルヲワカヨ", "abcdefghijklmno", strict=True))
_UNITS_JA = {"months": "か月", "weeks": "週間", "business days": "営業日", "years": "年"}
_MONTH_DAYS = {
    "03-31": "31 March",
    "06-30": "30 June",
    "09-30": "30 September",
    "12-31": "31 December",
}


def _act_en(act: str) -> str:
    found = _ACT.fullmatch(act)
    if not found:
        return f"({act})"
    era, year, kind, number = found.groups()
    start = 2018 if era == "令和" else 1988
    western = start + (1 if year == "元" else int(year))
    return f"{_KINDS[kind]} {number}/{western}"


def _roman(number: int) -> str:
    text = ""
    for size, sign in ((50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")):
        while number >= size:
            text += sign
            number -= size
    return text
