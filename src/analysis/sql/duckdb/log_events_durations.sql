-- Durations that the server logged (log_min_duration_statement, log_duration).
-- Grain: one "duration:" record of the server log.
-- Columns: log_time (end of the work), started_at (= log_time - duration), session_id,
--   session_line_num, process_id, user_name, database_name, application_name, query_id,
--   kind ('statement', 'parse', 'bind', 'execute', 'fastpath', 'plan' of auto_explain, 'bare' when
--   log_duration gave no text), duration_us (microseconds), prepared_name, statement (as stored:
--   literals masked unless the import kept them; NULL for 'bare' and 'plan').
-- A failed or cancelled statement has no such record: see log_errors and log_lock_waits.
WITH durations AS (
    SELECT *, position(' ms' IN message) AS unit_at
    FROM pg_log
    WHERE message LIKE 'duration: %'
),
parts AS (
    SELECT *,
        CAST(TRY_CAST(substr(message, 11, unit_at - 11) AS DECIMAL(24, 3)) * 1000 AS BIGINT)
            AS duration_us,
        ltrim(substr(message, unit_at + 3)) AS rest
    FROM durations
    WHERE unit_at BETWEEN 12 AND 40
),
kinds AS (
    SELECT *,
        CASE
            WHEN rest = '' THEN 'bare'
            WHEN rest LIKE 'statement: %' THEN 'statement'
            WHEN rest LIKE 'execute %' THEN 'execute'
            WHEN rest LIKE 'bind %' THEN 'bind'
            WHEN rest LIKE 'parse %' THEN 'parse'
            WHEN rest LIKE 'fastpath %' THEN 'fastpath'
            WHEN rest LIKE 'plan:%' THEN 'plan'
            ELSE 'bare'
        END AS kind,
        position(': ' IN rest) AS colon_at
    FROM parts
    WHERE duration_us IS NOT NULL
)
SELECT
    log_time,
    log_time - to_microseconds(duration_us) AS started_at,
    session_id,
    session_line_num,
    process_id,
    user_name,
    database_name,
    application_name,
    query_id,
    kind,
    duration_us,
    CASE WHEN kind IN ('execute', 'bind', 'parse') AND colon_at > 0
        THEN nullif(ltrim(substr(rest, length(kind) + 2, colon_at - length(kind) - 2)), '<unnamed>')
    END AS prepared_name,
    CASE WHEN kind NOT IN ('bare', 'plan') AND colon_at > 0 THEN substr(rest, colon_at + 2) END
        AS statement
FROM kinds
