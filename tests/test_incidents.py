"""The corpus: every value has a source, times have bounds, and the arithmetic is the record's."""

from __future__ import annotations

import csv
import io
import json

import pytest

from analysis.cli import run_cli
from analysis.incidents import when
from analysis.incidents.clock import Timeline
from analysis.incidents.describe import describe
from analysis.incidents.export import export
from analysis.incidents.frames import TABLES, frames, register
from analysis.incidents.functions import FUNCTIONS
from analysis.incidents.schema import QUOTE_MAX_CHARACTERS, Claim
from analysis.incidents.store import load_corpus
from analysis.incidents.when import between, parse
from runlog.errors import UsageFault
from runlog.writer import connect

TOKYO = "Asia/Tokyo"


@pytest.fixture(scope="module")
def corpus():
    return load_corpus()


def clock_of(corpus, incident_id, **options):
    return Timeline(corpus.get(incident_id), **options)


def test_corpus_has_three_kyash_outages_and_twenty_five_others(corpus):
    kyash = [i.id for i in corpus if i.company == "Kyash"]
    assert kyash == ["kyash-2018-07-14", "kyash-2018-10-09", "kyash-2018-11-03"]
    assert len(corpus) - len(kyash) >= 25


def test_every_value_has_a_source_that_the_file_describes(corpus):
    for incident in corpus:
        claims = incident.claims()
        assert claims
        for path, _, claim in claims:
            assert claim.sources, f"{incident.id}: {path} has no source"
            for name in claim.sources:
                source = incident.sources[name]
                assert source.url or source.reference, f"{incident.id}: {name} leads nowhere"


def test_no_quote_is_longer_than_fifty_characters(corpus):
    quotes = [c.quote for i in corpus for _, _, c in i.claims() if c.quote]
    assert quotes
    assert max(map(len, quotes)) <= QUOTE_MAX_CHARACTERS == 50


def test_every_hypothesis_is_called_one_in_words(corpus):
    hypotheses = [c for i in corpus for _, _, c in i.claims() if c.basis == "hypothesis"]
    assert len(hypotheses) >= 3
    assert all(str(c.value).startswith("HYPOTHESIS") for c in hypotheses)


def test_a_database_is_never_the_stated_cause_of_a_kyash_outage(corpus):
    for incident in corpus.select(company="kyash"):
        stated = " ".join(str(c.value) for c in incident.causes.stated)
        assert "SQL" not in stated and "atabase" not in stated
        assert incident.database[0].value == "no"


@pytest.mark.parametrize(
    ("incident_id", "name", "minutes"),
    [
        ("kyash-2018-07-14", "start_to_restoration", 620),
        ("kyash-2018-10-09", "start_to_restoration", 216),
        ("kyash-2018-11-03", "start_to_mitigation", 198),
        ("kyash-2018-11-03", "start_to_first_notice", 164),
        ("kyash-2018-11-03", "start_to_cause_published", 20 * 60 + 35),
        ("visa-eu-2018-06-01", "start_to_restoration", 610),
        ("square-2023-09-07", "start_to_restoration", 15 * 60 + 25),
    ],
)
def test_duration_as_the_record_writes_it(corpus, incident_id, name, minutes):
    span = clock_of(corpus, incident_id).duration(name)
    assert span.as_written == minutes
    assert span.min <= minutes <= span.max


def test_about_widens_a_duration_by_the_stated_convention(corpus):
    span = clock_of(corpus, "kyash-2018-10-09").duration("start_to_restoration")
    assert (span.min, span.max) == (206, 226)
    sharp = clock_of(corpus, "kyash-2018-10-09", about_minutes=0)
    assert sharp.duration("start_to_restoration") == when.Span(216, 216, 216)


def test_restriction_of_november_lasted_23_2_to_24_2_days(corpus):
    span = clock_of(corpus, "kyash-2018-11-03").duration("mitigation_to_restoration")
    assert (round(span.min / 1440, 1), round(span.max / 1440, 1)) == (23.2, 24.2)
    assert span.as_written is None, "the hour of the end is not on record"


def test_november_announcements_have_their_offsets(corpus):
    said = describe(corpus.get("kyash-2018-11-03"))["communication"]
    offsets = [e["offset_min"]["as_written"] for e in said][:5]
    assert offsets == [164, 209, 279, 20 * 60 + 35, 26 * 60 + 37]
    channels = [e["channel"] for e in said][:5]
    assert channels == ["web_and_twitter", "web", "in_app", "web", "email"]


