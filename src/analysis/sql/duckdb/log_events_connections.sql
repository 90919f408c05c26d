-- Connections coming and going (log_connections, log_disconnections).
-- Grain: one such record; a session normally leaves 'received', 'authorized' and 'disconnected'.
-- Columns: log_time, session_id, session_line_num, process_id, user_name, database_name,
--   application_name, connection_from, kind ('received', 'authenticated', 'authorized', 'ready',
--   'disconnected'), session_us (length of the session in microseconds, for 'disconnected').
WITH lines AS (
    SELECT *,
        CASE
            WHEN message LIKE 'connection received: %' THEN 'received'
            WHEN message LIKE 'connection authenticated: %' THEN 'authenticated'
            WHEN message LIKE 'connection authorized: %' THEN 'authorized'
            WHEN message LIKE 'replication connection authorized: %' THEN 'authorized'
            WHEN message LIKE 'connection ready: %' THEN 'ready'
            WHEN message LIKE 'disconnection: session time: %' THEN 'disconnected'
        END AS kind,
        regexp_extract(
            message, '^disconnection: session time: (\d+):(\d\d):(\d\d\.\d+)', ['h', 'm', 's']
        ) AS t
    FROM log_records
    WHERE message LIKE 'connection %' OR message LIKE 'replication connection %'
        OR message LIKE 'disconnection: %'
)
SELECT
    log_time,
    session_id,
    session_line_num,
    process_id,
    user_name,
    database_name,
    application_name,
    connection_from,
    kind,
    CASE WHEN kind = 'disconnected' THEN
        CAST((TRY_CAST(t.h AS DECIMAL(24, 6)) * 3600 + TRY_CAST(t.m AS DECIMAL(24, 6)) * 60
            + TRY_CAST(t.s AS DECIMAL(24, 6))) * 1000000 AS BIGINT)
    END AS session_us
FROM lines
WHERE kind IS NOT NULL
