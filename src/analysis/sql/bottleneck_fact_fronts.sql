-- grain: one front x bucket of the window
-- columns: front_id, bucket, finished (attempts that this front finished in that bucket)
SELECT front_id, end_bucket AS bucket, count(*) AS finished
FROM bn_requests
WHERE front_id IS NOT NULL AND started_at IS NOT NULL AND finished_at IS NOT NULL
GROUP BY front_id, end_bucket
ORDER BY front_id, bucket