def test_both_times_of_the_stop_appear_and_18_18_is_used_with_its_reason(corpus):
    shown = describe(corpus.get("kyash-2018-11-03"))
    stop = shown["mitigated_at"]
    assert stop["text"] == "2018-11-03T18:18~"
    assert [c["value"] for c in stop["claims"]] == ["2018-11-03T18:18~", "2018-11-03T18:10~"]
    assert "18:18" in stop["why"] and "18:10" in stop["why"]
    other = shown["durations"]["start_to_mitigation"]["alternatives"]
    assert [d["as_written"] for d in other] == [190]


def test_functions_differ_within_the_restriction_of_november(corpus):
    restricted = describe(corpus.get("kyash-2018-11-03"))["phases"][1]["functions"]
    assert restricted["card_payment_auto_charge"]["state"] == "down"
    assert restricted["card_payment_balance"]["state"] == "up"
    assert restricted["p2p_send_auto_charge"]["state"] == "unknown"


def test_separate_outages_of_one_day_are_added_not_spanned(corpus):
    clock = clock_of(corpus, "stripe-2019-07-10")
    assert clock.affected_minutes().as_written == 27 + 93
    assert clock.duration("start_to_restoration").as_written == 372


def test_a_boundary_between_adjoining_phases_adds_no_uncertainty(corpus):
    span = clock_of(corpus, "cardnet-2023-11-11").affected_minutes()
    assert (span.min, span.max) == (449, 449)


def test_a_duration_without_times_is_the_stated_one(corpus):
    shown = describe(corpus.get("gocardless-2017-10-10"))["durations"]
    assert shown["affected"]["as_written"] == 110


def test_refund_parts_make_the_total(corpus):
    examples = [e for i in corpus for e in i.refund_examples]
    assert [(e.balance_part_jpy, e.card_part_jpy, e.total_jpy) for e in examples] == [
        (50, 150, 200),
        (1755, 2993, 4748),
        (320, 9680, 10000),
    ]


def test_security_incidents_are_kept_apart(corpus):
    assert [i.id for i in corpus.select(kind="security")] == ["7pay-2019-07"]
    assert "7pay-2019-07" not in [i.id for i in corpus.select(kind="outage")]


def test_unknown_incident_gets_a_suggestion(corpus):
    with pytest.raises(UsageFault, match="did you mean 'kyash-2018-11-03'"):
        corpus.get("kyash-2018-11-30")


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2018-11-27", "2018-11-26T15:00", "2018-11-27T15:00"),
        ("2018-12", "2018-11-30T15:00", "2018-12-31T15:00"),
        ("2018", "2017-12-31T15:00", "2018-12-31T15:00"),
        ("2018-11-03T18:18", "2018-11-03T09:18", "2018-11-03T09:18"),
        ("2018-11-03T18:18~", "2018-11-03T09:13", "2018-11-03T09:23"),
        ("2018-11-03T18:18+09:00", "2018-11-03T09:18", "2018-11-03T09:18"),
        ("2018-11-09T13:41/2018-11-25", "2018-11-09T04:41", "2018-11-25T15:00"),
        ("../2018-11-25", None, "2018-11-25T15:00"),
    ],
)
def test_time_on_record_has_these_bounds(text, low, high):
    moment = parse(text, TOKYO)
    shown = [m.strftime("%Y-%m-%dT%H:%M") if m else None for m in (moment.earliest, moment.latest)]
    assert shown == [low, high]


def test_a_day_in_a_zone_with_summer_time_has_23_hours():
    assert parse("2019-03-31", "Europe/London").width_min == 23 * 60


@pytest.mark.parametrize(
    ("text", "zone", "reason"),
    [
        ("2018-13-01", TOKYO, "no date of the calendar"),
        ("2018-11-03T25:00", TOKYO, "no time of the calendar"),
        ("yesterday", TOKYO, "is no time"),
        ("2018-11-03T18:18Z", TOKYO, "not the local time of Asia/Tokyo"),
        ("2018-11-05/2018-11-03", TOKYO, "ends before it starts"),
        ("../..", TOKYO, "says nothing"),
        ("2019-03-31T01:30", "Europe/London", "clocks skipped"),
        ("2018-11-03", "Asia/Tokio", "unknown time zone"),
        ("2018-11-03", "../etc/passwd", "unknown time zone"),
    ],
)
def test_a_time_that_makes_no_sense_is_refused(text, zone, reason):
    with pytest.raises(ValueError, match=reason):
        parse(text, zone)


def test_a_duration_with_an_open_bound_stays_open():
    span = between(parse("2018-11-03T15:00", TOKYO), parse("2018-11-29/..", TOKYO))
    assert span.max is None and span.min == 25 * 1440 + 9 * 60


