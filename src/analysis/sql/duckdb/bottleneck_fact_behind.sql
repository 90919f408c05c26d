-- grain: one kind of lock that somebody waited for ('advisory', 'relation')
-- columns: kind, behind_share (share of all waiting that is for such a lock, or stands behind a session
--   that waits for one: rows are then held by somebody who waits for something else)
WITH RECURSIVE waiting AS (
    SELECT sampled_at, pid, lower(wait_event) AS kind
    FROM bn_activity
    WHERE is_blocked AND lower(wait_event) IN ('advisory', 'relation')
        AND bucket BETWEEN $first AND $last
),
behind AS (
    SELECT sampled_at, pid, kind FROM waiting
    UNION
    SELECT e.sampled_at, e.pid, b.kind
    FROM behind b
    JOIN bn_edges e ON e.sampled_at = b.sampled_at AND e.blocker = b.pid
)
SELECT kind,
    count(*) * 1.0 / nullif((SELECT count(DISTINCT (sampled_at, pid)) FROM bn_edges
        WHERE bucket BETWEEN $first AND $last), 0) AS behind_share
FROM behind
GROUP BY kind
ORDER BY kind
