"""Whether anybody was harmed: what the requests of a window say about it, whatever the cause."""

from __future__ import annotations

import math

from analysis.bottleneck.features import Features

# A tenth of a second is about what a person takes for at once, a second (INTERRUPTED_US) about what
# does not break a train of thought (Miller, 1968; Nielsen, Usability Engineering, 1993, chapter 5).
NOTICED_US = 100_000.0
# One request more in a thousand is the error budget of three nines; one or two may be anything.
HARMED_SHARE, HARMED_LEAST = 0.001, 3
# Half of what was approved before.
FEWER_TIMES = 0.5


def harmed(f: Features) -> bool | None:
    """True when requests failed, hung, became slower by what people notice, or were not served.

    Requests are counted one by one, less what is usual outside the window: those that fail, and
    those in work in the window that take a second more than the usual 95th percentile. Slower: by a
    tenth of a second at the median. Not served: approvals halve, and arrivals do not (or none come:
    clients that wait for their answer send nothing). None without requests inside and outside.
    """
    if not f.has("requests") or not f.window.reference or not f.fact("harm_attempts_outside"):
        return None
    if not f.fact("harm_attempts") and not f.reference("approved") > 0:
        return None
    failing = _more(f, "bad", "sent") or _more(f, "interrupted", "attempts")
    noticed = f.rise("latency_us_p50") >= NOTICED_US
    return bool(failing or noticed or _not_served(f))


def _more(f: Features, kind: str, of: str) -> bool:
    """True when requests of a kind are more than the usual share makes, in numbers."""
    total = f.fact(f"harm_{of}")
    usual = f.fact(f"harm_{kind}_outside") / max(f.fact(f"harm_{of}_outside"), 1.0)
    more = f.fact(f"harm_{kind}") - usual * total
    return more >= max(HARMED_LEAST, HARMED_SHARE * total)


def _not_served(f: Features) -> bool:
    approved, arrivals = f.ratio("approved"), f.ratio("arrivals")
    if math.isnan(approved) or math.isnan(arrivals):
        return False
    return approved <= FEWER_TIMES * min(1.0, arrivals)
