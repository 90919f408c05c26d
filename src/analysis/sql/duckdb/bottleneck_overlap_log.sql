-- grain: one bucket
-- columns: bucket, log_aas (sessions in statements whose duration was logged, mean over the bucket;
--   each statement is spread over [end - duration, end])
WITH cut AS (
    SELECT from_us, to_us,
        unnest(range(greatest((from_us - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us, 0),
            (to_us - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us + 1)) AS bucket
    FROM bn_durations
)
SELECT
    bucket,
    sum(least(to_us, epoch_us($origin::TIMESTAMPTZ) + (bucket + 1) * $bucket_us)
        - greatest(from_us, epoch_us($origin::TIMESTAMPTZ) + bucket * $bucket_us))::BIGINT
        * 1.0 / $bucket_us AS log_aas
FROM cut
GROUP BY bucket
