-- grain: one logged duration on the time axis
-- columns: fingerprint (hash of the masked statement, else of the server's query_id),
--   kind (as in log_durations), duration_us, from_us, to_us (epoch microseconds), bucket (of its end)
SELECT
    hash(coalesce(statement, CAST(query_id AS VARCHAR), kind)) AS fingerprint,
    kind,
    duration_us,
    epoch_us(log_time) - duration_us AS from_us,
    epoch_us(log_time) AS to_us,
    ((epoch_us(log_time) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket
FROM log_durations
WHERE kind <> 'plan'
