-- grain: one SQLSTATE in the server log
-- columns: sql_state_code (NULL when the log format has none), severity, records, example (masked),
--   first_at, last_at
SELECT
    sql_state_code,
    max(severity) AS severity,
    count(*) AS records,
    min(message) AS example,
    min(log_time) AS first_at,
    max(log_time) AS last_at
FROM bn_log_lines
WHERE what IN ('error', 'crash') AND bucket BETWEEN $first AND $last
GROUP BY sql_state_code
ORDER BY records DESC, sql_state_code
LIMIT $top
