-- Errors of the server log by SQLSTATE ('unknown' where the log tells none).
-- Grain: one SQLSTATE. Columns: sql_state_code, count.
SELECT coalesce(sql_state_code, 'unknown') AS sql_state_code, count(*) AS count
FROM log_errors
GROUP BY coalesce(sql_state_code, 'unknown')
ORDER BY count(*) DESC, 1
