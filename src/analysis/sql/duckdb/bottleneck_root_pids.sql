-- grain: one root transaction (pid and start) that others waited behind
-- columns: pid, application_name, xact_start, first_at, last_at (first and last sample it blocked in),
--   states (what it was doing, most often first), waiter_s, victims, depth of the crowd: waiters_max
WITH split AS (
    SELECT sampled_at, pid, root, 1.0 / count(*) OVER (PARTITION BY sampled_at, pid) AS weight
    FROM bn_roots
    WHERE root IS NOT NULL AND bucket BETWEEN $first AND $last
),
pace AS (
    SELECT epoch_us(max(sampled_at)) - epoch_us(min(sampled_at)) AS span_us,
        greatest(count(*) - 1, 1) AS gaps
    FROM (SELECT DISTINCT sampled_at FROM pg_activity)
),
crowd AS (
    SELECT s.sampled_at, s.root, sum(s.weight) AS waiters, any_value(a.xact_start) AS xact_start,
        any_value(a.application_name) AS application_name,
        any_value(CASE WHEN a.state = 'active' THEN coalesce(a.wait_event, 'on CPU')
            ELSE a.state END) AS doing
    FROM split s
    LEFT JOIN pg_activity a ON a.sampled_at = s.sampled_at AND a.pid = s.root
    GROUP BY s.sampled_at, s.root
)
SELECT
    root AS pid,
    any_value(application_name) AS application_name,
    xact_start,
    min(sampled_at) AS first_at,
    max(sampled_at) AS last_at,
    mode(doing) AS mostly,
    sum(waiters) * max(p.span_us) / max(p.gaps) / 1000000.0 AS waiter_s,
    max(waiters) AS waiters_max
FROM crowd
CROSS JOIN pace p
GROUP BY root, xact_start
ORDER BY waiter_s DESC, pid, first_at
LIMIT $top
