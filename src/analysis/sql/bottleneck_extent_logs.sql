-- grain: one row; the time the server log covers
-- columns: first_at, last_at (UTC)
SELECT min(log_time) AS first_at, max(log_time) AS last_at
FROM pg_log
