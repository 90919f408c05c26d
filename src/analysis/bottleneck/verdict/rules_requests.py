"""Rules for what happens outside the database: load, clients, pools, fronts, the card gateway."""

from __future__ import annotations

import math

from analysis.bottleneck.features import Features
from analysis.bottleneck.verdict.finding import Finding, Notes, clamp, request_time_pct
from analysis.bottleneck.verdict.rules_errors import MORE_TIMES, reason_count

# Half as many requests again is more than the noise of an arrival process of tens a second.
SURGE_TIMES = 1.5
# A gateway call takes as long as the other side and the network need: twice the usual median, and
# tens of milliseconds more, is another gateway.
GATEWAY_TIMES, GATEWAY_RISE_US = 1.8, 30_000.0
# Slow calls are few while they last: this part of all time in calls is theirs, where usually a call
# in a thousand takes three times the median.
SLOW_SHARE = 0.3
# One repeat for each new request: clients that retry once what failed stay below while anything
# works.
STORM_REPEATS = 1.0
# Where nobody pauses, a third is a storm already: the share of repeats is then bounded only by how
# long each attempt takes to fail. So are fewer, where each of the requests that fail comes again
# twice and more: whoever gives up after one repeat cannot keep a storm going.
STORM_AT_ONCE, STORM_EACH, STORM_LEAST = 0.3, 2.0, 20
# Nobody backs off by less than this: such a repeat is a loop.
AT_ONCE_MS = 20.0
# Answers that do not come: this part of the time in gateway calls goes to long ones without an
# answer, while late answers come in at most half as many buckets as those in which calls are given
# up. From a slow gateway some answer always comes late; through a broken way none does, until it is
# mended.
HUNG_TIME, LATE_BUCKETS, LOST_LEAST = 0.3, 0.5, 5
# Calls that break off at once (reset, refused) are no matter of load, however few they are: one in
# fifty, where before there were a tenth of that.
BROKEN_SHARE, BROKEN_TIMES = 0.02, 10.0
# A front in work finishes something every second; three without are no accident, if they are a good
# part of the time in which others did.
SILENT_S, SILENT_SHARE = 3.0, 0.3
# Less than one in ten thousand, did the balancer hand out work as before.
UNLIKELY = math.log(10_000)
# Requests that stand at the pool, against the connections it has.
POOL_CROWD = 0.5


def access_surge(f: Features) -> Finding | None:
    """Many more new requests (first attempts: repeats are told apart) than before."""
    times = f.ratio("arrivals")
    if math.isnan(times) or times < SURGE_TIMES or f.spreads("arrivals") < 3:
        return None
    extra = 100 * clamp(1 - 1 / times)
    return Finding(
        "access_surge", "problem", extra, "request_time", clamp(0.7 + 0.1 * times, 0, 0.94),
        f"{times:.1f} times the usual number of new requests",
        Notes(f).measure("arrivals", "retries", "in_flight", "aas_cpu", "latency_us_p95").done(),
        {"retry_storm": "these are first attempts, not repeats",
         "missing_index": "calls grew, not the time of one statement alone"},
        "Shed early (a bounded queue), keep what needs no card running, add fronts only if the "
        "database has room.",
    )  # fmt: skip


def retry_storm(f: Features) -> Finding | None:
    """Repeats that feed themselves. Where something else broke too, they keep it broken.

    Repeats at once, without a pause, are what makes a storm of a failure; clients that back off
    give the other side room.
    """
    arrivals = f.during("arrivals")
    repeats = f.rise("retries") / arrivals if arrivals > 0 else 0.0
    at_once = f.fact("repeat_pause_ms", math.inf) < AT_ONCE_MS
    again = f.fact("repeats") >= STORM_LEAST and f.fact("repeats_each") >= STORM_EACH
    if repeats < (STORM_AT_ONCE if at_once else STORM_REPEATS) and not (at_once and again):
        return None
    if f.ratio("retries") < MORE_TIMES:
        return None
    return Finding(
        "retry_storm", "problem", 100 * clamp(repeats / (1 + repeats)), "request_time",
        0.97 if at_once else clamp(0.4 + 0.15 * repeats, 0, 0.9),
        f"{repeats:.1f} repeats for each new request",
        Notes(f).measure("retries", "arrivals", "approved", "bad", "gateway_us_p50").fact(
            "pause before a repeat, median", "repeat_pause_ms", "ms", "requests").fact(
            "repeats of each request repeated", "repeats_each", "attempts", "requests").fact(
            "most attempts of one request", "attempt_max", "attempts", "requests").done(),
        {"access_surge": "the same idempotency keys come again; new requests did not grow",
         "gateway_slow": "slowness that repeats cause lasts after its trigger has ended"},
        "Stop the repeats (retry budget, exponential backoff with jitter, circuit breaker); the "
        "database recovers on its own.",
    )  # fmt: skip


