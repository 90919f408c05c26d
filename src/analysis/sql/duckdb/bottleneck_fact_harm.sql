-- grain: one row
-- columns: attempts (in work at some time in the window), interrupted (of these, a second or more slower
--   than the usual 95th percentile; one without an end counts up to the end of the record),
--   attempts_outside, interrupted_outside (the same for attempts that began and ended outside), sent, bad
--   (attempts sent in the window, and of these failed, timed out or shed), sent_outside, bad_outside
WITH attempts AS (
    SELECT
        outcome IN ('failed', 'timed_out', 'shed') AS bad,
        bucket BETWEEN $first AND $last AS sent_inside,
        scheduled_at < $end AND coalesce(finished_at, $record_end) >= $start AS inside,
        epoch_us(coalesce(finished_at, $record_end)) - epoch_us(scheduled_at) AS latency_us
    FROM bn_requests
),
usual AS (
    SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY latency_us) AS p95_us
    FROM attempts
    WHERE NOT inside
)
SELECT
    count(*) FILTER (WHERE a.inside) AS attempts,
    count(*) FILTER (WHERE a.inside AND a.latency_us >= u.p95_us + $interrupted_us) AS interrupted,
    count(*) FILTER (WHERE NOT a.inside) AS attempts_outside,
    count(*) FILTER (WHERE NOT a.inside AND a.latency_us >= u.p95_us + $interrupted_us)
        AS interrupted_outside,
    count(*) FILTER (WHERE a.sent_inside) AS sent,
    count(*) FILTER (WHERE a.sent_inside AND a.bad) AS bad,
    count(*) FILTER (WHERE NOT a.sent_inside) AS sent_outside,
    count(*) FILTER (WHERE NOT a.sent_inside AND a.bad) AS bad_outside
FROM attempts a
CROSS JOIN usual u
