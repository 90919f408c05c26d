-- grain: one blocking episode: a stretch in which somebody was blocked, without a gap above $gap_us
-- columns: started_at, ended_at, duration_us, waiter_s, victims, waiters_max (at one time),
--   roots (distinct root pids), idle_share (share of waiting whose root was idle in transaction)
WITH crowd AS (
    SELECT r.sampled_at, count(DISTINCT r.pid) AS waiters,
        count(DISTINCT r.pid) FILTER (WHERE a.state LIKE 'idle in transaction%') AS behind_idle
    FROM bn_roots r
    LEFT JOIN pg_activity a ON a.sampled_at = r.sampled_at AND a.pid = r.root
    GROUP BY r.sampled_at
),
marked AS (
    SELECT *, sum(CASE WHEN epoch_us(sampled_at) - coalesce(last_us, 0) > $gap_us THEN 1 ELSE 0 END)
        OVER (ORDER BY sampled_at) AS episode
    FROM (SELECT *, lag(epoch_us(sampled_at)) OVER (ORDER BY sampled_at) AS last_us FROM crowd)
),
pace AS (
    SELECT epoch_us(max(sampled_at)) - epoch_us(min(sampled_at)) AS span_us,
        greatest(count(*) - 1, 1) AS gaps
    FROM (SELECT DISTINCT sampled_at FROM pg_activity)
),
who AS (
    SELECT m.episode, count(DISTINCT r.pid) AS victims, count(DISTINCT r.root) AS roots
    FROM marked m
    JOIN bn_roots r ON r.sampled_at = m.sampled_at
    GROUP BY m.episode
)
SELECT
    min(m.sampled_at) AS started_at,
    max(m.sampled_at) AS ended_at,
    epoch_us(max(m.sampled_at)) - epoch_us(min(m.sampled_at)) AS duration_us,
    sum(m.waiters) * max(p.span_us) / max(p.gaps) / 1000000.0 AS waiter_s,
    max(w.victims) AS victims,
    max(m.waiters) AS waiters_max,
    max(w.roots) AS roots,
    sum(m.behind_idle) * 1.0 / sum(m.waiters) AS idle_share
FROM marked m
JOIN who w ON w.episode = m.episode
CROSS JOIN pace p
GROUP BY m.episode
ORDER BY waiter_s DESC, started_at
