-- grain: one row
-- columns: calls, calls_us (gateway calls begun in the window, their time); of these
--   slow_calls, slow_us (three times the usual median and thirty milliseconds more),
--   late_us (slow ones that had an answer), hung, hung_us (slow ones without), broken (without an
--   answer, failed, sooner than the usual median: reset or refused);
--   late_buckets, hung_buckets (buckets in which a late answer came, a hung call was given up);
--   calls_outside, calls_outside_us, slow_outside_us, broken_outside (the same before
--   and after the window)
-- A call had no answer when its attempt failed or ran out of time and asked the database for nothing
-- after it (ending the transaction apart). Time counts beside calls: while calls are slow there are
-- fewer of them.
WITH steps AS (
    SELECT request_id, attempt, max(started_at) AS last_at
    FROM bn_spans
    WHERE span IN ('statement', 'pool_wait')
    GROUP BY request_id, attempt
),
calls AS (
    SELECT
        g.duration_us,
        g.bucket BETWEEN $first AND $last AS inside,
        ((epoch_us(g.ended_at) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS end_bucket,
        coalesce(r.outcome IN ('failed', 'timed_out') AND r.finished_at IS NOT NULL
            AND coalesce(s.last_at < g.ended_at, TRUE), FALSE) AS lost,
        coalesce(r.outcome = 'failed', FALSE) AS failed
    FROM bn_spans g
    LEFT JOIN bn_requests r ON r.request_id = g.request_id AND r.attempt = g.attempt
    LEFT JOIN steps s ON s.request_id = g.request_id AND s.attempt = g.attempt
    WHERE g.span = 'gateway_call'
),
judged AS (
    SELECT
        c.*,
        c.duration_us >= greatest(3 * u.p50_us, u.p50_us + 30000) AS slow,
        c.lost AND c.failed AND c.duration_us <= u.p50_us AS broken
    FROM calls c
    CROSS JOIN (
        SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_us) AS p50_us
        FROM calls
        WHERE NOT inside
    ) u
)
SELECT
    count(*) FILTER (WHERE inside) AS calls,
    coalesce(sum(duration_us) FILTER (WHERE inside), 0)::BIGINT AS calls_us,
    count(*) FILTER (WHERE inside AND slow) AS slow_calls,
    coalesce(sum(duration_us) FILTER (WHERE inside AND slow), 0)::BIGINT AS slow_us,
    coalesce(sum(duration_us) FILTER (WHERE inside AND slow AND NOT lost), 0)::BIGINT AS late_us,
    count(*) FILTER (WHERE inside AND slow AND lost) AS hung,
    coalesce(sum(duration_us) FILTER (WHERE inside AND slow AND lost), 0)::BIGINT AS hung_us,
    count(*) FILTER (WHERE inside AND broken) AS broken,
    count(DISTINCT CASE WHEN inside AND slow AND NOT lost THEN end_bucket END) AS late_buckets,
    count(DISTINCT CASE WHEN inside AND slow AND lost THEN end_bucket END) AS hung_buckets,
    count(*) FILTER (WHERE NOT inside) AS calls_outside,
    coalesce(sum(duration_us) FILTER (WHERE NOT inside), 0)::BIGINT AS calls_outside_us,
    coalesce(sum(duration_us) FILTER (WHERE NOT inside AND slow), 0)::BIGINT AS slow_outside_us,
    count(*) FILTER (WHERE NOT inside AND broken) AS broken_outside
FROM judged
