-- grain: one stage of one attempt
-- columns: request_id, attempt, span, name, started_at, ended_at, duration_us, bucket (of started_at)
SELECT
    request_id, attempt, span, name, started_at,
    make_timestamptz(epoch_us(started_at) + duration_us) AS ended_at,
    duration_us,
    ((epoch_us(started_at) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket
FROM spans
WHERE $use
