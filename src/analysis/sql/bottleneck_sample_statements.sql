-- grain: one statement fingerprint seen active in samples
-- columns: query_id (one of them: the server has several ids for one text when types of parameters
--   differ), statement (masked), samples, db_time_s (active time, seconds),
--   db_time_share, then shares of its own time: cpu_share, lock_share, wal_share, io_share
WITH pace AS (
    SELECT count(*) AS ticks FROM (SELECT DISTINCT sampled_at FROM pg_activity
        WHERE sampled_at >= $start AND sampled_at < $end)
)
SELECT
    min(a.query_id) AS query_id,
    a.query AS statement,
    count(*) AS samples,
    count(*) * 1.0 / max(p.ticks) * $span_s AS db_time_s,
    count(*) * 1.0 / sum(count(*)) OVER () AS db_time_share,
    count(*) FILTER (WHERE a.wait_class = 'CPU') * 1.0 / count(*) AS cpu_share,
    count(*) FILTER (WHERE a.wait_class = 'Lock') * 1.0 / count(*) AS lock_share,
    count(*) FILTER (WHERE a.wait_class IN ('WAL', 'SyncRep')) * 1.0 / count(*) AS wal_share,
    count(*) FILTER (WHERE a.wait_class = 'IO') * 1.0 / count(*) AS io_share
FROM bn_activity a
CROSS JOIN pace p
WHERE a.is_active AND a.bucket BETWEEN $first AND $last
GROUP BY a.query, CASE WHEN a.query IS NULL THEN a.query_id END
ORDER BY samples DESC, statement, query_id
LIMIT $top
