-- grain: one logged duration on the time axis
-- columns: fingerprint (hash of the server's query_id, or of the masked statement where it has none),
--   kind (as in log_durations), duration_us, from_us, to_us (epoch microseconds), bucket (of its end)
SELECT
    hash(coalesce(CAST(query_id AS VARCHAR), statement, kind)) AS fingerprint,
    kind,
    duration_us,
    epoch_us(log_time) - duration_us AS from_us,
    epoch_us(log_time) AS to_us,
    ((epoch_us(log_time) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket
FROM log_durations
WHERE kind <> 'plan'
