-- grain: one lock wait x one process its chain has reached so far
-- columns: wait_id, at_us (the time the chain is looked at: that of the wait's own first line),
--   pid, session_id (of the process reached), weight, via (the wait that process is itself in at that
--   time; NULL = it is not waiting as far as the log shows: a root)
-- One step along all chains at once: whoever was reached and was itself waiting at that time is
-- replaced by those who held the lock it waited for.
-- A process met twice on the way closes a cycle and is dropped: a deadlock has no root.
WITH moved AS (
    SELECT c.wait_id, c.at_us, h.holder_pid AS pid, h.holder_session AS session_id,
        c.weight * h.weight AS weight
    FROM bn_chain c
    JOIN bn_holders h ON h.wait_id = c.via
    WHERE c.via IS NOT NULL
),
placed AS (
    SELECT m.*,
        CASE WHEN w.covers_to_us >= m.at_us AND len(w.holder_pids) > 0 THEN w.wait_id END AS via
    FROM moved m
    ASOF LEFT JOIN bn_waits w ON w.session_id = m.session_id AND m.at_us >= w.from_us
)
SELECT p.wait_id, p.at_us, p.pid, p.session_id, sum(p.weight) AS weight, p.via
FROM placed p
WHERE NOT EXISTS (
    SELECT 1 FROM bn_visited v WHERE v.wait_id = p.wait_id AND v.via = p.via
)
GROUP BY p.wait_id, p.at_us, p.pid, p.session_id, p.via
UNION ALL
SELECT wait_id, at_us, pid, session_id, weight, via
FROM bn_chain
WHERE via IS NULL
