-- grain: one lock wait that reached the log
-- columns: those of log_lock_waits, and: wait_id, line_at (time of its first line: the holders are as
--   of then), from_us, to_us (epoch microseconds), covers_to_us (until when the session may still have
--   been waiting)
-- Where no record has a process id, the waiters still have: the lines name them (see bn_sessions).
SELECT
    row_number() OVER (ORDER BY w.started_at, w.session_id, w.wait_line_num) AS wait_id,
    w.* REPLACE (
        CASE WHEN l.process_id IS NULL THEN concat('process ', l.waiter_pid) ELSE w.session_id END
            AS session_id
    ),
    l.log_time AS line_at,
    epoch_us(w.started_at) AS from_us,
    epoch_us(w.started_at) + w.wait_us AS to_us,
    epoch_us(w.ended_by) AS covers_to_us
FROM log_lock_waits w
JOIN log_lock_lines l ON l.session_id = w.session_id AND l.session_line_num = w.wait_line_num
