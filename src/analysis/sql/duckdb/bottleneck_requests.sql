-- grain: one attempt of one operation
-- columns: request_id, attempt, operation, front_id, outcome, reason, needs_auto_charge,
--   scheduled_at, started_at, finished_at, bucket (of scheduled_at), end_bucket (of finished_at),
--   latency_us (from the intended arrival), service_us (from the start of work)
SELECT
    request_id, attempt, operation, front_id, outcome, reason, needs_auto_charge,
    scheduled_at, started_at, finished_at,
    ((epoch_us(scheduled_at) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket,
    ((epoch_us(finished_at) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS end_bucket,
    epoch_us(finished_at) - epoch_us(scheduled_at) AS latency_us,
    epoch_us(finished_at) - epoch_us(started_at) AS service_us
FROM requests
WHERE $use
