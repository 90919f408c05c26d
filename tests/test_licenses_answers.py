"""Answers of the license rules: worked boundary cases, services, contradictions, unknowns."""

from __future__ import annotations

import itertools
from fractions import Fraction

import license_answer_expectations as answered
import license_expectations as law
import pytest

from analysis.licenses import (
    Facts,
    activity_from,
    assets_sufficient,
    classify,
    classify_service,
    compare,
    demerits,
    deposit,
    engine_limits,
    kyc_required,
    obligations,
    outage_duties,
    permitted,
    preservation_required,
    preserve,
    rule_base,
)
from analysis.licenses.explanation import explain
from analysis.licenses.reasons import value_at
from runlog.errors import BadData, LabError, UsageFault

NOW = "2026-08-12"
CASES = answered.case_expectations() + answered.threshold_expectations()


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_worked_case(case):
    assert case.ask(rule_base()) == case.want


THRESHOLDS = [row for row in law.rows(law.PARAMETERS) if row[2] != "none"]
BELOW_AT_ABOVE = {
    "超える": (False, False, True),
    "以上": (False, True, True),
    "下回つてはならない": (False, True, True),
    "未満": (True, False, False),
    **dict.fromkeys(("以下", "超えない", "以内", "期間内"), (True, True, False)),
}


@pytest.mark.parametrize("row", THRESHOLDS, ids=[row[0] for row in THRESHOLDS])
def test_every_threshold_below_at_and_above(row):
    name, _, word, start, end, value = row
    step = Fraction(1, 10_000) if "/" in value else 1
    for on in (start, end):
        found = value_at(rule_base(), name, law.day(on))
        amounts = (Fraction(value) - step, Fraction(value), Fraction(value) + step)
        assert tuple(found.test(a) for a in amounts) == BELOW_AT_ABOVE[word]


def test_kyash_of_2018_is_third_party_prepaid_without_cash_out_or_identification():
    found = classify_service("kyash", "2018-11-03")
    answer = found.classification
    assert (answer.regimes, answer.certain) == (("prepaid_third_party",), True)
    assert (answer.cash_out, answer.kyc) == ("no", "no")
    assert found.documented == ("prepaid_third_party",)
    articles = {r["article_en"] for r in answer.reason.flat()}
    assert {"PSA art. 7", "PSA art. 20(5)", "PSA art. 14(1)", "PSA-Order art. 6"} <= articles
    assert "¥10,000,000" in "\n".join(answer.reason.lines())


@pytest.mark.parametrize(
    ("service", "regimes", "cash_out", "kyc"),
    [
        ("kyash", ("prepaid_third_party",), "no", "no"),
        ("paymo", ("collection_agency",), "yes", "no"),
        ("line_pay", ("funds_transfer", "prepaid_third_party"), "yes", "yes"),
        ("yahoo_wallet", ("funds_transfer",), "yes", "yes"),
        ("paypay", ("prepaid_third_party",), "no", "no"),
        ("pring", ("funds_transfer",), "yes", "yes"),
        ("rakuten_bank_facebook", ("bank",), "yes", "yes"),
        ("origami_pay", ("none",), "not_applicable", "not_applicable"),
        ("money_forward", ("none",), "not_applicable", "not_applicable"),
    ],
)
def test_services_of_november_2018(service, regimes, cash_out, kyc):
    found = classify_service(service, "2018-11-03").classification
    assert (found.regimes, found.cash_out, found.kyc) == (regimes, cash_out, kyc)
    assert all(r["law"] and r["article"] and r["revision"] for r in found.reason.flat())
    assert found.reason.flat()


def test_paymo_is_a_funds_transfer_from_the_day_of_the_three_types():
    before = classify_service("paymo", "2021-04-30").classification
    on = classify_service("paymo", "2021-05-01")
    assert before.regimes == ("collection_agency",)
    assert before.open_questions
    assert set(on.classification.regimes) == {f"funds_transfer_{n}" for n in (1, 2, 3)}
    assert "FT-Ord art. 1-2(ii)" in {r["article_en"] for r in on.classification.reason.flat()}
    assert any("ended" in note for note in on.notes)


