-- grain: one lock wait that reached the log
-- columns: bucket (of its start), fingerprint (of the waiting statement, as in bn_durations)
SELECT
    b.bucket,
    CASE WHEN w.query IS NOT NULL THEN hash(w.query)
        ELSE hash(coalesce(CAST(w.query_id AS VARCHAR), 'unknown')) END AS fingerprint
FROM bn_waits w
JOIN bn_wait_buckets b ON b.wait_id = w.wait_id
