-- grain: one transaction seen in samples inside the window (pid and start)
-- columns: pid, xact_start, age_s (at its last sample), idle_share (share of samples idle in
--   transaction), blocks (blocked sessions x samples behind it), first_at, last_at, application_name
SELECT
    a.pid,
    a.xact_start,
    max(a.xact_age_us) / 1000000.0 AS age_s,
    avg(CASE WHEN a.wait_class = 'Idle in transaction' THEN 1.0 ELSE 0.0 END) AS idle_share,
    coalesce(max(b.blocks), 0) AS blocks,
    min(a.sampled_at) AS first_at,
    max(a.sampled_at) AS last_at,
    any_value(a.application_name) AS application_name
FROM bn_activity a
LEFT JOIN (SELECT root, count(*) AS blocks FROM bn_roots WHERE bucket BETWEEN $first AND $last
    GROUP BY root) b ON b.root = a.pid
WHERE a.bucket BETWEEN $first AND $last AND a.xact_start IS NOT NULL
GROUP BY a.pid, a.xact_start
ORDER BY age_s DESC, a.pid
LIMIT 5
