-- grain: one bucket in which a lock wait that reached the log began or went on
-- columns: bucket, log_waits (waits begun), log_wait_sessions (sessions waiting, mean)
SELECT
    coalesce(o.bucket, b.bucket) AS bucket,
    coalesce(b.log_waits, 0) AS log_waits,
    coalesce(o.log_wait_sessions, 0) AS log_wait_sessions
FROM (SELECT bucket, log_wait_sessions FROM bn_overlap WHERE log_wait_sessions IS NOT NULL) o
FULL JOIN (SELECT bucket, count(*) AS log_waits FROM bn_wait_buckets GROUP BY bucket) b
    ON b.bucket = o.bucket
ORDER BY 1
