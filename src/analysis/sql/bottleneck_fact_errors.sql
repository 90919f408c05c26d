-- grain: one SQLSTATE x bucket of the server log
-- columns: sql_state_code, bucket, records (errors)
SELECT sql_state_code, bucket, count(*) AS records
FROM bn_log_lines
WHERE what = 'error' AND sql_state_code IS NOT NULL
GROUP BY sql_state_code, bucket
ORDER BY sql_state_code, bucket
