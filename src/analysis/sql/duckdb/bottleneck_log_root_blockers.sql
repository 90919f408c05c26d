-- grain: one root blocker: a session, or a pid whose session is not in the log
-- columns: pid, session_id, application_name, waiter_s, waiter_share, victims (sessions),
--   victim_pids (at most 50), waits,
--   first_at, last_at (first and last wait behind it), waiting_statement
--   (what the longest of them wanted to do, masked)
SELECT
    r.pid,
    r.session_id,
    coalesce(any_value(s.application_name), '') AS application_name,
    sum(r.weight * w.wait_us) / 1000000.0 AS waiter_s,
    sum(r.weight * w.wait_us) / nullif(sum(sum(r.weight * w.wait_us)) OVER (), 0) AS waiter_share,
    count(DISTINCT w.session_id) AS victims,
    array_agg(DISTINCT w.process_id ORDER BY w.process_id)[1:50] AS victim_pids,
    count(DISTINCT w.wait_id) AS waits,
    min(w.started_at) AS first_at,
    max(w.line_at) AS last_at,
    arg_max(w.query, w.wait_us) AS waiting_statement
FROM bn_log_roots r
JOIN bn_waits w ON w.wait_id = r.wait_id
JOIN bn_wait_buckets b ON b.wait_id = w.wait_id
LEFT JOIN bn_sessions s ON s.session_id = r.session_id
WHERE b.bucket BETWEEN $first AND $last
GROUP BY r.pid, r.session_id
ORDER BY waiter_s DESC, r.pid, r.session_id
LIMIT $top
