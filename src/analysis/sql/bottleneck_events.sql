-- grain: one event an operator would have known of
-- columns: at (UTC), kind, label, important
SELECT "at", kind, label, important
FROM events
ORDER BY "at", kind, label
