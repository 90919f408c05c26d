-- grain: one cause of checkpoints in the server log
-- columns: cause, checkpoints, buffers_written, write_us, sync_us, total_us, longest_sync_us (maximum)
SELECT
    coalesce(cause, 'not told') AS cause,
    count(*) AS checkpoints,
    CAST(sum(buffers_written) AS BIGINT) AS buffers_written,
    CAST(sum(write_us) AS BIGINT) AS write_us,
    CAST(sum(sync_us) AS BIGINT) AS sync_us,
    CAST(sum(total_us) AS BIGINT) AS total_us,
    max(longest_sync_us) AS longest_sync_us
FROM log_checkpoints
WHERE started_at < $end AND completed_at >= $start
GROUP BY 1
ORDER BY checkpoints DESC, cause
