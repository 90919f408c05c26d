-- grain: one blocked backend x one backend that blocks it, in one sample
-- columns: sampled_at, bucket, pid (the waiter), blocker (its blocker; 0 = a prepared transaction)
SELECT DISTINCT sampled_at, bucket, pid, blocker
FROM (
    SELECT
        sampled_at,
        ((epoch_us(sampled_at) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket,
        pid,
        unnest(blocked_by)::BIGINT AS blocker
    FROM pg_activity
    WHERE $use AND len(blocked_by) > 0
)
