-- grain: one event of the run
-- columns: at (UTC), kind, label, important
SELECT e.at AS at, e.kind, e.label, e.important
FROM events e
ORDER BY e.at, e.label
