-- grain: one statistics counter of one object in one interval between two samples
-- columns: view, object, metric, sampled_at (end of the interval), bucket, value (at its end),
--   delta (growth in the interval; NULL for the first sample and when the counter was reset),
--   interval_us
SELECT
    view, object, metric, sampled_at,
    ((epoch_us(sampled_at) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket,
    value,
    CASE WHEN value >= lag(value) OVER w THEN value - lag(value) OVER w END AS delta,
    epoch_us(sampled_at) - epoch_us(lag(sampled_at) OVER w) AS interval_us
FROM pg_counters
WHERE $use
WINDOW w AS (PARTITION BY view, object, metric ORDER BY sampled_at)
