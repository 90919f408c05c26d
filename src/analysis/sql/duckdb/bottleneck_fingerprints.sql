-- grain: one statement fingerprint of the log
-- columns: fingerprint, query_id, statement (one text of it, literals as stored, at most 2000 characters)
SELECT
    hash(coalesce(statement, CAST(query_id AS VARCHAR), kind)) AS fingerprint,
    any_value(query_id) AS query_id,
    substr(any_value(statement), 1, 2000) AS statement
FROM log_durations
WHERE kind <> 'plan'
GROUP BY 1
