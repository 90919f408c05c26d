-- grain: one statement fingerprint x bucket, from samples
-- columns: query_id, bucket, active (samples active), cpu_io (of these on CPU or reading data)
SELECT
    query_id,
    bucket,
    count(*) AS active,
    count(*) FILTER (WHERE wait_class IN ('CPU', 'IO')) AS cpu_io
FROM bn_activity
WHERE is_active AND query_id IS NOT NULL
GROUP BY query_id, bucket
ORDER BY query_id, bucket
