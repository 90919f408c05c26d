-- grain: one row; the time the requests cover
-- columns: first_at, last_at (UTC)
SELECT
    min(scheduled_at) AS first_at,
    max(coalesce(finished_at, scheduled_at)) AS last_at
FROM requests
