-- grain: one bucket x one state of requests
-- columns: bucket, state ('total', 'queue', 'pool', 'gateway', 'statement', 'commit'),
--   requests (mean number of requests in that state at a time)
-- Each stage is spread over the buckets it touches; 'total' runs from the intended arrival to the
-- client's answer, so that time nobody worked on a request counts too.
WITH intervals AS (
    SELECT 'total' AS state, epoch_us(scheduled_at) AS from_us, epoch_us(finished_at) AS to_us
    FROM bn_requests WHERE finished_at IS NOT NULL
    UNION ALL
    SELECT 'queue', epoch_us(scheduled_at), epoch_us(coalesce(started_at, finished_at))
    FROM bn_requests WHERE coalesce(started_at, finished_at) IS NOT NULL
    UNION ALL
    SELECT CASE span WHEN 'pool_wait' THEN 'pool' WHEN 'gateway_call' THEN 'gateway' ELSE span END,
        epoch_us(started_at), epoch_us(started_at) + duration_us
    FROM bn_spans WHERE span IN ('pool_wait', 'gateway_call', 'statement', 'commit')
),
cut AS (
    SELECT state, from_us, to_us,
        unnest(range((from_us - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us,
            (to_us - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us + 1)) AS bucket
    FROM intervals
    WHERE to_us > from_us
)
SELECT
    bucket,
    state,
    sum(least(to_us, epoch_us($origin::TIMESTAMPTZ) + (bucket + 1) * $bucket_us)
        - greatest(from_us, epoch_us($origin::TIMESTAMPTZ) + bucket * $bucket_us))::BIGINT
        * 1.0 / $bucket_us AS requests
FROM cut
WHERE bucket >= 0
GROUP BY bucket, state
ORDER BY bucket, state
