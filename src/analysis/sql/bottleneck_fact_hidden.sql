-- grain: one row
-- columns: sessions (client backends in activity samples of the window, one a sample), hidden (of
--   these, those whose state the sampling role may not see), lock_waits (samples waiting for a row or
--   another heavyweight lock), unblamed (of these, those without a recorded blocker)
SELECT
    count(*) AS sessions,
    count(*) FILTER (WHERE state IS NULL) AS hidden,
    count(*) FILTER (WHERE wait_event_type = 'Lock') AS lock_waits,
    count(*) FILTER (WHERE wait_event_type = 'Lock' AND blocked_by IS NULL) AS unblamed
FROM pg_activity
WHERE coalesce(backend_type, 'client backend') = 'client backend'
    AND sampled_at >= $start AND sampled_at < $end
