"""An incident's announcements set beside the outage duties of a dated guideline.

The duties are those of `data/licenses/duties.yaml`; what on a public record would show that one was
met is said here. A verdict says only what that record shows. The guideline is that of 2026 and
every use carries `LABEL`; it is never presented as the law of the incident's year.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.incidents.clock import DatedEvent, Timeline
from analysis.incidents.schema import Channel, Lane, Says
from analysis.incidents.when import Span
from analysis.licenses.corpus import rule_base
from analysis.licenses.duties import LATER_TEXT, OutageDuty, outage_duties

ON_RECORD, NOT_ON_RECORD, UNKNOWN = "on record", "not on record", "nothing public"
LABEL = LATER_TEXT
APPLIES_TO = "Written for prepaid issuers in Japan (前払式支払手段発行者), a yardstick for others."
CAUTION = (
    "The text is that of August 2026. Whether it bound anyone in this wording at the time of the "
    "incident has not been checked, so nothing here says that a duty was broken."
)
_REGIME = "prepaid_third_party"


@dataclass(frozen=True)
class _Sign:
    """What on the record would show that a duty, or the named part of it, was met."""

    part: str = ""
    lane: Lane = "communication"
    says: Says | None = None
    channel: Channel | None = None


# duty -> its signs; of the duties left out no public record would tell
_SIGNS: dict[str, tuple[_Sign, ...]] = {
    "publish": (
        _Sign("content", says="content"),
        _Sign("cause", says="cause"),
        _Sign("expected recovery", says="expected_recovery"),
    ),
    "notify_users": (_Sign(channel="in_app"),),
    "contain": (_Sign(lane="mitigation"),),
}


def edition() -> str:
    """Return the day of the guideline's edition, ISO."""
    known = {duty.id: duty for duty in rule_base().duties}
    return max(known[name].valid_from for name in _SIGNS).isoformat()


def score(clock: Timeline) -> pd.DataFrame:
    """Return one row a duty, or part of one: article, verdict, minutes after the start, evidence.

    Columns: duty (with its part, where it has several), article, verdict, after_min_low, after_min,
    after_min_high, evidence, confidence. A duty with nothing public is `nothing public`, not a
    failure: absence of a record is no record of absence.
    """
    rules = rule_base()
    rows = [
        {"duty": _named(duty, sign), "article": duty.articles[0], **_found(clock, sign)}
        for duty in outage_duties(_REGIME, rules.covered_to, rules)
        for sign in _SIGNS.get(duty.id, (None,))
    ]
    minutes = dict.fromkeys(("after_min_low", "after_min", "after_min_high"), "float64")
    return pd.DataFrame(rows).astype(minutes)


def _named(duty: OutageDuty, sign: _Sign | None) -> str:
    return f"{duty.text.en}: {sign.part}" if sign and sign.part else duty.text.en


def _found(clock: Timeline, sign: _Sign | None) -> dict[str, object]:
    events = _evidence(clock, sign) if sign else []
    first = events[0] if events else None
    offset = first.offset if first else Span(None, None)
    return {
        "verdict": UNKNOWN if sign is None else ON_RECORD if first else NOT_ON_RECORD,
        "after_min_low": offset.min,
        "after_min": offset.as_written,
        "after_min_high": offset.max,
        "evidence": f"{first.at.text}: {first.event.what}" if first else None,
        "confidence": first.confidence if first else None,
    }


def _evidence(clock: Timeline, sign: _Sign) -> list[DatedEvent]:
    return [
        dated
        for dated in clock.events(sign.lane)
        if (sign.says is None or sign.says in dated.event.says)
        and (sign.channel is None or sign.channel == dated.event.channel)
    ]