def test_frames_have_the_declared_columns_and_one_row_a_claim(corpus):
    made = frames(corpus)
    assert {n: list(f.columns) for n, f in made.items()} == {n: list(c) for n, c in TABLES.items()}
    assert len(made["incidents"]) == len(corpus)
    assert len(made["incident_claims"]) == sum(len(i.claims()) for i in corpus)
    assert set(made["incident_functions"]["function"]) <= set(FUNCTIONS)


def test_tables_in_duckdb_answer_a_question(corpus):
    con = connect()
    register(con, corpus)
    rows = con.execute(
        "SELECT incident_id FROM incidents WHERE cause_group = 'load' AND \"database\" = 'yes' "
        "AND affected_min > 300"
    ).fetchall()
    assert rows == [("coinbase-2017-11-29",)]
    missing = con.execute("SELECT count(*) FROM incident_claims WHERE sources = ''").fetchall()
    assert missing == [(0,)]
    con.close()


def test_timesketch_rows_have_the_mandatory_fields_and_both_times(corpus):
    incident = corpus.get("kyash-2018-11-03")
    rows = [json.loads(line) for line in export(incident, "timesketch-jsonl").splitlines()]
    for row in rows:
        assert row["message"] and row["timestamp_desc"]
        assert row["datetime"].endswith("+00:00")
    stops = [r for r in rows if r["lane"] == "mitigation"]
    assert [(r["as_in_source"][11:16], r["used"]) for r in stops] == [
        ("18:10", False),
        ("18:18", True),
    ]
    table = list(csv.DictReader(io.StringIO(export(incident, "timesketch-csv"))))
    assert [r["message"] for r in table] == [r["message"] for r in rows]


def test_postmortem_record_has_the_fields_of_that_site(corpus):
    record = json.loads(export(corpus.get("kyash-2018-10-09"), "postmortems-app"))
    assert list(record) == [
        "UUID",
        "URL",
        "ArchiveURL",
        "Title",
        "StartTime",
        "EndTime",
        "Categories",
        "Keywords",
        "Company",
        "Product",
        "SourcePublishedAt",
        "SourceFetchedAt",
        "Summary",
        "Description",
    ]
    assert record["StartTime"] == "2018-10-09T05:14:00+00:00"
    assert record["URL"] == "https://page.kyash.co/maintenance/20181016"


def test_every_incident_exports_in_every_format(corpus):
    for incident in corpus:
        for form in ("timesketch-jsonl", "timesketch-csv", "postmortems-app"):
            assert incident.id in export(incident, form) or form == "postmortems-app"


def test_claims_keep_alternatives_in_order(corpus):
    incident = corpus.get("zengin-2023-10-10")
    banks = [c.value for path, _, c in incident.claims() if path == "figures[banks].claims"]
    assert banks == [10, 11]


def test_claim_is_immutable(corpus):
    claim = corpus.get("kyash-2018-10-09").started_at[0]
    assert isinstance(claim, Claim)
    with pytest.raises(ValueError, match="frozen"):
        claim.value = "2018-10-09T00:00"


def test_list_prints_json_and_nothing_else(capsys):
    assert run_cli(["incidents", "list", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"kyash-2018-07-14", "kyash-2018-10-09", "kyash-2018-11-03"} <= {
        r["incident_id"] for r in printed
    }
    unknown = next(r for r in printed if r["incident_id"] == "heroku-2023-06-08")
    assert unknown["affected_min"] is None


def test_show_prints_phases_communication_and_durations(capsys):
    assert run_cli(["incidents", "show", "kyash-2018-11-03", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [p["id"] for p in shown["phases"]] == ["overload", "restricted"]
    assert {"min", "max"} <= set(shown["durations"]["start_to_mitigation"])
    assert len(shown["communication"]) == 9


def test_show_of_an_unknown_incident_is_a_usage_fault(capsys):
    assert run_cli(["incidents", "show", "kyash-2018-11-30"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_about_that_is_no_number_is_a_usage_fault(capsys):
    assert run_cli(["incidents", "show", "kyash-2018-11-03", "--about", "nan"]) == 2
    assert "no number" in capsys.readouterr().err


def test_export_writes_the_file_it_names(tmp_path, capsys):
    out = tmp_path / "kyash.csv"
    code = run_cli(
        [
            "incidents",
            "export",
            "kyash-2018-10-09",
            "--format",
            "timesketch-csv",
            "--out",
            str(out),
        ]
    )
    assert code == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert out.read_text("utf-8").startswith("message,datetime,timestamp_desc")


@pytest.mark.parametrize("incident_id", list(load_corpus().incidents))
def test_every_incident_can_be_shown_as_text(incident_id, capsys):
    assert run_cli(["incidents", "show", incident_id]) == 0
    assert capsys.readouterr().out.startswith(incident_id)
