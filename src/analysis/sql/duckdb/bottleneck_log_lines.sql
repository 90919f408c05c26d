-- grain: one server log record that tells no duration and no lock wait
-- columns: bucket, log_time, severity, sql_state_code (as in log_errors: the server's, or what
--   PostgreSQL's source gives to that message), what ('error', 'crash' and 'shutdown' (as in
--   log_stops), 'connection', 'other'), message
SELECT
    ((epoch_us(r.log_time) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket,
    r.log_time,
    r.error_severity AS severity,
    coalesce(r.sql_state_code, e.sql_state_code) AS sql_state_code,
    CASE
        WHEN x.what IS NOT NULL THEN x.what
        WHEN r.message LIKE 'connection authorized:%' THEN 'connection'
        WHEN e.session_id IS NOT NULL THEN 'error'
        ELSE 'other'
    END AS what,
    r.message
FROM log_records r
LEFT JOIN log_errors e
    ON e.session_id = r.session_id AND e.session_line_num = r.session_line_num
LEFT JOIN log_stops x
    ON x.session_id = r.session_id AND x.session_line_num = r.session_line_num
WHERE $use AND r.message NOT LIKE 'duration:%'
    AND r.message NOT LIKE 'process % still waiting for %' AND r.message NOT LIKE 'process % acquired %'
