-- grain: one statement fingerprint of the log
-- columns: fingerprint, query_id, statement (literals as stored, at most 2000 characters)
SELECT
    x.fingerprint,
    d.query_id,
    substr(d.statement, 1, 2000) AS statement
FROM bn_example_durations d
JOIN bn_examples x ON x.session_id = d.session_id AND x.session_line_num = d.session_line_num
