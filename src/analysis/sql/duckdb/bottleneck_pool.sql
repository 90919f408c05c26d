-- grain: one second of one front's connection pool
-- columns: those of pool_stats, bucket
SELECT
    *,
    ((epoch_us(sampled_at) - epoch_us($origin::TIMESTAMPTZ) - 1) // $bucket_us)::BIGINT AS bucket
FROM pool_stats
WHERE $use
