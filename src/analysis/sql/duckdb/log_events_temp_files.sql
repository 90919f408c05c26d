-- Temporary files (log_temp_files).
-- Grain: one "temporary file:" record.
-- Columns: log_time, session_id, session_line_num, process_id, user_name, database_name,
--   application_name, query_id, query (literals masked as stored), size_bytes.
SELECT
    log_time,
    session_id,
    session_line_num,
    process_id,
    user_name,
    database_name,
    application_name,
    query_id,
    query,
    TRY_CAST(regexp_extract(message, ', size (\d+)$', 1) AS BIGINT) AS size_bytes
FROM log_records
WHERE message LIKE 'temporary file: path %'
