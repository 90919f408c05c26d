"""Small tables, big-value tiles, findings and executive summary, all escaped and byte-stable."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd

UNKNOWN = "–"
JST = "Asia/Tokyo"
_MS_US, _S_US, _MIN_US = 1_000, 1_000_000, 60_000_000
_DATE = re.compile(r"([a-z0-9]+-)*\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?( [A-Z]{3,4})?")
_LONG_WORDS = 36
Tone = Literal["neutral", "good", "warn", "bad"]


class Html:
    """A piece of safe HTML that notebooks show; its text stands in where HTML cannot be shown."""

    def __init__(self, markup: str, text: str) -> None:
        self.markup = markup
        self.text = text

    def to_html(self) -> str:
        return self.markup

    def _repr_html_(self) -> str:
        """With its style: a notebook has no page around it. A report drops it for its own."""
        return f"<style>{stylesheet()}</style>{self.markup}"

    def __repr__(self) -> str:
        return self.text


@cache
def stylesheet() -> str:
    """Return the rules that give outputs their look, in a report and in a notebook alike."""
    return Path(__file__).with_name("outputs.css").read_text("utf-8")


def display(*shown: Any) -> None:
    """Display figures, tables and sentences of one cell, in order; None is left out."""
    from IPython.display import display as show

    for thing in shown:
        if thing is not None:
            show(thing)


def _known(value: Any) -> bool:
    return value is not None and not pd.isna(value)


def integer(value: Any) -> str:
    """Return a whole number with thousands separators.

    >>> integer(1234567), integer(None)
    ('1,234,567', '–')
    """
    return f"{round(value):,}" if _known(value) else UNKNOWN


def yen(value: Any) -> str:
    """Return whole yen.

    >>> yen(12800), yen(-5)
    ('¥12,800', '-¥5')
    """
    if not _known(value):
        return UNKNOWN
    return f"{'-' if value < 0 else ''}¥{abs(int(value)):,}"


def percent(value: Any, digits: int = 1) -> str:
    """Return a share (0 to 1) in percent.

    >>> percent(0.12345), percent(0.9999, 2)
    ('12.3 %', '99.99 %')
    """
    return f"{100 * value:.{digits}f} %" if _known(value) else UNKNOWN


def milliseconds(duration_us: Any) -> str:
    """Return microseconds as milliseconds with three significant digits.

    >>> milliseconds(1234), milliseconds(250_000), milliseconds(40)
    ('1.23', '250', '0.040')
    """
    if not _known(duration_us):
        return UNKNOWN
    value = duration_us / _MS_US
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def duration(duration_us: Any) -> str:
    """Return microseconds in the unit a reader would choose.

    >>> duration(850), duration(12_345), duration(8_200_000), duration(12_960_000_000)
    ('0.850 ms', '12.3 ms', '8.2 s', '3 h 36 min')
    """
    if not _known(duration_us):
        return UNKNOWN
    if abs(duration_us) < _S_US:
        return f"{milliseconds(duration_us)} ms"
    if abs(duration_us) < 2 * _MIN_US:
        return f"{duration_us / _S_US:.1f} s"
    minutes_total = round(duration_us / _MIN_US)
    hours, minutes = divmod(minutes_total, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def whole_minutes(count: int) -> str:
    """Return whole minutes in the largest unit that divides them.

    >>> whole_minutes(4320), whole_minutes(360), whole_minutes(5)
    ('3 d', '6 h', '5 min')
    """
    if count % 1440 == 0:
        return f"{count // 1440} d"
    return f"{count // 60} h" if count % 60 == 0 else f"{count} min"


def decimal(value: Any) -> str:
    """Return a number with three significant digits or more.

    >>> decimal(3.14159), decimal(1234.5), decimal(0.01234)
    ('3.14', '1,234', '0.0123')
    """
    if not _known(value):
        return UNKNOWN
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def time_jst(value: Any) -> str:
    """Return a time in Japan to the second; a time without zone is taken as UTC.

    >>> time_jst(pd.Timestamp("2018-10-09T05:14:00Z"))
    '2018-10-09 14:14:00 JST'
    """
    if not _known(value):
        return UNKNOWN
    stamp = pd.Timestamp(value)
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp
    return stamp.tz_convert(JST).strftime("%Y-%m-%d %H:%M:%S JST")


def text(value: Any) -> str:
    """Return a value as text, unknown as a dash."""
    return str(value) if _known(value) else UNKNOWN


def yes_no(value: Any) -> str:
    """Return yes, no or a dash for unknown."""
    return UNKNOWN if not _known(value) else "yes" if value else "no"


FORMATS: dict[str, Callable[[Any], str]] = {
    "integer": integer,
    "yen": yen,
    "percent": percent,
    "ms": milliseconds,
    "duration": duration,
    "decimal": decimal,
    "time_jst": time_jst,
    "text": text,
    "yes_no": yes_no,
}


def table(
    frame: pd.DataFrame,
    key: str,
    *,
    formats: Mapping[str, str | Callable[[Any], str]] | None = None,
    labels: Mapping[str, str] | None = None,
    caption: str = "",
) -> Html:
    """Return a frame as a small table: every cell, header and caption escaped, no index.

    Args:
        key: a short fixed id, unique in the notebook; it makes the markup byte-stable.
        formats: column to a name in `FORMATS` or a function; else the column's type decides.
        labels: column to the header a reader sees, with its unit; else the column's name.

    Raises ValueError for two equal headers: one column would hide the other.
    """
    formats = dict(formats or {})
    labels = dict(labels or {})
    shown = pd.DataFrame(index=range(len(frame)))
    numeric = []
    for name in frame.columns:
        how = formats.get(name) or _format_for(frame[name])
        function = FORMATS[how] if isinstance(how, str) else how
        header = _header(labels.get(name) or str(name).replace("_", " "))
        if header in shown:
            msg = f"two columns with the header {header!r}"
            raise ValueError(msg)
        shown[header] = pd.Series([function(v) for v in frame[name].tolist()], dtype="object")
        if function not in (text, time_jst, yes_no):
            numeric.append(header)
    styler = shown.style.set_uuid(re.sub(r"\W+", "-", key)).hide(axis="index")
    styler = styler.format(escape="html").format_index(escape="html", axis=1)
    styler = styler.set_table_attributes('class="wl-table"')
    # set_td_classes, not inline CSS: the site's stylesheet decides, and printing works
    classes = pd.DataFrame("", index=shown.index, columns=shown.columns)
    for header in shown.columns:
        dates = shown[header].map(lambda words: bool(_DATE.fullmatch(words)))
        if shown[header].str.len().max() > _LONG_WORDS:
            classes[header] = "wl-words"
        classes.loc[dates, header] = "wl-date"
        if header in numeric:
            classes[header] = "wl-number"
    styler = styler.set_td_classes(classes) if len(shown) else styler
    styler = styler.set_caption(html.escape(caption)) if caption else styler
    # not the Styler itself: its text form is an address, which no two runs share
    return Html(styler.to_html(), shown.to_string(index=False))


def _header(words: str) -> str:
    """Begin with a capital, but for p99, σ and other names that are written small.

    >>> _header("share of time"), _header("p99 (ms)"), _header("σ, contention")
    ('Share of time', 'p99 (ms)', 'σ, contention')
    """
    named = re.match(r"p\d", words) or not words[:1].isascii()
    return words if named else words[:1].upper() + words[1:]


def _format_for(column: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(column):
        return "yes_no"
    if pd.api.types.is_integer_dtype(column):
        return "integer"
    if pd.api.types.is_float_dtype(column):
        return "decimal"
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return "time_jst"
    return "text"


@dataclass(frozen=True)
class Tile:
    """One big value: what it is, the value as text, a note under it, and how to feel about it."""

    label: str
    value: str
    note: str = ""
    tone: Tone = "neutral"


def tiles(items: Sequence[Tile]) -> Html:
    """Return a row of big values, for the top of a report."""
    parts = [
        f'<div class="wl-tile wl-{t.tone}"><div class="wl-tile-label">{html.escape(t.label)}</div>'
        f'<div class="wl-tile-value">{html.escape(t.value)}</div>'
        f'<div class="wl-tile-note">{html.escape(t.note)}</div></div>'
        for t in items
    ]
    lines = [f"{t.label}: {t.value}" + (f" ({t.note})" if t.note else "") for t in items]
    return Html(f'<div class="wl-tiles">{"".join(parts)}</div>', "\n".join(lines))


def summary(sentences: Iterable[str]) -> Html:
    """Return the executive summary as a list; `**words**` come out bold, all else is escaped.

    Raises ValueError when there is no sentence: a report that says nothing must not look done.
    """
    said = [s for s in sentences if s]
    if not said:
        msg = "an executive summary needs at least one sentence"
        raise ValueError(msg)
    items = "".join(f"<li>{emphasised(s)}</li>" for s in said)
    lines = "\n".join("- " + s.replace("**", "") for s in said)
    return Html(f'<ul class="wl-summary">{items}</ul>', lines)


def paragraph(sentence: str) -> Html:
    """Return one data-dependent sentence, escaped, `**words**` bold."""
    return Html(f'<p class="wl-said">{emphasised(sentence)}</p>', sentence.replace("**", ""))


def emphasised(sentence: str) -> str:
    """Escape a sentence for HTML; `**words**` become strong, words in back quotes code.

    >>> emphasised("**p99** was <b>bad</b>")
    '<strong>p99</strong> was &lt;b&gt;bad&lt;/b&gt;'
    """
    strong = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(sentence))
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", strong)


@dataclass(frozen=True)
class Finding:
    """One line of the findings table.

    basis: how we know (`measured`, `public record`, `computed`, `hypothesis`).
    """

    finding: str
    evidence: str
    basis: Literal["measured", "public record", "computed", "hypothesis"]
    confidence: str = ""


def findings(items: Sequence[Finding], key: str = "findings") -> Html:
    """Return the findings table: finding, evidence, basis, confidence."""
    frame = pd.DataFrame(
        [(f.finding, f.evidence, f.basis, f.confidence or None) for f in items],
        columns=["Finding", "Evidence", "Basis", "Confidence"],
    )
    return table(frame, key)


def caveats(sentences: Iterable[str]) -> Html:
    """Return the caveats of a report as a list."""
    said = [s for s in sentences if s]
    items = "".join(f"<li>{emphasised(s)}</li>" for s in said)
    return Html(f'<ul class="wl-caveats">{items}</ul>', "\n".join("- " + s for s in said))
