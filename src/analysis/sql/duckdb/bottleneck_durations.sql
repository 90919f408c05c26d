-- grain: one logged duration on the time axis
-- columns: fingerprint (hash of the masked statement; of the server's query_id, or of the kind, where
--   there is no text), kind (as in log_durations), duration_us, from_us, to_us (epoch microseconds),
--   bucket (of its end)
SELECT
    CASE WHEN statement IS NOT NULL THEN hash(statement)
        ELSE hash(coalesce(CAST(query_id AS VARCHAR), kind)) END AS fingerprint,
    kind,
    duration_us,
    epoch_us(log_time) - duration_us AS from_us,
    epoch_us(log_time) AS to_us,
    ((epoch_us(log_time) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket
FROM log_durations
WHERE kind <> 'plan'
