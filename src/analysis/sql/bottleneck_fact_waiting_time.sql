-- grain: one row
-- columns: total_s (logged statement time in the window, seconds), waiting_s (of it, time of statements
--   that the log also shows waiting for a lock)
-- A waiter for an updated row is woken by each new version of it and waits anew: its wait is cut into
-- pieces of one holder each, and pieces under deadlock_timeout leave no line. The statement's own
-- duration has all of them.
SELECT
    coalesce(sum(d.duration_us), 0) / 1000000.0 AS total_s,
    coalesce(sum(CASE WHEN w.fingerprint IS NOT NULL THEN d.duration_us END), 0) / 1000000.0
        AS waiting_s
FROM bn_durations d
LEFT JOIN (
    SELECT DISTINCT x.fingerprint
    FROM bn_waiting_statements x
    WHERE x.bucket BETWEEN $first AND $last
) w ON w.fingerprint = d.fingerprint
WHERE d.bucket BETWEEN $first AND $last
