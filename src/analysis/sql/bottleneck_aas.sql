-- grain: one bucket x one wait class
-- columns: bucket, wait_class, wait_event, sessions (mean number of sessions in this state at a time)
-- Average active sessions = sessions seen active, over samples taken. 'Idle in transaction' is given
-- beside the active classes: it is no database time, but what others wait for.
SELECT
    a.bucket,
    a.wait_class,
    a.wait_event,
    count(*) * 1.0 / max(t.ticks) AS sessions
FROM bn_activity a
JOIN bn_ticks t ON t.bucket = a.bucket
GROUP BY a.bucket, a.wait_class, a.wait_event
ORDER BY a.bucket, a.wait_class, a.wait_event
