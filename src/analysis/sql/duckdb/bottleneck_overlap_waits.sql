-- grain: one bucket
-- columns: bucket, log_wait_sessions (sessions in lock waits that reached the log, mean over the
--   bucket, whatever way the wait ended)
WITH cut AS (
    SELECT from_us, to_us,
        unnest(range(greatest((from_us - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us, 0),
            (to_us - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us + 1)) AS bucket
    FROM bn_waits
)
SELECT
    bucket,
    sum(least(to_us, epoch_us($origin::TIMESTAMPTZ) + (bucket + 1) * $bucket_us)
        - greatest(from_us, epoch_us($origin::TIMESTAMPTZ) + bucket * $bucket_us))::BIGINT
        * 1.0 / $bucket_us AS log_wait_sessions
FROM cut
GROUP BY bucket
