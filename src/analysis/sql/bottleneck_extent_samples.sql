-- grain: one row; the time the activity samples cover
-- columns: first_at, last_at (UTC)
SELECT min(sampled_at) AS first_at, max(sampled_at) AS last_at
FROM pg_activity
