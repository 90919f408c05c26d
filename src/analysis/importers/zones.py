"""Time zones of log stamps, by an own rule: never by a database's guess.

A log stamp ends in an abbreviation ("JST"), an offset ("+03") or nothing. Abbreviations that mean
one offset only are known here; those that mean several (CST is -6, -5 or +8; BST is +1 or +6; IST
is +5:30, +2 or +1; EST and AST were also used elsewhere) are refused unless the user names the
zone with `--log-timezone`. The table was made from the IANA data of 2010-2026; where one of them
changed its meaning inside that time (MSK, 2014-10-26), only stamps after the change are read.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
import zoneinfo
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from runlog.errors import BadData, UsageFault

_HOUR = 3_600_000_000
_MINUTE = 60_000_000

# abbreviation -> minutes east of UTC
UNAMBIGUOUS = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 60, "CET": 60, "MET": 60, "WAT": 60,
    "CEST": 120, "MEST": 120, "EET": 120, "CAT": 120, "SAST": 120, "EEST": 180, "EAT": 180,
    "IDT": 180, "PKT": 300, "WIB": 420, "ICT": 420, "WITA": 480, "HKT": 480, "SGT": 480,
    "AWST": 480, "JST": 540, "KST": 540, "WIT": 540, "ACST": 570, "AEST": 600, "ChST": 600,
    "ACDT": 630, "AEDT": 660, "NZST": 720, "NZDT": 780, "NDT": -150, "ADT": -180, "NST": -210,
    "EDT": -240, "MDT": -360, "MST": -420, "PDT": -420, "AKDT": -480, "AKST": -540, "HDT": -540,
    "HST": -600,
}  # fmt: skip
# abbreviation -> what it may mean
AMBIGUOUS = {
    "CST": "America/Chicago, Asia/Shanghai or America/Havana",
    "CDT": "America/Chicago or America/Havana",
    "IST": "Asia/Kolkata, Asia/Jerusalem or Europe/Dublin",
    "BST": "Europe/London or Asia/Dhaka",
    "EST": "America/New_York or, in older logs, Australia/Sydney",
    "AST": "America/Halifax or Asia/Riyadh",
    "PST": "America/Los_Angeles or Asia/Manila",
    "SST": "Pacific/Pago_Pago or Asia/Singapore",
    "WST": "Australia/Perth or Pacific/Apia",
    "AMT": "America/Manaus or Asia/Yerevan",
    "ECT": "America/Guayaquil or Europe",
}
_MSK_SINCE = "TIMESTAMP '2014-10-26 03:00:00'"
_UNREADABLE = re.compile(r"time stamp cannot be read: (\d{4}-\d\d-\d\d [\d:.]+ [\w+-]+)")
_STAMP = r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: [\w+/:-]{1,20}?)?)"
_ANY_STAMP = {
    "csv": re.compile("^" + _STAMP + ","),
    "json": re.compile(r'"timestamp": ?"' + _STAMP + '"'),
    "cloudsql": re.compile(r'"textPayload": ?"' + _STAMP + r" \["),
    "pgbouncer": re.compile("^" + _STAMP + r" \[?\d+\]? [A-Z]+ "),
}
_BSD = re.compile(r"(?:<\d+>)?[A-Z][a-z]{2} +\d+ (?:\d{4} )?\d\d:\d\d:\d\d ")
_OFFSET = re.compile(r"[+-]\d\d(?::?\d\d)?")
_FIRST_YEAR, _LAST_YEAR = 1999, 2040


@dataclass(frozen=True)
class ZoneRule:
    """How the local stamps of one import become instants.

    `told` is the user's --log-timezone: an IANA name, an offset such as +09:00, or "".
    """

    told: str = ""
    _periods: tuple[tuple[dt.datetime, dt.datetime, int, str], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, told: str | None) -> ZoneRule:
        """Return the rule for what the user said; raises UsageFault for an unknown zone."""
        told = (told or "").strip()
        if not told or _OFFSET.fullmatch(told):
            return cls(told)
        if told.upper() in ("UTC", "Z"):
            return cls("+00")
        try:
            zone = zoneinfo.ZoneInfo(told)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            todo = "give an IANA name such as Asia/Tokyo, or an offset such as +09:00"
            raise UsageFault("unknown time zone", told, todo) from error
        return cls(told, tuple(_periods_of(zone)))

    def accepts(self, abbreviation: str) -> bool:
        """True when stamps with this abbreviation ("" for none) can be read under this rule."""
        if self._by_abbreviation(abbreviation) or (self.told and not self._periods):
            return True
        if abbreviation == "":
            return bool(self.told)
        known = abbreviation in UNAMBIGUOUS or abbreviation == "MSK"
        return known or bool(_OFFSET.fullmatch(abbreviation))

    def is_ambiguous(self, abbreviation: str) -> bool:
        """True for an abbreviation that is known to mean several offsets."""
        posix = re.fullmatch(r"(?:GMT|UTC)[+-]\d+", abbreviation)
        return abbreviation in AMBIGUOUS or posix is not None

    def why_not(self, abbreviation: str) -> tuple[str, str]:
        """What to tell the user about an abbreviation that is not accepted: (what, to do)."""
        if abbreviation == "":
            return "log stamps without a time zone", "say which with --log-timezone"
        if abbreviation in AMBIGUOUS:
            meant = AMBIGUOUS[abbreviation]
            return f"ambiguous time zone (it may be {meant})", "say which with --log-timezone"
        if re.fullmatch(r"(?:GMT|UTC|Etc/\w+)[+-]\d+", abbreviation):
            meant = "ambiguous time zone (POSIX and ISO count it in opposite directions)"
            return meant, "say which with --log-timezone, e.g. --log-timezone=-03:00"
        return "unknown time zone", "say which with --log-timezone"

    def offset_sql(self, zone: str, stamp: str, likely: str = "UTC") -> str:
        """Return SQL: microseconds east of UTC for a zone text and a local stamp, else NULL.

        `zone` and `stamp` are SQL expressions (text, TIMESTAMP); `likely` is tried first.
        """
        fixed = self._fixed_minutes()
        first = [likely] if likely in fixed else []
        cases = [f"WHEN {zone} = '{name}' THEN {fixed[name] * _MINUTE}" for name in first]
        # one map, not a branch for each of a hundred names: the statement is planned for every file
        named = ", ".join(f"'{name}': {minutes * _MINUTE}" for name, minutes in fixed.items())
        known = f"MAP {{{named}}}[{zone}]"
        cases.append(f"WHEN {known} IS NOT NULL THEN {known}")
        for abbreviation, periods in self._moving().items():
            conditions = _local_cases(periods, stamp)
            cases.append(f"WHEN {zone} = '{abbreviation}' THEN CASE {conditions} END")
        if "MSK" not in fixed and "MSK" not in self._moving():
            cases.append(f"WHEN {zone} = 'MSK' AND {stamp} >= {_MSK_SINCE} THEN {3 * _HOUR}")
        cases.append(
            f"WHEN regexp_full_match({zone}, '[+-]\\d\\d(:?\\d\\d)?') THEN {_numeric(zone)}"
        )
        if self._periods:
            conditions = _local_cases(list(self._periods), stamp)
            cases.append(f"WHEN {zone} = '' THEN CASE {conditions} END")
        elif self.told:  # an offset stands for whatever name its zone has, not for garbage
            a_name = f"regexp_full_match({zone}, '[A-Za-z]{{2,5}}|(GMT|UTC)[+-]\\d+|')"
            cases.append(f"WHEN {a_name} THEN {_minutes(self.told) * _MINUTE}")
        return f"CASE {' '.join(cases)} END"

    def _fixed_minutes(self) -> dict[str, int]:
        fixed = dict(UNAMBIGUOUS)
        for abbreviation in {p[3] for p in self._periods}:
            offsets = {p[2] for p in self._periods if p[3] == abbreviation}
            if len(offsets) == 1:
                fixed[abbreviation] = offsets.pop()
            else:
                fixed.pop(abbreviation, None)
        return {name: minutes for name, minutes in fixed.items() if re.fullmatch(r"\w+", name)}

    def _moving(self) -> dict[str, list[tuple[dt.datetime, dt.datetime, int, str]]]:
        """Abbreviations of the told zone that meant different offsets at different times."""
        fixed, moving = self._fixed_minutes(), defaultdict(list)
        for period in self._periods:
            if period[3] not in fixed and re.fullmatch(r"\w+", period[3]):
                moving[period[3]].append(period)
        return moving

    def _by_abbreviation(self, abbreviation: str) -> bool:
        return any(p[3] == abbreviation for p in self._periods)


def refuse_ambiguous(text: str, place: str) -> None:
    """Raise BadData when a message about an unreadable stamp names an ambiguous abbreviation.

    One such record refuses an import whose zone nobody told: what it says could be hours off.
    """
    found = _UNREADABLE.search(text)
    zone = zone_of(found.group(1)) if found else ""
    if ZoneRule().is_ambiguous(zone):
        what, todo = ZoneRule().why_not(zone)
        raise BadData(what, f"{zone} in {place}", todo)


def sampled_zones(kind: str, prefix: str, head: str) -> Counter[str]:
    """Return how often each zone text ("" for none) stands in the stamps of a log's beginning."""
    from analysis.importers.prefix import split
    from analysis.importers.syslog import inner_text

    found: Counter[str] = Counter()
    lines = [line for line in head.split("\n")[:2000] if line and line[0] != "\t"]
    for line in lines:
        if kind in ("stderr", "rds", "syslog"):
            text = inner_text(line) or "" if kind == "syslog" else line
            own = split(prefix, text) if prefix or kind != "syslog" else None
            stamp = own.values.get("log_time", "") if own else ""
            if kind == "syslog" and not stamp and text and _BSD.match(line):
                found[""] += 1
        else:
            match = _ANY_STAMP[kind].search(line) if kind in _ANY_STAMP else None
            stamp = match.group(1) if match else ""
        if stamp:
            found[zone_of(stamp)] += 1
    return found


