-- grain: one row for the run
-- columns: first_at (first intended arrival), last_at (last answer or give-up), attempts
SELECT
    min(scheduled_at) AS first_at,
    max(coalesce(finished_at, scheduled_at)) AS last_at,
    count(*)::BIGINT AS attempts
FROM requests
