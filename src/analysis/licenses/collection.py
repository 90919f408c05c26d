"""Collecting for payees (収納代行): when is it remittance, and when does no statute speak?"""

from __future__ import annotations

import datetime as dt

from analysis.licenses.activity import Activity
from analysis.licenses.comparison import cell
from analysis.licenses.model import RuleBase
from analysis.licenses.parts import Part
from analysis.licenses.reasons import Reason, clause_reason, said
from analysis.licenses.remittance import funds_transfer


def collection_part(activity: Activity, on: dt.date, rules: RuleBase) -> Part | None:
    """Return the collecting part of an activity, None when nothing is collected for payees."""
    if activity.collects is not True:
        return None
    consumer_rule, consumer_reason = clause_reason(
        rules.clause("consumer_collection_is_remittance"), on
    )
    border_rule, border_reason = clause_reason(
        rules.clause("cross_border_collection_is_remittance"), on
    )
    if not consumer_rule:
        grey = cell("definition", "collection_agency", on, rules).reason
        tree = said(
            "no registered regime: a grey area", "登録制の対象外（明文なし）", grey, consumer_reason
        )
        question = "whether this was remittance was not settled by statute before 2021-05-01"
        return Part(("collection_agency",), tree, (question,))
    tests = [_consumer(activity, on, rules, consumer_reason)]
    if border_rule:
        tests.append(_border(activity, on, rules, border_reason))
    elif activity.cross_border:
        tests.append((False, border_reason, ()))
    return _together(activity, on, rules, tests)


Test = tuple[bool | None, Reason, tuple[str, ...]]


def _together(activity: Activity, on: dt.date, rules: RuleBase, tests: list[Test]) -> Part:
    met = [reason for outcome, reason, _ in tests if outcome is True]
    if met:
        tree = said("collecting that is remittance", "為替取引に当たる収納代行", *met)
        return funds_transfer(activity, on, rules, tree)
    reasons = [reason for _, reason, _ in tests]
    if any(outcome is None for outcome, _, _ in tests):
        questions = tuple(q for _, _, qs in tests for q in qs)
        tree = said("whether this is remittance is open", "為替取引に当たるか未確定", *reasons)
        return Part(("unknown",), tree, questions, settled=False)
    rest = cell("definition", "collection_agency", on, rules).reason
    tree = said("collecting that is not remittance", "為替取引に当たらない収納代行", *reasons, rest)
    return Part(("collection_agency",), tree)


def _consumer(activity: Activity, on: dt.date, rules: RuleBase, clause: Reason) -> Test:
    """PSA 2-2(i): a consumer payee, and one of the three requirements of FT-Ord 1-2."""
    if activity.payee == "business":
        return False, said("the payee is a business", "受取人が事業者", clause), ()
    if activity.payee is None:
        return None, clause, ("payee: consumer or business?",)
    _, split = clause_reason(rules.clause("split_bill"), on)
    _, undischarged = clause_reason(rules.clause("undischarged_debt"), on)
    if activity.claim in ("split_bill", "loan"):
        return (
            True,
            said("a claim born from credit to the payer", "信用供与から生じた債権", clause, split),
            (),
        )
    if activity.debt_discharged_on_receipt is False:
        return (
            True,
            said("the debt is still open on receipt", "債務が消滅しない", clause, undischarged),
            (),
        )
    question = (
        "FT-Ord 1-2(iii) (escrow, part in the contract, sub-collectors) is not among the features"
    )
    return None, said("a consumer payee", "受取人が個人", clause, split, undischarged), (question,)


def _border(activity: Activity, on: dt.date, rules: RuleBase, clause: Reason) -> Test:
    """PSA 2-2(ii): across the border, unless FT-Ord 1-3 excepts it."""
    _, exceptions = clause_reason(rules.clause("cross_border_exceptions"), on)
    if activity.cross_border is None:
        return None, clause, ("cross_border: does money cross the border?",)
    if not activity.cross_border:
        return False, said("within the country", "国内", clause), ()
    if activity.cross_border_excepted is None:
        question = "cross_border_excepted: does an exception of FT-Ord 1-3 apply?"
        return None, said("across the border", "国境を越える", clause, exceptions), (question,)
    if activity.cross_border_excepted:
        return False, said("excepted", "府令の例外", clause, exceptions), ()
    return (
        True,
        said("across the border, no exception", "国境を越え例外なし", clause, exceptions),
        (),
    )
