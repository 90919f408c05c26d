-- grain: one bucket with log records
-- columns: bucket; counts of records: log_errors, log_deadlocks (40P01), log_serialization (40001),
--   log_too_many (53300), log_crash, log_cancelled (57014, 55P03),
--   log_checkpoints (begun), log_connections
SELECT
    bucket,
    count(*) FILTER (WHERE what = 'error') AS log_errors,
    count(*) FILTER (WHERE sql_state_code = '40P01' AND what = 'error') AS log_deadlocks,
    count(*) FILTER (WHERE sql_state_code = '40001' AND what = 'error') AS log_serialization,
    count(*) FILTER (WHERE sql_state_code = '53300' AND what = 'error') AS log_too_many,
    count(*) FILTER (WHERE what = 'crash') AS log_crash,
    count(*) FILTER (WHERE sql_state_code IN ('57014', '55P03') AND what = 'error') AS log_cancelled,
    count(*) FILTER (WHERE message LIKE 'checkpoint starting:%') AS log_checkpoints,
    count(*) FILTER (WHERE what = 'connection') AS log_connections
FROM bn_log_lines
GROUP BY bucket
ORDER BY bucket
