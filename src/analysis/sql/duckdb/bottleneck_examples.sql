-- grain: one server log record that stands for its statement fingerprint
-- columns: those of pg_log, fingerprint
-- Texts are read for one record a statement, not for every record: logs are large, statements few.
SELECT l.*, e.fingerprint
FROM pg_log l
JOIN (SELECT fingerprint, min(record) AS record FROM bn_durations GROUP BY fingerprint) e
    ON hash(l.session_id, l.session_line_num) = e.record
