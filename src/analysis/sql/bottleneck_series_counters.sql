-- grain: one bucket with samples of the statistics views
-- columns: bucket, seq_tup_read (rows read by sequential scans of user tables), wal_bytes (WAL
--   written), wal_fpi (full page images written), dead_tuples (dead rows of all tables, at the last
--   sample of the bucket)
SELECT
    bucket,
    sum(CASE WHEN metric = 'seq_tup_read' THEN delta END) AS seq_tup_read,
    sum(CASE WHEN metric = 'wal_bytes' THEN delta END) AS wal_bytes,
    sum(CASE WHEN metric = 'wal_fpi' THEN delta END) AS wal_fpi,
    max(CASE WHEN metric = 'n_dead_tup' THEN value END) AS dead_tuples
FROM bn_counters
GROUP BY bucket
ORDER BY bucket
