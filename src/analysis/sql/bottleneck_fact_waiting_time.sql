-- grain: one row
-- columns: total_s (logged statement time in the window, seconds), waiting_s (of it, time of statements
--   that the log also shows waiting for a lock, where they took as long as the shortest logged wait),
--   commit_s (of total_s, time of commits), commits
-- A waiter for an updated row is woken by each new version of it and waits anew: its wait is cut into
-- pieces of one holder each, and pieces under deadlock_timeout leave no line. The statement's own
-- duration has all of them.
SELECT
    coalesce(sum(d.duration_us), 0) / 1000000.0 AS total_s,
    coalesce(sum(CASE WHEN w.fingerprint IS NOT NULL AND d.duration_us >= l.shortest_us
        THEN d.duration_us END), 0) / 1000000.0 AS waiting_s,
    coalesce(sum(CASE WHEN upper(f.statement) LIKE 'COMMIT%' THEN d.duration_us END), 0) / 1000000.0
        AS commit_s,
    count(CASE WHEN upper(f.statement) LIKE 'COMMIT%' THEN 1 END) AS commits
FROM bn_durations d
JOIN bn_fingerprints f ON f.fingerprint = d.fingerprint
CROSS JOIN (SELECT coalesce(min(wait_us), 0) AS shortest_us FROM bn_waits) l
LEFT JOIN (
    SELECT DISTINCT x.fingerprint
    FROM bn_waiting_statements x
    WHERE x.bucket BETWEEN $first AND $last
) w ON w.fingerprint = d.fingerprint
WHERE d.bucket BETWEEN $first AND $last
