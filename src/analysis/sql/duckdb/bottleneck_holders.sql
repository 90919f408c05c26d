-- grain: one lock wait x one process that held the lock when the wait was logged
-- columns: wait_id, holder_pid, holder_session (NULL when no session of that pid is known at the
--   time: pids are reused, so the latest session of the pid that had begun and not ended), weight
--   (1 / number of holders), line_us
WITH held AS (
    SELECT wait_id, process_id, unnest(holder_pids) AS holder_pid, line_at,
        1.0 / len(holder_pids) AS weight
    FROM bn_waits
    WHERE len(holder_pids) > 0
)
SELECT
    h.wait_id,
    h.holder_pid,
    CASE WHEN s.ended_at IS NULL OR s.ended_at >= h.line_at THEN s.session_id END AS holder_session,
    h.weight,
    epoch_us(h.line_at) AS line_us
FROM held h
ASOF LEFT JOIN bn_sessions s ON s.process_id = h.holder_pid AND h.line_at >= s.started_at
WHERE h.holder_pid <> h.process_id