def zone_of(stamp: str) -> str:
    """Return the zone text of a log stamp, "" when it has none.

    >>> zone_of("2026-03-14 12:00:00.123 JST"), zone_of("2026-03-14 12:00:00")
    ('JST', '')
    """
    return stamp[19:].lstrip(".0123456789").strip()


def _minutes(offset: str) -> int:
    digits = offset[1:].replace(":", "").ljust(4, "0")
    return (-1 if offset[0] == "-" else 1) * (int(digits[:2]) * 60 + int(digits[2:]))


def _numeric(zone: str) -> str:
    digits = f"rpad(replace(substr({zone}, 2), ':', ''), 4, '0')"
    hours, minutes = (
        f"CAST(substr({digits}, 1, 2) AS BIGINT)",
        f"CAST(substr({digits}, 3) AS BIGINT)",
    )
    sign = f"CASE WHEN substr({zone}, 1, 1) = '-' THEN -1 ELSE 1 END"
    return f"({sign}) * ({hours} * {_HOUR} + {minutes} * {_MINUTE})"


def _periods_of(zone: zoneinfo.ZoneInfo) -> list[tuple[dt.datetime, dt.datetime, int, str]]:
    """Periods of constant offset and name: local start, local end, minutes, abbreviation."""
    at = dt.datetime(_FIRST_YEAR, 1, 1, tzinfo=dt.UTC)
    end = dt.datetime(_LAST_YEAR, 1, 1, tzinfo=dt.UTC)
    found, start, now = [], at, _state(zone, at)
    while at < end:
        later = at + dt.timedelta(days=7)
        if _state(zone, later) != now:
            change = _change(zone, at, later)
            found.append(_period(start, change, now))
            start, now = change, _state(zone, change)
            later = change
        at = later
    return [*found, _period(start, end, now)]


