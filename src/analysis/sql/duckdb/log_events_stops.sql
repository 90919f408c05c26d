-- Records that tell that the server died, was told to stop, or starts after either.
-- Grain: one such record.
-- Columns: session_id, session_line_num, log_time, what ('crash' (it died or recovers), 'shutdown' (it
--   was told to, at once, or had been)), is_start (the first records of a server that starts).
SELECT
    session_id,
    session_line_num,
    log_time,
    CASE
        WHEN message LIKE 'received %' OR message LIKE 'database system % shut down%'
            AND message NOT LIKE '% not properly %' THEN 'shutdown'
        ELSE 'crash'
    END AS what,
    message LIKE 'database system was %' AS is_start
FROM log_records
WHERE message LIKE 'all server processes terminated; reinitializing%'
    OR message LIKE 'terminating any other active server processes%'
    OR message LIKE 'database system was interrupted%'
    OR message LIKE 'database system was not properly shut down%'
    OR message LIKE '%(PID %) was terminated by signal%'
    OR message LIKE 'received fast shutdown request%'
    OR message LIKE 'received immediate shutdown request%'
    OR message LIKE 'database system is shut down%'
    OR message LIKE 'database system was shut down at %'