def test_documented_licenses_agree_with_the_classification_of_2018():
    for name in ("kyash", "line_pay", "yahoo_wallet", "paypay", "pring", "au_pay"):
        found = classify_service(name, "2018-11-03")
        assert set(found.documented) == set(found.classification.regimes), name


def test_a_license_of_the_single_type_is_deemed_type_2():
    assert "funds_transfer" in classify_service("line_pay", "2021-04-30").documented
    assert "funds_transfer_2" in classify_service("line_pay", "2021-05-01").documented


def test_a_service_is_found_by_alias_and_spelling():
    assert classify_service("LINE Pay", "2018-11-03").service.id == "line_pay"
    assert classify_service("Yahoo!", "2018-11-03").service.id == "yahoo_wallet"


def test_card_funding_is_practice_and_never_statute():
    cell = compare("2018-11-03").cell("card_funding", "funds_transfer")
    assert cell.status == "practice"
    assert permitted("fund_by_card", "funds_transfer", "2018-11-03").reason.status == "practice"


def test_what_the_facts_do_not_settle_is_unknown_with_a_reason():
    answer = preserve(150_000_000, "2018-11-03")
    assert (answer.verdict, answer.value) == ("unknown", None)
    assert answer.extra["at_least_jpy"] == 150_000_000
    assert answer.open_questions
    assert permitted("hold_balance", "funds_transfer", "2018-11-03", 1).verdict == "unknown"
    assert kyc_required("funds_transfer_2", "2024-01-01", "cash_transfer", 1).verdict == "unknown"
    assert preservation_required("bank", 1, NOW).verdict == "unknown"


def test_deposit_before_the_first_base_date_is_unknown():
    assert deposit(20_000_000, "2010-09-29").verdict == "unknown"
    assert deposit(20_000_000, "2010-09-30").value == 10_000_000


def test_half_a_yen_stays_half_a_yen_and_is_said():
    answer = deposit(10_000_001, "2018-09-30")
    assert answer.value == Fraction(10_000_001, 2)
    assert answer.extra["required_whole_yen"] == 5_000_001
    assert "does not round" in answer.extra["rounding"]


def test_bank_deposits_of_type_3_lower_the_debts():
    half = preserve(100_000_000, NOW, regime="funds_transfer_3", bank_deposit_percent=50)
    assert half.value == 52_500_000
    whole = preserve(100_000_000, NOW, regime="funds_transfer_3", bank_deposit_percent=100)
    assert whole.value == 0


def test_engine_limits_come_from_the_rules():
    assert engine_limits("funds_transfer", "2018-11-03")["max_transfer_jpy"] == 1_000_000
    third = engine_limits("funds_transfer_3", NOW)
    assert (third["max_transfer_jpy"], third["max_balance_jpy"]) == (50_000, 50_000)
    kyash = engine_limits("prepaid_third_party", "2018-11-03")
    assert kyash["max_transfer_jpy"] is None
    assert (kyash["cash_out"], kyash["kyc"]) == (False, False)
    with pytest.raises(UsageFault, match="did not exist"):
        engine_limits("funds_transfer_3", "2018-11-03")


def test_outage_duties_of_2018_are_only_measured_against_the_2026_guideline():
    for duty in outage_duties("prepaid_third_party", "2018-11-03"):
        assert duty.in_force is None
        assert duty.label == "measured against the 2026 guideline"
    assert all(d.in_force for d in outage_duties("prepaid_third_party", "2026-08-22"))
    assert not outage_duties("bank", "2026-08-22")


def test_obligations_name_powers_and_passing_rules():
    found = obligations("prepaid_high_value", "2024-01-01")
    assert {t.id for t in found.transitions} == {"high_value_grace_years"}
    now = obligations("prepaid_third_party", NOW)
    assert len(now.powers) == 3
    assert not obligations("funds_transfer_3", "2018-11-03").exists


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({}, "no"),
        ({"because": "hardship"}, "yes"),
        ({"because": "business_ended"}, "yes"),
        ({"refunded_jpy": 20, "issued_before_jpy": 100, "balance_before_jpy": 100}, "yes"),
        ({"refunded_jpy": 21, "issued_before_jpy": 100, "balance_before_jpy": 100}, "no"),
        ({"refunded_jpy": 21, "issued_before_jpy": 100, "balance_before_jpy": 420}, "yes"),
    ],
)
def test_refunds_of_prepaid_value(facts, verdict):
    answer = permitted("cash_out", "prepaid_third_party", NOW, facts=Facts(**facts))
    assert answer.verdict == verdict
    assert "PSA art. 20(5)" in answer.articles()


