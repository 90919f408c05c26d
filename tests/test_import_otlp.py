"""OTLP traces: every span is a request, a stage, a reject with its reason, or told in a note."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from log_case import table
from request_case import AT_NS, document, imported, reasons, span, times

from analysis.importers.requests import import_requests
from runlog.errors import BadData
from runlog.manifest import read_manifest

MAPPING = '[constants]\noperation = "card_payment"\n'


def test_otlp_traces_become_requests_and_stages(tmp_path: Path) -> None:
    at = 1_760_000_000_000_000_000
    spans = [
        span("pay", at, at + 90_000_000, attributes={"wallet__id": "7", "operation": "pay"}),
        span("UPDATE wallet", at + 1_000, at + 2_001_000, "pay", attributes={"db__system": "pg"}),
        span("COMMIT", at + 3_000_000, at + 9_000_000, "pay", attributes={"db__system": "pg"}),
        span("authorize", at, at + 80_000_000, "pay", kind=3, attributes={"http__url": "x"}),
        span("wait for pool", at, at + 500_000, "pay"),
        span("unknown inner step", at, at + 500_000, "pay"),
        span("pay", at, at + 1, trace="t2", status={"code": 2}, attributes={"operation": "pay"}),
    ]
    document = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    (tmp_path / "traces.json").write_text(json.dumps(document, indent=1))
    mapping = tmp_path / "m.toml"
    mapping.write_text(
        '[columns]\nwallet_id = "wallet.id"\noperation = "operation"\n'
        '[values.operation]\npay = "card_payment"\n[spans]\n"^wait for pool$" = "pool_wait"\n'
    )
    done = import_requests(tmp_path / "traces.json", mapping, tmp_path / "run")
    assert (done.requests, done.spans, done.rejects) == (2, 4, {})
    assert any("1 spans are no stage" in n and "unknown inner step" in n for n in done.notes)
    requests = table(tmp_path / "run", "requests")
    assert list(requests["outcome"]) == ["approved", "failed"]
    assert list(requests["reason"].fillna("")) == ["", "error"]
    assert requests["wallet_id"][0] == 7
    stages = table(tmp_path / "run", "spans").set_index("span")["duration_us"].to_dict()
    assert stages == {
        "statement": 2000, "commit": 6000, "gateway_call": 80_000, "pool_wait": 500,
    }  # fmt: skip


def root(trace: object = "t1", start: object = AT_NS, end: object = AT_NS + 5_000) -> object:
    return span("pay", start, end, trace=trace)


STATEMENT = {"db__system": "postgresql"}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (root("t2", "abc"), "times of a span cannot be read"),
        (root("t2", AT_NS, 10**26), "times of a span cannot be read"),
        (root("t2", AT_NS, str(10**26)), "times of a span cannot be read"),
        (root("t2", None), "times of a span cannot be read"),
        (root("t2", True), "times of a span cannot be read"),
        (root("t2", 0), "times of a span cannot be read"),
        (root("t2", AT_NS, AT_NS - 1), "span that ends before it starts"),
        (root(""), "span without trace id"),
        (root(["t2"]), "span without trace id"),
        ("pay", "not a span"),
        ([1, 2], "not a span"),
        (
            span("SELECT 1", AT_NS, AT_NS, "gone", trace="t9", attributes=STATEMENT),
            "span without its request",
        ),
        (
            span("SELECT 1", AT_NS, AT_NS - 1, "pay", attributes=STATEMENT),
            "span that ends before it starts",
        ),
    ],
)
def test_a_bad_span_is_set_aside_alone(bad: object, reason: str, tmp_path: Path) -> None:
    done = imported(tmp_path, document(root(), bad, root("t3")), MAPPING, "o.json")
    assert (done.requests, done.rejects) == (2, {reason: 1})
    assert sorted(times(tmp_path / "run", "started_at")) == ["t1", "t3"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1,2]\n", "not an OTLP trace"),
        ("5\n", "not an OTLP trace"),
        ('{"resourceLogs": []}\n', "not an OTLP trace"),
        ('{"resourceSpans": {}}\n', "not an OTLP trace"),
        ('{"resourceSpans": [7]}\n', "not a span"),
        ('{"resourceSpans": [{"scopeSpans": "x"}]}\n', "not a span"),
        ('{"resourceSpans": [{"scopeSpans": [{"spans": 3}]}]}\n', "not a span"),
        ("{nonsense\n", "not JSON"),
        (document(root("t2"))[:60], "unfinished last record"),
    ],
)
def test_a_bad_line_is_set_aside_alone(line: str, reason: str, tmp_path: Path) -> None:
    done = imported(tmp_path, document(root()) + "\n" + line, MAPPING, "o.json")
    assert (done.requests, done.rejects) == (1, {reason: 1})
    assert reasons(tmp_path / "run") == {3: reason}


@pytest.mark.parametrize("first", ["{nonsense\n", document(root("t2"))[:60] + "\n"])
def test_a_bad_first_line_is_set_aside_alone(first: str, tmp_path: Path) -> None:
    done = imported(tmp_path, first + document(root()), MAPPING, "o.json")
    assert (done.requests, done.rejects) == (1, {"not JSON": 1})


def test_a_line_without_end_is_bounded(tmp_path: Path) -> None:
    huge = document(span("y" * (17 * 1024 * 1024), AT_NS, AT_NS, trace="t2"))
    done = imported(tmp_path, document(root()) + huge + document(root("t3")), MAPPING, "o.json")
    assert (done.requests, done.rejects) == (2, {"line longer than 16 MiB": 1})
    padded = document(root())[:-2] + ', "pad": "' + " " * 2**24 + '"}\n'
    assert imported(tmp_path, padded, MAPPING, "p.json", run="one").requests == 1
    with pytest.raises(BadData, match="broken trace file"):
        imported(tmp_path, padded[:-3], MAPPING, "p.json", run="none")
    assert not (tmp_path / "none").exists()


def test_a_parent_of_zeros_is_none(tmp_path: Path) -> None:
    text = document(span("pay", AT_NS, AT_NS, "0000000000000000"))
    assert imported(tmp_path, text, MAPPING, "o.json").requests == 1


def test_grown_traces_give_what_one_import_gives(tmp_path: Path) -> None:
    text = (
        document(span("SELECT 1", AT_NS, AT_NS + 9_000, "pay", attributes=STATEMENT))
        + document(root(), span("think", AT_NS, AT_NS, "pay"))  # a child came before its root
        + document(span("SELECT 1", AT_NS, AT_NS + 9_000, "pay", attributes=STATEMENT))
        + document(root("t2"))
    )
    before = document(root("t0"))
    imported(tmp_path, before + text, MAPPING, "o.json", run="whole")
    ends = [i for i, c in enumerate(text) if c == "\n"]
    for cut in (*(end + 1 for end in ends), *(end - 20 for end in ends[::2])):
        run = f"run{cut}"
        for shown in (text[:cut], text, text):
            done = imported(tmp_path, before + shown, MAPPING, "o.json", run=run)
        for name in ("requests", "spans", "rejects"):
            assert table(tmp_path / run, name).equals(table(tmp_path / "whole", name)), cut
        assert (done.requests, done.spans) == (3, 1)
        assert done.rejects == {"duplicate of another span": 1}
        assert read_manifest(tmp_path / run).sources[0]["skipped_spans"] == 1
        assert len([note for note in done.notes if "no stage" in note]) == 1


def test_attributes_are_text_and_literals_stay_out_of_the_rejects(tmp_path: Path) -> None:
    secret = {"db__statement": "SELECT 'geheim'", "wallet": "2026-03-14", "start": "x"}
    bad = span("SELECT", AT_NS, AT_NS, "pay", trace="t9", attributes=secret)
    more = [span("pay", AT_NS, AT_NS, trace=f"w{i}", attributes={"wallet": str(i)}) for i in (1, 2)]
    mapping = MAPPING + '[columns]\nwallet_id = "wallet"\n'
    first = span("pay", AT_NS, AT_NS, attributes={"wallet": "2026-03-14"})
    imported(tmp_path, document(first, *more, bad), mapping, "o.json")
    assert list(table(tmp_path / "run", "requests")["wallet_id"]) == [1, 2]
    texts = table(tmp_path / "run", "rejects").set_index("reason")["text"]
    assert "geheim" not in "".join(texts)
    assert "2026-03-14" in texts["wallet_id cannot be read"]


@pytest.mark.parametrize("seed", range(16))
def test_mutated_traces_are_accepted_or_rejected(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    data = bytearray("".join(document(root(f"t{i}")) for i in range(20)).encode())
    for _ in range(rng.randrange(1, 20)):
        at = rng.randrange(40, len(data))
        data[at : at + rng.randrange(4)] = rng.choice(
            (b'"', b"\n", b"\0", b"\xff", b"{", b"]", b"9" * 30, b"null", b"\\u0000")
        )
    imported(tmp_path, bytes(data), MAPPING, "o.json")  # asserts its accounts
