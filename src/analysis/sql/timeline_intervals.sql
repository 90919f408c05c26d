-- grain: one interval of intended arrival; intervals without an arrival are missing
-- parameters: $bucket_us (width, microseconds)
-- columns: bucket, offered (attempts), retries (of them second and later), and by how they ended:
--   approved, declined, failed, timed_out, shed
SELECT
    CAST(floor(scheduled_us / $bucket_us) AS BIGINT) AS bucket,
    count(*) AS offered,
    count(*) FILTER (WHERE attempt > 1) AS retries,
    count(*) FILTER (WHERE outcome = 'approved') AS approved,
    count(*) FILTER (WHERE outcome = 'declined') AS declined,
    count(*) FILTER (WHERE outcome = 'failed') AS failed,
    count(*) FILTER (WHERE outcome = 'timed_out') AS timed_out,
    count(*) FILTER (WHERE outcome = 'shed') AS shed
FROM tl_attempts
GROUP BY 1
ORDER BY 1