def test_rules_of_passage_are_told_while_they_run():
    large = answered.wallet(transfer_each_jpy=100_001, transfer_month_jpy=300_000)
    assert classify(large, "2025-05-31").transitions == ("high_value_grace_years",)
    assert classify(large, "2025-06-01").transitions == ()
    border = {"collects": True, "payee": "business", "cross_border": True}
    collector = activity_from({**border, "cross_border_excepted": False})
    assert classify(collector, "2026-05-31").transitions == ()
    running = classify(collector, "2026-11-30")
    assert "cross_border_grace_months" in running.transitions
    assert any("transition" in line for line in running.reason.lines())


def test_assets_of_a_license_that_did_not_exist_or_is_not_known():
    assert assets_sufficient("prepaid_high_value", "2018-11-03", 1).verdict == "not_in_force"
    assert assets_sufficient("bank", "2018-11-03", 2 * 10**9).verdict == "unknown"
    assert assets_sufficient("prepaid_own", NOW, 0).verdict == "yes"


def test_large_amounts_stay_exact_to_the_half_yen():
    answer = deposit(999_999_999_999_999, "2018-09-30")
    assert answer.value == Fraction(999_999_999_999_999, 2)
    assert "¥499,999,999,999,999.5" in answer.reason.en
    assert "499,999,999,999,999.5円" in answer.reason.ja


def test_type_1_may_not_hold_idle_money_and_may_for_two_months_under_a_full_contract():
    assert permitted("hold_balance", "funds_transfer_1", NOW, 1).verdict == "no"
    contract = Facts(full_contract=True, months=2)
    assert permitted("hold_balance", "funds_transfer_1", NOW, 1, contract).verdict == "yes"
    before = permitted("hold_balance", "funds_transfer_1", "2026-05-31", 1, contract)
    assert before.verdict == "no"


def test_type_2_must_return_money_not_for_transfers_whatever_the_amount():
    idle = Facts(for_transfers=False)
    answer = permitted("hold_balance", "funds_transfer_2", NOW, 1, idle)
    assert answer.verdict == "no"
    assert "FT-Ord art. 30-2(3)" in answer.articles()


def test_value_that_users_cash_out_freely_is_not_classified_by_a_guess():
    wallet = {"holds_value": True, "usable_at": "others", "pays_out": True}
    answer = classify(activity_from(wallet), "2018-11-03")
    assert answer.regimes == ("unknown",)
    assert not answer.certain
    assert any("remits" in q for q in answer.open_questions)


def test_collecting_for_a_consumer_with_the_debt_discharged_is_open():
    collector = {"collects": True, "payee": "consumer", "claim": "goods", "cross_border": False}
    answer = classify(activity_from({**collector, "debt_discharged_on_receipt": True}), NOW)
    assert answer.regimes == ("unknown",)
    settled = classify(activity_from({**collector, "debt_discharged_on_receipt": False}), NOW)
    assert "unknown" not in settled.regimes


