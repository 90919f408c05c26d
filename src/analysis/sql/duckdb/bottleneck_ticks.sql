-- grain: one bucket that holds activity samples
-- columns: bucket, ticks (samples taken in it), connections (client backends seen, mean a sample)
SELECT
    ((epoch_us(sampled_at) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket,
    count(DISTINCT sampled_at) AS ticks,
    count(*) FILTER (WHERE coalesce(backend_type, 'client backend') = 'client backend')
        / count(DISTINCT sampled_at) AS connections
FROM pg_activity
WHERE $use
GROUP BY 1
