-- grain: one server log record that tells no duration and no lock wait
-- columns: bucket, log_time, severity, sql_state_code (as in log_errors: the server's, or what
--   PostgreSQL's source gives to that message), what ('error', 'crash' (the server died or recovers),
--   'shutdown' (it was told to, at once, or had been), 'connection', 'other'), message
SELECT
    ((epoch_us(r.log_time) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket,
    r.log_time,
    r.error_severity AS severity,
    coalesce(r.sql_state_code, e.sql_state_code) AS sql_state_code,
    CASE
        WHEN r.message LIKE 'all server processes terminated; reinitializing%'
            OR r.message LIKE 'terminating any other active server processes%'
            OR r.message LIKE 'database system was interrupted%'
            OR r.message LIKE 'database system was not properly shut down%'
            OR r.message LIKE '%(PID %) was terminated by signal%' THEN 'crash'
        WHEN r.message LIKE 'received fast shutdown request%'
            OR r.message LIKE 'received immediate shutdown request%'
            OR r.message LIKE 'database system is shut down%'
            OR r.message LIKE 'database system was shut down at %' THEN 'shutdown'
        WHEN r.message LIKE 'connection authorized:%' THEN 'connection'
        WHEN e.session_id IS NOT NULL THEN 'error'
        ELSE 'other'
    END AS what,
    r.message
FROM log_records r
LEFT JOIN log_errors e
    ON e.session_id = r.session_id AND e.session_line_num = r.session_line_num
WHERE $use AND r.message NOT LIKE 'duration:%'
    AND r.message NOT LIKE 'process % still waiting for %' AND r.message NOT LIKE 'process % acquired %'