@pytest.mark.parametrize(
    "features",
    [
        {"holds_value": True, "passes_through": True},
        {"holds_value": False, "usable_at": "others"},
        {"holds_value": True, "transferable": False, "transfer_each_jpy": 1},
        {"collects": False, "payee": "consumer"},
        {"remits": False, "max_transfer_jpy": 1},
        {"reads_accounts": True, "remits": True},
        {"collects": True, "cross_border": False, "cross_border_excepted": True},
        {"holds_value": True, "transfer_each_jpy": 2, "transfer_month_jpy": 1},
    ],
)
def test_features_that_contradict_each_other_are_refused(features):
    with pytest.raises(BadData, match="contradict"):
        activity_from(features)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"holds_valu": True}, "did you mean 'holds_value'"),
        ({"holds_value": "maybe"}, "neither true nor false"),
        ({"usable_at": "mars", "holds_value": True}, "give one of: issuer, others"),
        ({"holds_value": True, "account_ceiling_jpy": -1}, "negative"),
        ({"holds_value": True, "account_ceiling_jpy": 1.5}, "whole number"),
        ({}, "no kind of activity"),
    ],
)
def test_wrong_features_are_refused_in_one_line(features, words):
    with pytest.raises(LabError, match=words) as told:
        activity_from(features)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compare("2010-03-31"), "2010-04-01 to 2026-12-31"),
        (lambda: compare("2027-01-01"), "2010-04-01 to 2026-12-31"),
        (lambda: compare("yesterday"), "not a date"),
        (lambda: deposit(-1, NOW), "negative"),
        (lambda: preserve(1, NOW, types=4), "give 1 to 3"),
        (lambda: preserve(1, "2018-11-03", types=2), "give 1 to 1"),
        (lambda: preserve(1, NOW, regime="bank"), "not a type of funds transfer"),
        (lambda: preserve(1, NOW, bank_deposit_percent=10), "type 3 only"),
        (lambda: preserve(1, NOW, joint=True), "two types"),
        (lambda: obligations("prepaid", NOW), "no such regime"),
        (lambda: permitted("withdraw", "bank", NOW), "no such operation"),
        (lambda: permitted("transfer", "bank", NOW), "an amount is needed"),
        (lambda: permitted("transfer", "bank", NOW, -1), "negative"),
        (lambda: kyc_required("bank", NOW, "birthday"), "no such event"),
        (lambda: classify_service("kyas", NOW), "did you mean 'kyash'"),
        (lambda: explain("cash_out", NOW), "a topic needs a regime"),
        (lambda: explain("nothing at all", NOW), "nothing of this name"),
        (lambda: deposit(1, "2018-09-30", extra_base_dates=True), "not known for this day"),
        (lambda: Facts(because="whim"), "unknown reason"),
        (lambda: deposit(10**15 + 1, NOW), "more than all yen"),
        (lambda: assets_sufficient("prepaid_third_party", NOW, 1, area="moon"), "no such area"),
    ],
)
def test_bad_questions_are_told_in_one_line(call, words):
    with pytest.raises(LabError, match=words) as told:
        call()
    assert "\n" not in str(told.value)


def test_every_operation_answers_for_every_regime_on_every_era_without_failing():
    days = ("2010-04-01", "2018-11-03", "2021-05-01", "2024-01-01", "2026-12-31")
    operations = ("cash_out", "transfer", "hold_balance", "lend", "pay_interest", "fund_by_card")
    regimes = [r.id for r in rule_base().regimes]
    for on, regime, operation in itertools.product(days, regimes, operations):
        answer = permitted(operation, regime, on, 1_000)
        assert answer.verdict in ("yes", "no", "unknown", "not_in_force")
        assert answer.reason.en
        assert answer.reason.ja
        if answer.verdict in ("yes", "no"):
            assert answer.articles(), (on, regime, operation)


def test_demerits_are_traced_to_an_article_or_called_a_choice():
    found = demerits("2018-11-03")
    assert len(found) >= 12
    for record in found:
        assert bool(record["articles"]) >= (record["traced_to"] == "rule")
    kyash = [r for r in found if r["service"] == "Kyash" and "taken out" in r["demerit"]]
    assert "PSA art. 20(5)" in kyash[0]["articles"]
    card = [r for r in found if "credit card" in r["demerit"]]
    assert {r["traced_to"] for r in card} == {"practice"}


def test_reasons_read_in_english_and_in_japanese():
    reason = classify_service("kyash", "2018-11-03").classification.reason
    english, japanese = "\n".join(reason.lines("en")), "\n".join(reason.lines("ja"))
    assert "prohibited in principle" in english
    assert "原則禁止" in japanese
    assert "第20条第5項" in japanese
    assert "art. 20(5)" in english
