-- grain: one session of the server log; one waiting process where no record has a process id
-- columns: session_id, process_id, application_name, started_at (its start, or its first record where
--   the format has none), last_at (its last record), ended_at (NULL when the end is not in the log)
-- Process ids are used again: this table tells whose a pid was at a given time.
-- Messages are read of the few records that tell no duration only: a large log is mostly durations.
WITH ends AS (
    SELECT session_id, max(log_time) AS ended_at
    FROM log_records
    WHERE process_id IS NOT NULL
        AND (message LIKE 'disconnection:%' OR error_severity IN ('FATAL', 'PANIC'))
    GROUP BY session_id
),
sessions AS (
    SELECT
        session_id,
        any_value(process_id) AS process_id,
        max(application_name) AS application_name,
        least(min(coalesce(session_start_time, log_time)), min(log_time)) AS started_at,
        max(log_time) AS last_at
    FROM pg_log
    WHERE process_id IS NOT NULL AND $use
    GROUP BY session_id
)
SELECT s.*, e.ended_at
FROM sessions s
LEFT JOIN ends e ON e.session_id = s.session_id
UNION ALL
SELECT
    concat('process ', waiter_pid), waiter_pid, max(application_name),
    min(log_time - to_microseconds(waited_us)), max(log_time), NULL
FROM log_lock_lines
WHERE process_id IS NULL
GROUP BY waiter_pid
