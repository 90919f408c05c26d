"""What the license required: Japanese payment licenses as dated, cited rules (data/licenses).

>>> from analysis.licenses import activity_from, classify
>>> wallet = {"holds_value": True, "usable_at": "others", "transferable": True, "pays_out": False}
>>> answer = classify(activity_from(wallet), "2018-11-03")
>>> answer.regimes, answer.cash_out, answer.kyc
(('prepaid_third_party',), 'no', 'no')

Research, not legal advice. What the facts do not settle is answered `unknown`, with the reason.
"""

from analysis.licenses.activity import Activity, activity_from
from analysis.licenses.classification import Classification, classify
from analysis.licenses.comparison import Comparison, compare
from analysis.licenses.corpus import rule_base
from analysis.licenses.duties import Obligations, obligations, outage_duties
from analysis.licenses.entry import assets_sufficient, notification_required
from analysis.licenses.limits import engine_limits
from analysis.licenses.permissions import Facts, kyc_required, permitted
from analysis.licenses.preservation import deposit, preservation_required, preserve
from analysis.licenses.reasons import Answer, Reason
from analysis.licenses.services import classify_service, demerits, services
from analysis.licenses.verify import verify

__all__ = [
    "Activity",
    "Answer",
    "Classification",
    "Comparison",
    "Facts",
    "Obligations",
    "Reason",
    "activity_from",
    "assets_sufficient",
    "classify",
    "classify_service",
    "compare",
    "demerits",
    "deposit",
    "engine_limits",
    "kyc_required",
    "notification_required",
    "obligations",
    "outage_duties",
    "permitted",
    "preservation_required",
    "preserve",
    "rule_base",
    "services",
    "verify",
]
