-- grain: one bucket with a logged statement or a lock wait that reached the log
-- columns: bucket, log_aas (sessions in statements whose duration was logged, mean over the bucket;
--   each statement is spread over [end - duration, end]), log_wait_sessions (sessions in lock waits
--   that reached the log, mean over the bucket, whatever way the wait ended); NULL where there is none
WITH stretches AS (
    SELECT from_us, to_us, TRUE AS is_statement FROM bn_durations
    UNION ALL
    SELECT from_us, to_us, FALSE FROM bn_waits
),
cut AS (
    SELECT from_us, to_us, is_statement,
        unnest(range(greatest((from_us - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us, 0),
            (to_us - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us + 1)) AS bucket
    FROM stretches
),
inside AS (
    SELECT bucket, is_statement,
        least(to_us, epoch_us($origin::TIMESTAMPTZ) + (bucket + 1) * $bucket_us)
            - greatest(from_us, epoch_us($origin::TIMESTAMPTZ) + bucket * $bucket_us) AS inside_us
    FROM cut
)
SELECT
    bucket,
    CAST(sum(inside_us) FILTER (WHERE is_statement) AS BIGINT) * 1.0 / $bucket_us AS log_aas,
    CAST(sum(inside_us) FILTER (WHERE NOT is_statement) AS BIGINT) * 1.0 / $bucket_us
        AS log_wait_sessions
FROM inside
GROUP BY bucket
