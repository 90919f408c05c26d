"""Whether anybody was harmed: what the requests of a window say about it, whatever the cause."""

from __future__ import annotations

from analysis.bottleneck.features import Features

# A tenth of a second is about what a person takes for at once, a second about what does not break
# a train of thought (Miller, 1968; Nielsen, Usability Engineering, 1993, chapter 5).
NOTICED_US, INTERRUPTED_US = 100_000.0, 1_000_000.0
# One request more in a thousand that fails is the error budget of three nines.
FAILED_SHARE = 0.001


def harmed(f: Features) -> bool | None:
    """True when requests failed, or became slower by what people notice; None without requests.

    Slower: by a tenth of a second at the median, or by a second at the 95th percentile.
    """
    if not f.has("requests"):
        return None
    failing = f.rise("bad") >= FAILED_SHARE * max(f.during("arrivals"), 1.0)
    noticed = f.rise("latency_us_p50") >= NOTICED_US
    return bool(failing or noticed or f.rise("latency_us_p95") >= INTERRUPTED_US)
