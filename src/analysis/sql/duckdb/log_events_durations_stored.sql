-- Durations that the server logged, from the columns that an import has stored beside each record.
-- Grain and columns: those of log_events_durations.sql, which takes them from the message itself.
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
    duration_kind AS kind,
    duration_us,
    CASE WHEN duration_kind IN ('execute', 'bind', 'parse') THEN nullif(
        regexp_extract(message, '^duration: [\d.]+ ms +\w+ ([^:]*): ', 1), '<unnamed>'
    ) END AS prepared_name,
    statement
FROM pg_log
WHERE duration_us IS NOT NULL
