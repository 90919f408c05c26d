"""Time zones of log stamps: right to the second, or refused."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections import defaultdict
from pathlib import Path

import pytest
from log_case import import_text, record, table

from analysis.importers.zones import AMBIGUOUS, UNAMBIGUOUS, ZoneRule
from runlog.errors import BadData, UsageFault


def instants(folder: Path) -> list[str]:
    return [f"{t:%Y-%m-%d %H:%M:%S}" for t in table(folder / "run")["log_time"]]


@pytest.mark.parametrize(
    ("stamp", "zone", "utc"),
    [
        ("2018-10-09 12:00:00.000 JST", "", "2018-10-09 03:00:00"),
        ("2026-07-01 12:00:00.000 CEST", "", "2026-07-01 10:00:00"),
        ("2026-01-01 12:00:00.000 CET", "", "2026-01-01 11:00:00"),
        ("2026-07-01 12:00:00.000 CET", "", "2026-07-01 11:00:00"),  # never a guessed summer
        ("2026-07-01 12:00:00.000 BST", "Europe/London", "2026-07-01 11:00:00"),
        ("2009-07-01 12:00:00.000 BST", "+06", "2009-07-01 06:00:00"),
        ("2026-07-01 12:00:00.000 EDT", "", "2026-07-01 16:00:00"),
        ("2026-07-01 12:00:00.000 +03", "", "2026-07-01 09:00:00"),
        ("2026-07-01 12:00:00.000 -0330", "", "2026-07-01 15:30:00"),
        ("2026-07-01 12:00:00.000 MSK", "", "2026-07-01 09:00:00"),
        ("2012-07-01 12:00:00.000 MSK", "Europe/Moscow", "2012-07-01 08:00:00"),
        ("2026-01-01 12:00:00.000 CST", "America/Chicago", "2026-01-01 18:00:00"),
        ("2026-01-01 12:00:00.000 CST", "Asia/Shanghai", "2026-01-01 04:00:00"),
        ("2026-01-01 12:00:00.000 IST", "Asia/Kolkata", "2026-01-01 06:30:00"),
        ("2026-01-01 12:00:00.000 GMT+3", "-03:00", "2026-01-01 15:00:00"),
        ("2026-01-01 12:00:00.000 UTC", "Asia/Tokyo", "2026-01-01 12:00:00"),
    ],
)
def test_stamps_become_the_right_instant(stamp: str, zone: str, utc: str, tmp_path: Path) -> None:
    import_text(tmp_path, record(1, "ready", at=stamp), log_timezone=zone)
    assert instants(tmp_path) == [utc]


@pytest.mark.parametrize(
    ("abbreviation", "zone"),
    [("CST", ""), ("BST", ""), ("IST", ""), ("EST", ""), ("GMT+3", ""), ("CST", "Asia/Tokyo"),
     ("XYZ", "")],
)  # fmt: skip
def test_an_ambiguous_abbreviation_is_refused(abbreviation: str, zone: str, tmp_path: Path) -> None:
    text = record(1, "ready", at=f"2026-07-01 12:00:00.000 {abbreviation}")
    with pytest.raises(BadData, match="--log-timezone") as fault:
        import_text(tmp_path, text, log_timezone=zone)
    assert abbreviation in str(fault.value)
    assert not (tmp_path / "run").exists()


def test_an_ambiguous_abbreviation_deep_in_the_file_is_refused(tmp_path: Path) -> None:
    text = "".join(
        record(n, "ready", at="2026-11-01 01:59:59.000 EDT") for n in range(1, 4000)
    ) + record(4000, "ready", at="2026-11-01 01:00:00.000 EST")
    with pytest.raises(BadData, match="EST"):
        import_text(tmp_path, text)
    assert import_text(tmp_path, text, log_timezone="America/New_York").records == 4000


def test_daylight_saving_changes_inside_a_file(tmp_path: Path) -> None:
    stamps = [
        "2026-10-25 01:30:00.000 BST",
        "2026-10-25 01:59:59.999 BST",
        "2026-10-25 01:00:00.000 GMT",
        "2026-10-25 01:30:00.000 GMT",
        "2026-03-29 00:59:59.000 GMT",
        "2026-03-29 02:00:00.000 BST",
    ]
    text = "".join(record(n, "ready", at=at) for n, at in enumerate(stamps, 1))
    import_text(tmp_path, text, log_timezone="Europe/London")
    assert instants(tmp_path) == [
        "2026-10-25 00:30:00",
        "2026-10-25 00:59:59",
        "2026-10-25 01:00:00",
        "2026-10-25 01:30:00",
        "2026-03-29 00:59:59",
        "2026-03-29 01:00:00",
    ]


def test_stamps_without_a_zone_need_one_told(tmp_path: Path) -> None:
    text = "2026-07-01 12:00:00.000 [77] LOG:  ready\n"
    with pytest.raises(BadData, match="without a time zone"):
        import_text(tmp_path, text, "a.log")
    import_text(tmp_path, text, "a.log", log_timezone="Asia/Tokyo")
    assert instants(tmp_path) == ["2026-07-01 03:00:00"]


def test_an_hour_that_comes_twice_is_set_aside_not_guessed(tmp_path: Path) -> None:
    text = (
        "".join(f"2026-10-25 {hour}:30:00.000 [77] LOG:  ready\n" for hour in ("00", "01", "02"))
        + "2026-03-29 01:30:00.000 [77] LOG:  in an hour that never was\n"
    )
    done = import_text(tmp_path, text, "a.log", log_timezone="Europe/London")
    assert (done.records, done.rejects) == (2, {"time stamp cannot be read": 2})
    assert instants(tmp_path) == ["2026-10-24 23:30:00", "2026-10-25 02:30:00"]


def test_an_unknown_zone_name_is_a_usage_fault(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="IANA"):
        import_text(tmp_path, record(1, "ready"), log_timezone="Tokio")


def test_syslog_stamps_need_a_zone_and_take_the_year_of_the_file(tmp_path: Path) -> None:
    year = dt.datetime.now(dt.UTC).year
    text = "Jan  1 00:00:01 db1 postgres[77]: [1-1] LOG:  ready\n"
    with pytest.raises(BadData, match="without a time zone"):
        import_text(tmp_path, text, "syslog")
    done = import_text(tmp_path, text, "syslog", log_timezone="Asia/Tokyo")
    assert instants(tmp_path) == [f"{year - 1}-12-31 15:00:01"]
    assert any("without a year" in note for note in done.notes)


def test_the_table_of_abbreviations_is_that_of_the_zone_data() -> None:
    meanings: dict[str, set[int]] = defaultdict(set)
    for name in zoneinfo.available_timezones():
        if name.startswith(("Etc/", "posix", "right")) or "/" not in name:
            continue
        zone = zoneinfo.ZoneInfo(name)
        for year in range(2016, 2027):
            for month in (1, 4, 7, 10):
                at = dt.datetime(year, month, 15, tzinfo=zone)
                offset = at.utcoffset()
                assert offset is not None
                meanings[at.tzname() or ""].add(int(offset.total_seconds()) // 60)
    for abbreviation, minutes in meanings.items():
        if abbreviation in UNAMBIGUOUS and abbreviation != "KST":  # Pyongyang was apart to 2018
            assert minutes == {UNAMBIGUOUS[abbreviation]}, abbreviation
        elif len(minutes) > 1 and abbreviation.isalpha() and abbreviation != "KST":
            assert abbreviation in AMBIGUOUS, abbreviation


def test_every_zone_rule_agrees_with_zoneinfo_all_year_round() -> None:
    from runlog.writer import connect

    con = connect()
    for name in ("Asia/Tokyo", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"):
        rule, zone = ZoneRule.of(name), zoneinfo.ZoneInfo(name)
        for hours in range(0, 24 * 365, 397):
            at = dt.datetime(2025, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hours)
            local = at.astimezone(zone)
            sql = rule.offset_sql("$z", "$t")
            offset = con.execute(
                f"SELECT {sql.replace('$z', '$1').replace('$t', '$2::TIMESTAMP')}",
                [local.tzname(), f"{local:%Y-%m-%d %H:%M:%S}"],
            ).fetchall()[0][0]
            utcoffset = local.utcoffset()
            assert utcoffset is not None
            assert offset == utcoffset.total_seconds() * 1e6, (name, local)
