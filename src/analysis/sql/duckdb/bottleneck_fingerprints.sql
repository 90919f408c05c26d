-- grain: one statement fingerprint of the log
-- columns: fingerprint (as in bn_durations), query_id (the smallest where one text has several),
--   statement (literals as stored, at most 2000 characters)
-- Durations of one fingerprint have one text, so that any of them may stand for it.
SELECT
    CASE WHEN statement IS NOT NULL THEN hash(statement)
        ELSE hash(coalesce(CAST(query_id AS VARCHAR), kind)) END AS fingerprint,
    min(query_id) AS query_id,
    substr(any_value(statement), 1, 2000) AS statement
FROM log_durations
WHERE kind <> 'plan'
GROUP BY 1
