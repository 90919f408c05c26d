"""Hostile and broken incident files: one clear line each, exit code 1, never a traceback."""

from __future__ import annotations

import pytest

from analysis import paths
from analysis.cli import run_cli

GOOD = paths.data("incidents", "kyash-2018-11-03.yaml").read_text("utf-8")
RENAMED = GOOD.replace("id: kyash-2018-11-03", "id: some-outage-2020")


def refused(tmp_path, capsys, content, name="some-outage-2020.yaml"):
    """The one line that `validate` says about a file with this content."""
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert run_cli(["incidents", "validate", str(file)]) == 1
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert captured.out == ""
    assert len(lines) == 1 and "Traceback" not in captured.err
    assert name in lines[0]
    return lines[0]


def test_the_file_that_the_defects_are_made_from_is_valid(tmp_path, capsys):
    file = tmp_path / "some-outage-2020.yaml"
    file.write_text(RENAMED, "utf-8")
    assert run_cli(["incidents", "validate", str(file)]) == 0
    assert "some-outage-2020: valid" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("time_zone: Asia/Tokyo", "time_zone: Asia/Tokio", "time_zone: unknown time zone"),
        (
            'value: "2018-11-03T15:00~"',
            'value: "2018-11-03T15:00Z"',
            "started_at: 2018-11-03T15:00Z is not the local time of Asia/Tokyo",
        ),
        (
            'restored_at:\n  - value: "2018-11-27"',
            'restored_at:\n  - value: "2018-11-01"',
            "restored_at: 2018-11-01 is before",
        ),
        ("    sources: [sdgraph, orangeitems, sindanindex]\n", "", "sources: is missing"),
        ("[sdgraph, orangeitems, sindanindex]", "[]", "at least one is needed"),
        ("[sdgraph, orangeitems, sindanindex]", "[nobody]", "source 'nobody' is not among"),
        ("function: contactless_payment", "function: contactles_payment", "did you mean"),
        ("function: contactless_payment", "function: p2p_send", "'p2p_send' twice"),
        ("value: unknown", "value: sideways", "state 'sideways'"),
        ("value: 198", "value: 98", "98 min contradicts the times"),
        ("value: 198", "value: lots", "no number of minutes"),
        ("card_part_jpy: 9680", "card_part_jpy: 9681", "is not 10000"),
        ("card_part_jpy: 9680", "card_part_jpy: -1", "card_part_jpy"),
        ("confidence: M-H", "confidence: certain", "confidence"),
        ("schema_version: 1", "schema_version: 2", "schema_version"),
        ("kind: outage", "kind: outage\nseverity: 1", "severity: is no field"),
        ("start: mitigated_at", "start: begun_at", "'begun_at' is no time of this incident"),
        ("quote: 15時00分頃に発生", "quote: " + "あ" * 51, "at most 50 characters"),
        ("    why: 18:18 is", "    note: 18:18 is", "say in `why`"),
        ("id: some-outage-2020", "id: Some Outage", "id: "),
        ("country: JP", "country: Japan", "country"),
        ("title: jamiji.net", "titel: jamiji.net", "titel"),
        ("https://jamiji.net/kyash-stop/", "jamiji.net", "url"),
    ],
)
def test_one_wrong_field_is_named_with_its_reason(tmp_path, capsys, old, new, said):
    assert old in RENAMED
    assert said in refused(tmp_path, capsys, RENAMED.replace(old, new))


def test_byte_order_mark(tmp_path, capsys):
    line = refused(tmp_path, capsys, b"\xef\xbb\xbf" + RENAMED.encode())
    assert "byte-order mark" in line


def test_crlf_line_ends(tmp_path, capsys):
    assert "CRLF" in refused(tmp_path, capsys, RENAMED.replace("\n", "\r\n"))


def test_not_utf_8(tmp_path, capsys):
    assert "not UTF-8" in refused(tmp_path, capsys, RENAMED.encode("shift_jis", "replace"))


def test_yaml_bomb_is_refused_before_it_grows(tmp_path, capsys):
    bomb = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    bomb += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert "anchors and aliases are refused" in refused(tmp_path, capsys, "\n".join(bomb))


def test_merge_key_tag_and_depth_are_refused(tmp_path, capsys):
    assert "tag" in refused(tmp_path, capsys, "a: !!python/object/apply:os.system ['true']\n")
    assert "nested deeper" in refused(tmp_path, capsys, "a: " + "[" * 400 + "]" * 400)
    assert "larger than" in refused(tmp_path, capsys, "a: " + "x" * 300_000)


def test_duplicate_key_is_not_silently_the_last_one(tmp_path, capsys):
    twice = RENAMED.replace("country: JP", "country: JP\ncountry: US")
    assert "duplicate key 'country'" in refused(tmp_path, capsys, twice)


def test_broken_yaml_names_the_line(tmp_path, capsys):
    assert "line 2" in refused(tmp_path, capsys, "id: a\n\t- b: [\n")
    assert "not a mapping" in refused(tmp_path, capsys, "- a\n- b\n")
    assert "not a mapping" in refused(tmp_path, capsys, "")


def test_duplicate_id_between_two_files(tmp_path, capsys):
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(RENAMED, "utf-8")
    both = [str(tmp_path / n) for n in ("one.yaml", "two.yaml")]
    assert run_cli(["incidents", "validate", *both]) == 1
    error = capsys.readouterr().err
    assert "duplicate id 'some-outage-2020'" in error and "one.yaml" in error


def test_id_that_the_corpus_already_has(tmp_path, capsys):
    line = refused(tmp_path, capsys, GOOD, "copy.yaml")
    assert "already the id of kyash-2018-11-03.yaml" in line


def test_missing_file(tmp_path, capsys):
    assert run_cli(["incidents", "validate", str(tmp_path / "none.yaml")]) == 1
    assert "no such file" in capsys.readouterr().err
