"""Times of request logs: zones in stamps, epochs of every unit, lengths. None is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
from request_case import HEADER, MAPPING, TOOK, imported, reasons, times

from runlog.errors import BadData

TOKYO = MAPPING + '[time]\nzone = "Asia/Tokyo"\n'
NOON, NINE_EARLIER = "2026-03-14T12:00:00", "2026-03-14T03:00:00"


def rows(*stamps: str) -> str:
    return HEADER + "".join(f"{chr(97 + i)},{stamp},200,1\n" for i, stamp in enumerate(stamps))


@pytest.mark.parametrize(
    ("zone", "instant"),
    [
        (" UTC", NOON),
        (" GMT", NOON),
        ("Z", NOON),
        ("z", NOON),
        (" JST", NINE_EARLIER),
        ("+09", NINE_EARLIER),
        ("+0900", NINE_EARLIER),
        (" +09:00", NINE_EARLIER),
        ("", NINE_EARLIER),
        (" CEST", "2026-03-14T10:00:00"),
        ("-03:30", "2026-03-14T15:30:00"),
    ],
)
def test_the_zone_of_a_stamp_is_read(zone: str, instant: str, tmp_path: Path) -> None:
    stamps = [f"2026-03-14{separator}12:00:00{zone}" for separator in " T"]
    assert imported(tmp_path, rows(*stamps), TOKYO).rejects == {}
    assert times(tmp_path / "run") == {"a": instant, "b": instant}


def test_zones_that_cannot_be_read_are_never_ignored(tmp_path: Path) -> None:
    names = ("UTC", "GMT", "CST", "EST", "Europe/Paris", "XYZZY", "+99:00", "+09:00[Asia/Tokyo]")
    done = imported(tmp_path, rows(*(f"2026-03-14 12:00:00 {name}" for name in names)), TOKYO)
    assert times(tmp_path / "run") == {"a": NOON, "b": NOON}
    assert reasons(tmp_path / "run") == {
        4: "ambiguous time zone of scheduled_at",
        5: "ambiguous time zone of scheduled_at",
        **dict.fromkeys((6, 7, 8, 9), "time zone of scheduled_at cannot be read"),
    }
    told = [note for note in done.notes if "zone CST" in note]
    assert "may be America/Chicago, Asia/Shanghai or America/Havana" in told[0]
    assert "[time] zone in the mapping" in told[0]


@pytest.mark.parametrize("mapping", [MAPPING, TOKYO])
def test_an_ambiguous_zone_refuses_a_log_as_it_does_a_server_log(
    mapping: str, tmp_path: Path
) -> None:
    stamps = ["2026-03-14 12:00:00 UTC"] + ["2026-03-14 12:00:00 CST"] * 2
    with pytest.raises(BadData, match=r"ambiguous time zone \(it may be America/Chicago") as told:
        imported(tmp_path, rows(*stamps), mapping)
    assert "CST in r.csv" in str(told.value)


def test_the_told_zone_reads_its_own_abbreviations(tmp_path: Path) -> None:
    stamps = ("2026-11-01 01:30:00 EDT", "2026-11-01 01:30:00 EST", "2026-11-01 01:30:00")
    imported(tmp_path, rows(*stamps), MAPPING + '[time]\nzone = "America/New_York"\n')
    assert times(tmp_path / "run") == {"a": "2026-11-01T05:30:00", "b": "2026-11-01T06:30:00"}
    assert list(reasons(tmp_path / "run").values()) == [
        "scheduled_at falls into an hour that a clock change repeats or leaves out"
    ]


def test_a_stamp_without_zone_is_told_apart_from_garbage(tmp_path: Path) -> None:
    imported(tmp_path, rows("2026-03-14T12:00:00Z", "2026-03-14 12:00:00", "infinity", ""))
    assert reasons(tmp_path / "run") == {
        3: "scheduled_at has no time zone",
        4: "scheduled_at is missing or cannot be read",
        5: "scheduled_at is missing or cannot be read",
    }


EPOCHS = {
    "epoch_s": "1773489600.5",
    "epoch_ms": "1773489600500",
    "epoch_us": "1773489600500000",
    "epoch_ns": "1773489600500000000",
}


@pytest.mark.parametrize("unit", EPOCHS)
def test_epochs_of_every_unit_are_read(unit: str, tmp_path: Path) -> None:
    mapping = MAPPING + f'[time]\nformat = "{unit}"\n'
    imported(tmp_path, rows(EPOCHS[unit], EPOCHS[unit], "9" * 23, "nan", "1e80"), mapping)
    assert set(times(tmp_path / "run").values()) == {"2026-03-14T12:00:00.500000"}
    assert reasons(tmp_path / "run") == {
        4: "scheduled_at is outside the years 1 to 9999",
        5: "scheduled_at is missing or cannot be read",
        6: "scheduled_at is missing or cannot be read",
    }


@pytest.mark.parametrize("declared", ["iso", *EPOCHS])
@pytest.mark.parametrize("unit", EPOCHS)
def test_the_right_unit_is_suggested(unit: str, declared: str, tmp_path: Path) -> None:
    if unit == declared:
        return
    mapping = MAPPING + f'[time]\nformat = "{declared}"\n'
    with pytest.raises(BadData, match=f"implausible as {declared}.*format = .{unit}"):
        imported(tmp_path, rows(EPOCHS[unit]), mapping)


def test_a_simulation_that_begins_at_zero_is_taken_as_told(tmp_path: Path) -> None:
    imported(tmp_path, rows("0", "1.5"), MAPPING + '[time]\nformat = "epoch_s"\n')
    assert times(tmp_path / "run")["b"] == "1970-01-01T00:00:01.500000"


def test_lengths_that_are_negative_or_no_number_are_rejects(tmp_path: Path) -> None:
    lengths = ("10", "-5", "abc", "nan", "26" + "0" * 13, "9" * 40, "")
    text = HEADER + "".join(f"{i},2026-03-14T12:00:00Z,200,{n}\n" for i, n in enumerate(lengths))
    imported(tmp_path, text, MAPPING + TOOK)
    assert times(tmp_path / "run", "finished_at") == {"0": "2026-03-14T12:00:00.010000"}
    assert sorted(times(tmp_path / "run")) == ["0", "6"]  # one that nobody timed is no fault
    unread = "the length of finished_at cannot be read"
    assert reasons(tmp_path / "run") == {
        3: "the length of finished_at is negative",
        4: unread,
        5: unread,
        6: "finished_at is outside the years 1 to 9999",
        7: unread,
    }


def test_an_end_before_its_beginning_is_a_reject(tmp_path: Path) -> None:
    mapping = MAPPING.replace('outcome = "st"', 'outcome = "st"\nfinished_at = "took"')
    text = HEADER + "a,2026-03-14T12:00:00Z,200,2026-03-14T12:00:01Z\n"
    text += "b,2026-03-14T12:00:00Z,200,2026-03-14T11:59:59Z\n"
    imported(tmp_path, text, mapping)
    assert reasons(tmp_path / "run") == {3: "finished_at is before scheduled_at"}


def test_lengths_build_on_each_other_but_not_on_nothing(tmp_path: Path) -> None:
    durations = (
        '[durations]\nfinished_at = { from = "started_at", column = "took", unit = "s" }\n'
        'started_at = { from = "scheduled_at", column = "took", unit = "s" }\n'
    )
    imported(tmp_path, rows("2026-03-14T12:00:00Z"), MAPPING + durations)
    assert times(tmp_path / "run", "finished_at") == {"a": "2026-03-14T12:00:02"}
    circle = durations.replace('"scheduled_at"', '"finished_at"')
    with pytest.raises(BadData, match="duration from a time that is not told"):
        imported(tmp_path, rows("2026-03-14T12:00:00Z"), MAPPING + circle, run="other")
