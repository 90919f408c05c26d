"""The verifier finds what a statute text does not bear out, and nothing else."""

from __future__ import annotations

import copy
import json

import pytest
from license_law_maker import quotes, write_law_files

from analysis import paths
from analysis.licenses import rule_base, verify
from analysis.licenses.corpus import build, read
from analysis.licenses.verify import LawText, normalised
from runlog.errors import BadData, UsageFault


@pytest.fixture
def folder(tmp_path):
    return write_law_files(tmp_path)


@pytest.fixture
def content():
    return copy.deepcopy(read(paths.data("licenses")))


def test_every_quote_amount_and_word_is_borne_out(folder):
    found = verify(folder)
    assert found.differences == ()
    assert found.quotes_checked == 243
    assert (found.amounts_checked, found.words_checked) == (44, 39)
    assert [n.split(":")[0] for n in found.not_checked] == [
        "FSA-05",
        "FSA-14",
        "transfer_cap_single_jpy",
        "preservation_floor_single_jpy",
    ]


def test_kept_quotes_are_short_and_each_stands_in_the_data():
    assert len(quotes()) == 142
    assert all(len(quote) <= 50 for _, _, quote in quotes())


def test_a_changed_amount_in_the_data_is_found(folder, content):
    period = content["parameters"][0]["periods"][0]
    period["value"] = 20_000_000
    found = verify(folder, build(content))
    assert [(d.place, d.what) for d in found.differences] == [
        ("prepaid_base_balance_jpy", "amount not in quote")
    ]


def test_an_amount_inside_a_longer_one_is_not_taken_for_it(folder, content):
    names = [p["id"] for p in content["parameters"]]
    content["parameters"][names.index("transfer_cap_type2_jpy")]["periods"][0]["value"] = 0
    assert [d.what for d in verify(folder, build(content)).differences] == ["amount not in quote"]


def test_a_changed_comparison_word_is_found(folder, content):
    content["parameters"][0]["periods"][0]["word"] = "以上"
    found = verify(folder, build(content))
    assert {d.what for d in found.differences} == {"word not in quote"}


def test_a_changed_date_of_an_amendment_is_found(folder, content):
    content["amendments"][5]["in_force"] = content["amendments"][5]["in_force"].replace(day=2)
    assert [d.what for d in verify(folder, build(content)).differences] == ["date in quote"]


@pytest.mark.parametrize("number", range(0, 142, 7))
def test_a_quote_the_text_no_longer_says_is_found(tmp_path, number):
    law_id, article, quote = quotes()[number]
    changed = [(a, b, "改正後の文" if (a, b, c) == quotes()[number] else c) for a, b, c in quotes()]
    found = verify(write_law_files(tmp_path, changed))
    short = {law.law_id: law.short for law in rule_base().laws}[law_id]
    missing = {(d.law, d.article, d.expected) for d in found.differences}
    assert (short, article, quote) in missing


def test_a_quote_that_moved_to_another_article_is_found(folder):
    path = folder / "422CO0000000019.json"
    content = json.loads(path.read_text("utf-8"))
    for block in content["blocks"]:
        if block.get("num") == "第6条":
            block["num"] = "第6条の2"
    path.write_text(json.dumps(content), "utf-8")
    found = verify(folder).differences
    assert {(d.article, d.what) for d in found} == {("第6条", "no such article")}


def test_articles_of_supplementary_provisions_are_kept_apart(folder):
    text = LawText.read(folder / "422CO0000000019.json")
    first = text.find("附則第1条")
    other = text.find("附則（令和3年3月19日政令第52号）第1条")
    assert first is not None
    assert other is not None
    assert first != other
    assert text.find("第1条") is None


def test_another_revision_is_found(folder):
    path = folder / "356AC0000000059.json"
    content = json.loads(path.read_text("utf-8"))
    content["revision_id"] = "356AC0000000059_20270101_508AC0000000064"
    path.write_text(json.dumps(content), "utf-8")
    assert [d.what for d in verify(folder).differences] == ["revision of the file"]


def test_a_law_without_file_is_named_as_not_checked(folder):
    (folder / "419AC0000000022.json").unlink()
    assert "AML: no file" in verify(folder).not_checked


def test_kanji_numerals_of_the_official_text_compare_equal():
    official = "政令で定める額は、千万円とする。第三十六条の二第二項、百分の五、二億五千万円"
    assert (
        normalised(official)
        == "政令で定める額は、10000000円とする。第36条の2第2項、100分の5、250000000円"
    )


def test_a_folder_without_law_files_is_refused(tmp_path):
    with pytest.raises(UsageFault, match="no cited law"):
        verify(tmp_path)
    with pytest.raises(UsageFault, match="no such folder"):
        verify(tmp_path / "absent")


@pytest.mark.parametrize(
    "text", ["not json", "[]", '{"revision_id": "x"}', '{"revision_id": "x", "blocks": [1]}']
)
def test_law_file_of_another_form_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "421AC0000000059.json").write_text(text, "utf-8")
    with pytest.raises(BadData, match="not a law file") as told:
        verify(tmp_path)
    assert "\n" not in str(told.value)
