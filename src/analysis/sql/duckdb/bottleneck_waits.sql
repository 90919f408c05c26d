-- grain: one lock wait that reached the log
-- columns: those of log_lock_waits, and: wait_id, line_at (time of its first line: the holders are as
--   of then), from_us, to_us (epoch microseconds; to the last thing the log says of it), covers_to_us
--   (until when the session may still have been waiting: its end, or its session's last record)
SELECT
    row_number() OVER (ORDER BY w.started_at, w.session_id, w.wait_line_num) AS wait_id,
    w.*,
    l.log_time AS line_at,
    epoch_us(w.started_at) AS from_us,
    epoch_us(w.started_at) + w.wait_us AS to_us,
    epoch_us(coalesce(w.ended_at, s.last_at)) AS covers_to_us
FROM log_lock_waits w
JOIN log_lock_lines l ON l.session_id = w.session_id AND l.session_line_num = w.wait_line_num
JOIN bn_sessions s ON s.session_id = w.session_id
