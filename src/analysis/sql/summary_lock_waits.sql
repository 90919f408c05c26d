-- Lock waits of the server log, however they ended.
-- Grain: one row. Columns: started (waits that the log shows), acquired, ended_in_deadlock,
--   ended_otherwise (cancelled, timed out, or the log does not show the end), wait_us_sum
--   (microseconds that they are known to have lasted).
SELECT
    count(*) AS started,
    count(*) FILTER (WHERE outcome = 'acquired') AS acquired,
    count(*) FILTER (WHERE outcome = 'deadlock') AS ended_in_deadlock,
    count(*) FILTER (WHERE outcome NOT IN ('acquired', 'deadlock')) AS ended_otherwise,
    CAST(coalesce(sum(wait_us), 0) AS BIGINT) AS wait_us_sum
FROM log_lock_waits
