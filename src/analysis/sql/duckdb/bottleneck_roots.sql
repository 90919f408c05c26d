-- grain: one blocked backend x one root blocker, in one sample
-- columns: sampled_at, bucket, pid (the waiter), root (pid of a blocker that is itself not blocked;
--   NULL when the chain is a cycle: a deadlock in the making)
-- A waiter for a tuple is blocked by the head of its queue, which itself waits for the transaction
-- that holds the row: so chains are followed. The search goes outward from the roots and keeps each
-- (waiter, root) once, which bounds it by waiters x roots however long the queues are.
WITH RECURSIVE
waiters AS (SELECT DISTINCT sampled_at, pid FROM bn_edges),
reach AS (
    SELECT e.sampled_at, e.bucket, e.pid, e.blocker AS root
    FROM bn_edges e
    LEFT JOIN waiters w ON w.sampled_at = e.sampled_at AND w.pid = e.blocker
    WHERE w.pid IS NULL
    UNION
    SELECT e.sampled_at, e.bucket, e.pid, r.root
    FROM reach r
    JOIN bn_edges e ON e.sampled_at = r.sampled_at AND e.blocker = r.pid
)
SELECT sampled_at, bucket, pid, root FROM reach
UNION ALL
SELECT e.sampled_at, min(e.bucket), e.pid, NULL
FROM bn_edges e
LEFT JOIN reach r ON r.sampled_at = e.sampled_at AND r.pid = e.pid
WHERE r.pid IS NULL
GROUP BY e.sampled_at, e.pid