def answers_stay_out(f: Features) -> float:
    """Share (0..1) of the time in slow gateway calls that brought no answer; 0 where answers come.

    Judged by time, not by calls: while each call waits for its timeout, few are made. Calls that
    were cut off while they were as quick as ever (a client gave up) say nothing.
    """
    hung_us, slow_us = f.fact("gateway_hung_us"), f.fact("gateway_slow_us")
    enough = f.fact("gateway_hung") >= LOST_LEAST
    if not enough or hung_us < HUNG_TIME * f.fact("gateway_calls_us"):
        return 0.0
    if f.fact("gateway_late_buckets") > LATE_BUCKETS * f.fact("gateway_hung_buckets"):
        return 0.0
    return hung_us / slow_us


def calls_break_off(f: Features) -> float:
    """Share (0..1) of gateway calls that end at once without an answer; 0 where that is usual."""
    broken, calls = f.fact("gateway_broken"), max(f.fact("gateway_calls"), 1.0)
    usual = f.fact("gateway_broken_outside") / max(f.fact("gateway_calls_outside"), 1.0)
    many = broken >= LOST_LEAST and broken / calls >= max(BROKEN_SHARE, BROKEN_TIMES * usual)
    return broken / calls if many else 0.0


def gateway_partition(f: Features) -> Finding | None:
    """Calls that end unknown: at a timeout (nothing comes back) or at once (reset).

    Told from gateway_slow by answers that never come. A capture may have happened all the same.
    """
    hangs, breaks = answers_stay_out(f), calls_break_off(f)
    if not hangs and not breaks:
        return None
    lost = f.fact("gateway_hung") + f.fact("gateway_broken")
    hung_s, late_s = f.fact("gateway_hung_us") / 1e6, f.fact("gateway_late_us") / 1e6
    bad = f.rise("bad") / max(f.during("arrivals") + f.during("retries"), 1e-9)
    sure = max(0.6 + 0.4 * hangs if hangs else 0.0, 0.85 + 0.1 * breaks if breaks else 0.0)
    return Finding(
        "gateway_partition", "problem", max(request_time_pct(f, "gateway"), 100 * clamp(bad)),
        "request_time", clamp(sure, 0, 0.96),
        f"{lost:.0f} of {f.fact('gateway_calls'):.0f} gateway calls never had an answer",
        Notes(f).measure("gateway_us_p50", "gateway_us_p95", "bad").say(
            "time in long calls without an answer", hung_s, "s", "requests").say(
            "time in calls answered late", late_s, "s", "requests").say(
            "calls that broke off at once", f.fact("gateway_broken"), "calls", "requests").done(),
        {"gateway_slow": "answers do not come late, they do not come",
         "lock_across_call": "the database is calm, or waits only because its client waits"},
        "Treat every such charge as unknown and reconcile with the gateway's books; switch "
        "auto-charge off so that payments from balance go on.",
    )  # fmt: skip


