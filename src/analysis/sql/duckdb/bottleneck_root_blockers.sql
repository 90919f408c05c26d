-- grain: one kind of root blocker: its state, what it waited for itself, its application and statement
-- columns: root_state, root_wait, application_name, statement (masked), waiter_s (seconds that others
--   spent behind it: samples of blocked sessions x time between samples), waiter_share, victims
--   (distinct waiting sessions), roots (distinct root transactions), held_us_p50, held_us_max (age of the
--   root's transaction when it blocked), idle_us_p50 (time since its last statement ended, where idle),
--   client_waiter_s (of waiter_s, behind a root idle in transaction for 10 ms or more: longer than the
--   gap between two statements of one client)
-- A waiter with two roots counts half for each. A root that was not in the sample has state 'unknown';
-- pid NULL is a cycle (a deadlock before it is broken).
WITH split AS (
    SELECT sampled_at, bucket, pid, root,
        1.0 / count(*) OVER (PARTITION BY sampled_at, pid) AS weight
    FROM bn_roots
    WHERE bucket BETWEEN $first AND $last
),
pace AS (
    SELECT epoch_us(max(sampled_at)) - epoch_us(min(sampled_at)) AS span_us,
        greatest(count(*) - 1, 1) AS gaps
    FROM (SELECT DISTINCT sampled_at FROM pg_activity)
),
seen AS (
    SELECT sampled_at, pid, state, wait_event_type, wait_event, application_name, query,
        xact_start, state_change
    FROM pg_activity
)
SELECT
    CASE
        WHEN s.root IS NULL THEN 'cycle (deadlock)'
        WHEN s.root = 0 THEN 'prepared transaction'
        ELSE coalesce(a.state, 'unknown')
    END AS root_state,
    CASE WHEN a.state = 'active' AND a.wait_event IS NULL THEN 'on CPU'
        ELSE concat_ws('/', a.wait_event_type, a.wait_event) END AS root_wait,
    coalesce(a.application_name, '') AS application_name,
    coalesce(arg_max(a.query, s.sampled_at), '') AS statement,
    sum(s.weight) * max(p.span_us) / max(p.gaps) / 1000000.0 AS waiter_s,
    sum(s.weight) / sum(sum(s.weight)) OVER () AS waiter_share,
    count(DISTINCT s.pid) AS victims,
    count(DISTINCT (s.root, a.xact_start)) AS roots,
    percentile_disc(0.5) WITHIN GROUP
        (ORDER BY epoch_us(s.sampled_at) - epoch_us(a.xact_start)) AS held_us_p50,
    max(epoch_us(s.sampled_at) - epoch_us(a.xact_start)) AS held_us_max,
    percentile_disc(0.5) WITHIN GROUP
        (ORDER BY CASE WHEN a.state LIKE 'idle in%'
            THEN epoch_us(s.sampled_at) - epoch_us(a.state_change) END) AS idle_us_p50,
    coalesce(sum(s.weight) FILTER (WHERE a.state LIKE 'idle in%'
        AND epoch_us(s.sampled_at) - epoch_us(a.state_change) >= 10000), 0)
        * max(p.span_us) / max(p.gaps) / 1000000.0 AS client_waiter_s
FROM split s
CROSS JOIN pace p
LEFT JOIN seen a ON a.sampled_at = s.sampled_at AND a.pid = s.root
GROUP BY 1, 2, 3
ORDER BY waiter_s DESC, root_state, root_wait, application_name