def _state(zone: zoneinfo.ZoneInfo, at: dt.datetime) -> tuple[int, str]:
    local = at.astimezone(zone)
    offset = local.utcoffset() or dt.timedelta()
    return int(offset.total_seconds()) // 60, local.tzname() or ""


def _change(zone: zoneinfo.ZoneInfo, low: dt.datetime, high: dt.datetime) -> dt.datetime:
    """Return the first minute with the new state, between two weeks that differ."""
    before = _state(zone, low)
    while high - low > dt.timedelta(minutes=1):
        middle = low + dt.timedelta(minutes=(high - low) // dt.timedelta(minutes=1) // 2)
        if _state(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high


def _period(
    start: dt.datetime, end: dt.datetime, state: tuple[int, str]
) -> tuple[dt.datetime, dt.datetime, int, str]:
    shift = dt.timedelta(minutes=state[0])
    return (start + shift).replace(tzinfo=None), (end + shift).replace(tzinfo=None), *state


def _local_cases(periods: list[tuple[dt.datetime, dt.datetime, int, str]], stamp: str) -> str:
    """SQL cases from a local stamp to its offset; stamps that occur twice or never stay NULL."""
    cases = []
    for before, after in itertools.pairwise(periods):
        if after[0] < before[1] and after[2] != before[2]:  # the hour that comes twice
            cases.append(f"WHEN {_between(stamp, after[0], before[1])} THEN NULL")
    for start, end, minutes, _ in periods:
        cases.append(f"WHEN {_between(stamp, start, end)} THEN {minutes * _MINUTE}")
    return " ".join(cases)


def _between(stamp: str, start: dt.datetime, end: dt.datetime) -> str:
    return f"{stamp} >= TIMESTAMP '{start}' AND {stamp} < TIMESTAMP '{end}'"