def gateway_slow(f: Features) -> Finding | None:
    """Gateway calls long from the median on, but answered. Not the database."""
    times, rise = f.ratio("gateway_us_p50"), f.rise("gateway_us_p50")
    moved = not math.isnan(times) and times >= GATEWAY_TIMES and rise >= GATEWAY_RISE_US
    least = max(SLOW_SHARE, MORE_TIMES * f.fact("gateway_slow_share_outside"))
    lasting = f.fact("gateway_slow_calls") >= 5 and f.fact("gateway_slow_share") >= least
    if not (moved or lasting):
        return None
    return Finding(
        "gateway_slow", "problem", request_time_pct(f, "gateway"), "request_time",
        0.35 if answers_stay_out(f) else 0.93,
        f"gateway calls take {times:.1f} times as long as before, from the median on"
        if moved
        else f"{f.fact('gateway_slow_share'):.0%} of the time in gateway calls is in slow ones",
        Notes(f).measure("gateway_us_p50", "gateway_us_p95", "in_flight", "aas").fact(
            "share of the time in gateway calls that is in slow ones", "gateway_slow_share",
            "share", "requests").done(),
        {"gateway_partition": "answers come late, but they come",
         "retry_storm": "calls did not multiply",
         "lock_across_call": "the calls themselves became slower, whatever waits behind them"},
        "Timeouts and a limit on calls in flight (rate x latency); queue top-ups, keep "
        "payments from "
        "balance going.",
    )  # fmt: skip


def front_stopped(f: Features) -> Finding | None:
    """One front finishes nothing for seconds while another goes on."""
    silent_s = f.fact("silent_buckets") * f.case.bucket_s
    working_s = f.fact("working_buckets") * f.case.bucket_s
    if silent_s < SILENT_S or silent_s < SILENT_SHARE * working_s:
        return None
    if f.fact("silence_odds") < UNLIKELY:
        return None
    untaken = float(f.frames["reasons"]["untaken"].sum()) if len(f.frames["reasons"]) else 0.0
    return Finding(
        "front_stopped", "problem",
        100 * clamp(f.rise("bad") / max(f.during("arrivals"), 1e-9)), "request_time",
        0.95 if untaken >= LOST_LEAST else 0.85,
        f"front {f.facts['silent_front']} finished nothing for {silent_s:.0f} s while others did",
        Notes(f).measure("fronts", "approved", "bad", "connections").say(
            "requests that no front took up", untaken, "attempts", "requests").done(),
        {"server_crash": "the other fronts went on with the same database",
         "pool_exhaustion": "one front is silent, the pools of the others are not full"},
        "Restart it and see why health checks left it in rotation; reconcile what it had begun.",
    )  # fmt: skip


def _kept_longer(f: Features) -> bool:
    """True when what connections are kept for takes twice as long as before: the pool is not to
    blame.
    """
    doubled = f.during("worst_statement") >= math.log(2)
    commits = f.ratio("commit_us_p50") >= 3 and f.rise("commit_us_p50") >= 10_000
    return bool(doubled or commits)


def pool_exhaustion(f: Features) -> Finding | None:
    """Requests queue for connections while the server has little to do.

    Told from everything that keeps connections busy by the server: few active sessions, quick
    statements. Where the server is busy too, the full pool is a symptom.
    """
    waiting, pool = f.during("pool_waiting"), f.during("pool_max")
    share = request_time_pct(f, "pool")
    spans = f.during("pool_wait_us_p50")
    crowded = waiting >= max(2.0, POOL_CROWD * (0.0 if math.isnan(pool) else pool))
    slow = not math.isnan(spans) and spans >= 20_000 and f.rise("pool_wait_us_p50") >= 20_000
    failing = reason_count(f, "pool_timeout|max_waiting")
    if not (crowded or slow or failing >= 5) or not share >= 20:
        return None
    busy = request_time_pct(f, "lock", "other database", "commit", "gateway")
    confidence = clamp(0.5 + 0.4 * (share - busy) / 100, 0.2, 0.9)
    if _kept_longer(f):
        confidence = min(confidence, 0.45)
    return Finding(
        "pool_exhaustion", "problem", share, "request_time", confidence,
        f"{share:.0f} % of request time is waiting for a connection",
        Notes(f).measure(
            "pool_waiting", "pool_max", "pool_in_use", "pool_wait_us_p50", "aas", "statement_us_p50"
        ).say("requests that got no connection", failing, "attempts", "requests").done(),
        {"connection_limit": "the server does not refuse connections, the pool has none left",
         "hot_row": "the server is calm: connections are few, not stuck"},
        "Size the pool by Little's law (rate x time a connection is held), bound its queue, and "
        "look for code that keeps connections while it waits for something else.",
    )  # fmt: skip
