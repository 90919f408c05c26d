-- grain: one lock wait that reached the log
-- columns: wait_id, bucket (of its start)
SELECT wait_id, ((from_us - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket
FROM bn_waits
