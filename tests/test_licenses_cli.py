"""`walletlab licenses` as a user meets it."""

from __future__ import annotations

import json

import pytest
from license_law_maker import write_law_files

from analysis.cli import run_cli

DISCLAIMER = "Research, not legal advice."


@pytest.fixture
def said(capsys):
    def run(*arguments: str, code: int = 0) -> str:
        assert run_cli(["licenses", *arguments]) == code
        captured = capsys.readouterr()
        return captured.out if code == 0 else captured.err

    return run


def test_classify_kyash_as_json(said):
    found = json.loads(said("classify", "--service", "kyash", "--on", "2018-11-03", "--json"))
    assert found["regimes"] == ["prepaid_third_party"]
    assert (found["cash_out"], found["kyc"]) == ("no", "no")
    for reason in found["reasons"]:
        assert reason["law"]
        assert reason["article"]
        assert reason["revision"]
        assert reason["quote"]
    assert found["disclaimer"] == DISCLAIMER
    assert found["text_date"] == "2026-08-22"


def test_deposit_and_preserve_as_json(said):
    one = json.loads(
        said("deposit", "--unused-balance", "10000001", "--on", "2018-09-30", "--json")
    )
    assert (one["required_jpy"], one["required_whole_yen"]) == (5000000.5, 5000001)
    two = json.loads(
        said(
            "preserve", "--undelivered", "150000000", "--types", "1", "--on", "2026-08-12", "--json"
        )
    )
    assert two["required_jpy"] == 155_500_000
    assert {r["article_en"] for r in two["reasons"]} >= {"FT-Ord art. 11(6)(ii)"}


def test_classify_reads_features_from_a_file_and_from_the_command_line(said, tmp_path):
    path = tmp_path / "wallet.yaml"
    path.write_text("features:\n  remits: true\n  max_transfer_jpy: 1000000\n", "utf-8")
    arguments = ("--on", "2018-11-03", "--json")
    from_file = json.loads(said("classify", str(path), *arguments))
    from_line = json.loads(
        said("classify", "--features", "remits=true,max_transfer_jpy=1_000_000", *arguments)
    )
    assert from_file == from_line
    assert from_file["regimes"] == ["funds_transfer"]
    assert from_file["certain"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", "--on", "2018-11-03"),
        ("compare", "--lang", "ja"),
        ("classify", "--service", "paymo", "--on", "2018-11-03"),
        ("deposit", "--unused-balance", "1"),
        ("preserve", "--undelivered", "1"),
        ("explain", "kyash"),
        ("explain", "cash_out", "--regime", "prepaid_third_party", "--lang", "ja"),
        ("explain", "funds_transfer_2"),
        ("explain", "transfer_cap_type2_jpy"),
        ("limits", "bank"),
    ],
)
def test_every_page_says_research_and_names_its_text_date(said, arguments):
    out = said(*arguments)
    assert DISCLAIMER in out
    assert "2026-08-22" in out


def test_without_a_day_the_answer_is_for_the_text_date(said):
    assert json.loads(said("compare", "--json"))["on"] == "2026-08-22"


def test_compare_as_json_has_the_matrix(said):
    found = json.loads(said("compare", "--on", "2018-11-03", "--json"))
    cells = {(c["topic"], c["regime"]): c for c in found["cells"]}
    assert cells[("cash_out", "prepaid_third_party")]["answer"] == "prohibited"
    assert cells[("cash_out", "funds_transfer")]["answer"] == "permitted"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("compare", "--on", "2010-03-31"), 1, "date outside the rules covered"),
        (("compare", "--on", "2018-13-01"), 1, "not a date"),
        (("deposit", "--unused-balance", "-1"), 1, "negative"),
        (("preserve", "--undelivered", "1", "--types", "0"), 1, "no such number of types"),
        (("preserve", "--undelivered", "1", "--regime", "prepaid"), 2, "no such regime"),
        (("limits", "funds_tranfer"), 2, "did you mean 'funds_transfer"),
        (("classify",), 2, "one description"),
        (("classify", "absent.yaml"), 2, "no such file"),
        (("classify", "--features", "holds_value"), 1, "not a feature"),
        (("classify", "--features", "holds_value=true,passes_through=true"), 1, "contradict"),
        (("classify", "--service", "kyash", "--features", "remits=true"), 2, "one description"),
        (("verify", "--law", "absent"), 2, "no such folder"),
        (("explain", "nothing"), 2, "nothing of this name"),
    ],
)
def test_bad_input_is_one_clear_line(said, arguments, code, words):
    err = said(*arguments, code=code)
    assert words in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("features_a_list.yaml", "- 1\n"),
        ("features_broken.yaml", "a: [\n"),
        ("features_broken.json", "{"),
        ("features_empty.yaml", ""),
        ("features_number_keys.yaml", "1: true\n"),
    ],
)
def test_bad_feature_files_are_one_clear_line(said, tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    err = said("classify", str(path), code=1)
    assert err.count("\n") == 1
    assert name in err


def test_verify_ends_with_1_when_something_differs(tmp_path, capsys):
    folder = write_law_files(tmp_path)
    assert run_cli(["licenses", "verify", "--law", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["differences"] == []
    path = folder / "422CO0000000019.json"
    path.write_text(path.read_text("utf-8").replace("50,000円", "60,000円"), "utf-8")
    assert run_cli(["licenses", "verify", "--law", str(folder)]) == 1
    assert "quote not there" in capsys.readouterr().out
