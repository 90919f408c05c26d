-- grain: one lock wait that reached the log
-- columns: those of log_lock_waits, and: wait_id, line_at (time of its first line: the holders are as
--   of then), from_us, to_us (epoch microseconds), covers_to_us (until when the session may still have
--   been waiting)
-- PostgreSQL ends each 'still waiting' with 'acquired' or an error, unless the session dies. A wait
-- without either therefore went on (wait_us and to_us say so, its outcome stays 'unknown') until the
-- session's next record, its end, the next session with its process id, a stop or crash of the server,
-- or the end of the log, whichever came first.
WITH next_records AS (
    SELECT w.session_id, w.wait_line_num, min(r.log_time) AS next_at
    FROM log_lock_waits w
    JOIN pg_log r ON r.session_id = w.session_id AND r.session_line_num > w.wait_line_num
    LEFT JOIN log_lock_lines l ON l.session_id = r.session_id
        AND l.session_line_num = r.session_line_num AND l.kind IN ('still_waiting', 'avoided')
        AND l.mode = w.mode AND l.target = w.target
    WHERE w.outcome = 'unknown' AND l.session_id IS NULL
    GROUP BY w.session_id, w.wait_line_num
),
stops AS (
    SELECT log_time AS stopped_at
    FROM bn_log_lines
    WHERE what IN ('crash', 'shutdown')
),
placed AS (
    SELECT w.*, l.log_time AS line_at, s.ended_at AS session_ended_at
    FROM log_lock_waits w
    JOIN log_lock_lines l ON l.session_id = w.session_id AND l.session_line_num = w.wait_line_num
    JOIN bn_sessions s ON s.session_id = w.session_id
),
last_moments AS (
    SELECT p.*,
        CASE WHEN p.outcome = 'unknown' THEN
            least(r.next_at, p.session_ended_at, n.started_at, x.stopped_at, e.log_ended_at)
            END AS waited_to
    FROM placed p
    LEFT JOIN next_records r ON r.session_id = p.session_id AND r.wait_line_num = p.wait_line_num
    ASOF LEFT JOIN bn_sessions n ON n.process_id = p.process_id AND p.line_at < n.started_at
    ASOF LEFT JOIN stops x ON p.line_at <= x.stopped_at
    CROSS JOIN (SELECT max(last_at) AS log_ended_at FROM bn_sessions) e
),
waits AS (
    SELECT * EXCLUDE (session_ended_at, waited_to) REPLACE (
        greatest(wait_us, coalesce(epoch_us(waited_to) - epoch_us(started_at), 0))::BIGINT AS wait_us
    )
    FROM last_moments
)
SELECT
    row_number() OVER (ORDER BY started_at, session_id, wait_line_num) AS wait_id,
    *,
    epoch_us(started_at) AS from_us,
    epoch_us(started_at) + wait_us AS to_us,
    coalesce(epoch_us(ended_at), epoch_us(started_at) + wait_us) AS covers_to_us
FROM waits
