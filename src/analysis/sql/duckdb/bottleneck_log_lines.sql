-- grain: one server log record that is an error, a crash sign or a new connection
-- columns: bucket, log_time, severity, sql_state_code, what ('error', 'crash', 'connection', 'other'),
--   message
SELECT
    ((epoch_us(log_time) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket,
    log_time,
    error_severity AS severity,
    sql_state_code,
    CASE
        WHEN message LIKE 'all server processes terminated; reinitializing%'
            OR message LIKE 'terminating any other active server processes%'
            OR message LIKE 'database system was interrupted%'
            OR message LIKE 'database system was not properly shut down%'
            OR message LIKE '%was terminated by signal%' THEN 'crash'
        WHEN message LIKE 'connection authorized:%' THEN 'connection'
        WHEN error_severity IN ('ERROR', 'FATAL', 'PANIC') THEN 'error'
        ELSE 'other'
    END AS what,
    message
FROM log_records
WHERE $use AND message NOT LIKE 'duration:%' AND message NOT LIKE 'process % still waiting for %'
    AND message NOT LIKE 'process % acquired %'
