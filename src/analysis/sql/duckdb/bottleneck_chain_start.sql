-- grain: one lock wait x one process that held the lock it waited for
-- columns: as bottleneck_chain_step.sql
SELECT h.wait_id, h.line_us AS at_us, h.holder_pid AS pid, h.holder_session AS session_id, h.weight,
    CASE WHEN w.covers_to_us >= h.line_us AND len(w.holder_pids) > 0 THEN w.wait_id END AS via
FROM bn_holders h
ASOF LEFT JOIN bn_waits w ON w.session_id = h.holder_session AND h.line_us >= w.from_us
