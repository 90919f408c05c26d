-- Raw text fields of server log records become the typed columns of the contract's pg_log.
-- Grain: one record of the view raw_log (26 text columns named as in the contract; "" is unknown).
-- Columns: those of pg_log; duration_us, duration_kind and statement of a "duration:" record, as in
--   the view log_durations, so that later readers need not take the message apart again; `fault`: NULL, or why the record cannot be taken; and the place of
--   the record as raw_log gives it: source_index, source_offset (bytes), source_line, source_lines.
-- Needs the macros log_instant(text) and those of import_masking.sql or import_unmasked.sql.
WITH typed AS (
    SELECT
        *,
        log_instant(log_time) AS log_at,
        log_instant(session_start_time) AS session_start_at,
        TRY_CAST(nullif(process_id, '') AS BIGINT) AS process_number,
        TRY_CAST(nullif(session_line_num, '') AS BIGINT) AS line_number,
        TRY_CAST(nullif(transaction_id, '') AS BIGINT) AS transaction_number,
        TRY_CAST(nullif(internal_query_pos, '') AS BIGINT) AS internal_position,
        TRY_CAST(nullif(query_pos, '') AS BIGINT) AS position_in_query,
        TRY_CAST(nullif(leader_pid, '') AS BIGINT) AS leader_number,
        TRY_CAST(nullif(query_id, '') AS BIGINT) AS query_number,
        CASE WHEN starts_with(message, 'duration: ') THEN position(' ms' IN left(message, 40)) END
            AS unit_at
    FROM raw_log
),
timed AS (
    SELECT
        *,
        CASE WHEN unit_at > 11 THEN CAST(
            TRY_CAST(substr(message, 11, unit_at - 11) AS DECIMAL(24, 3)) * 1000 AS BIGINT
        ) END AS took_us,
        CASE WHEN unit_at > 11 THEN substr(message, unit_at + 3) END AS told
    FROM typed
),
worded AS (
    SELECT
        *,
        CASE WHEN took_us IS NOT NULL THEN
            CASE
                WHEN starts_with(told, '  execute ') THEN 'execute'
                WHEN starts_with(told, '  bind ') THEN 'bind'
                WHEN starts_with(told, '  statement: ') THEN 'statement'
                WHEN starts_with(told, '  parse ') THEN 'parse'
                WHEN starts_with(told, '  fastpath ') THEN 'fastpath'
                WHEN starts_with(told, '  plan:') THEN 'plan'
                ELSE 'bare'
            END
        END AS took_kind,
        CASE WHEN took_us IS NOT NULL THEN position(': ' IN told) END AS colon_at
    FROM timed
),
masked AS (
    SELECT
        *,
        CASE WHEN colon_at > 0 THEN mask_sql(substr(told, colon_at + 2)) END AS body
    FROM worded
)
SELECT
    log_at AS log_time,
    nullif(user_name, '') AS user_name,
    nullif(database_name, '') AS database_name,
    process_number AS process_id,
    nullif(connection_from, '') AS connection_from,
    session_id,
    line_number AS session_line_num,
    nullif(command_tag, '') AS command_tag,
    session_start_at AS session_start_time,
    nullif(virtual_transaction_id, '') AS virtual_transaction_id,
    nullif(transaction_number, 0) AS transaction_id,
    nullif(error_severity, '') AS error_severity,
    nullif(sql_state_code, '') AS sql_state_code,
    CASE
        WHEN body IS NOT NULL THEN left(message, unit_at + 2 + colon_at + 1) || body
        ELSE mask_message(nullif(message, ''), error_severity)
    END AS message,
    mask_detail(nullif(detail, '')) AS detail,
    mask_sql(nullif(hint, '')) AS hint,
    mask_sql(nullif(internal_query, '')) AS internal_query,
    internal_position AS internal_query_pos,
    mask_context(nullif(context, '')) AS context,
    mask_sql(nullif(query, '')) AS query,
    position_in_query AS query_pos,
    nullif(location, '') AS location,
    nullif(application_name, '') AS application_name,
    nullif(backend_type, '') AS backend_type,
    leader_number AS leader_pid,
    nullif(query_number, 0) AS query_id,
    took_us AS duration_us,
    took_kind AS duration_kind,
    CASE WHEN took_kind NOT IN ('bare', 'plan') THEN body END AS statement,
    CASE
        WHEN log_at IS NULL THEN 'time stamp cannot be read: ' || coalesce(left(log_time, 40), '')
        WHEN coalesce(session_id, '') = '' OR line_number IS NULL THEN 'no session and line number'
        WHEN coalesce(error_severity, '') = '' THEN 'no severity'
        WHEN (process_id <> '' AND process_number IS NULL)
            OR (transaction_id <> '' AND transaction_number IS NULL)
            OR (internal_query_pos <> '' AND internal_position IS NULL)
            OR (query_pos <> '' AND position_in_query IS NULL)
            OR (leader_pid <> '' AND leader_number IS NULL)
            OR (query_id <> '' AND query_number IS NULL) THEN 'a number cannot be read'
        WHEN session_start_time <> '' AND session_start_at IS NULL
            THEN 'session start time cannot be read'
    END AS fault,
    source_index,
    source_offset,
    source_line,
    source_lines
FROM masked
