-- grain: one row
-- columns: records (of the server log), placed (of these, between $start and $end), span_s (the time
--   that the log covers)
SELECT
    count(*) AS records,
    count(*) FILTER (WHERE log_time BETWEEN $start AND $end) AS placed,
    (epoch_us(max(log_time)) - epoch_us(min(log_time))) / 1000000.0 AS span_s
FROM pg_log
