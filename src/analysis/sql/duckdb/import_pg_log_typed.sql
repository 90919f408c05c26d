-- Raw text fields of server log records become the typed columns of the contract's pg_log.
-- Grain: one record of the view raw_log (26 text columns named as in the contract; NULL is unknown).
-- Columns: those of pg_log; duration_us, duration_kind and statement of a "duration:" record, as in
--   the view log_durations, so that later readers need not take the message apart again; `fault`:
--   NULL, or why the record cannot be taken; and the place of the record as raw_log gives it:
--   source_index, source_offset (bytes), source_line, source_lines.
-- Needs the macros stamp_of(text), zone_of(text), log_offset(zone, stamp), mask_body(text), and those
--   of import_masking.sql or import_unmasked.sql.
WITH stamped AS (
    SELECT
        *,
        stamp_of(log_time) AS log_stamp,
        zone_of(log_time) AS log_zone,
        stamp_of(session_start_time) AS start_stamp,
        zone_of(session_start_time) AS start_zone
    FROM raw_log
),
typed AS (
    SELECT
        *,
        make_timestamptz(epoch_us(log_stamp) - log_offset(log_zone, log_stamp)) AS log_at,
        make_timestamptz(epoch_us(start_stamp) - log_offset(start_zone, start_stamp))
            AS session_start_at,
        TRY_CAST(process_id AS BIGINT) AS process_number,
        TRY_CAST(session_line_num AS BIGINT) AS line_number,
        TRY_CAST(transaction_id AS BIGINT) AS transaction_number,
        TRY_CAST(internal_query_pos AS BIGINT) AS internal_position,
        TRY_CAST(query_pos AS BIGINT) AS position_in_query,
        TRY_CAST(leader_pid AS BIGINT) AS leader_number,
        TRY_CAST(query_id AS BIGINT) AS query_number,
        CASE WHEN starts_with(message, 'duration: ') THEN position(' ms' IN message) END AS unit_at
    FROM stamped
),
timed AS (
    SELECT
        *,
        CASE WHEN unit_at BETWEEN 12 AND 38 THEN TRY_CAST(
            round(TRY_CAST(substr(message, 11, unit_at - 11) AS DOUBLE) * 1000) AS BIGINT
        ) END AS took_us,
        CASE WHEN unit_at BETWEEN 12 AND 38 THEN substr(message, unit_at + 3) END AS told
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
        CASE
            WHEN took_us IS NULL THEN NULL
            WHEN starts_with(told, '  plan:') THEN 7
            ELSE position(': ' IN told)
        END AS colon_at
    FROM timed
),
cut AS (
    -- apart from the masking, whose macro says its argument many times over
    SELECT * REPLACE (
            mask_raised(message, sql_state_code, context) AS message,
            mask_raised(detail, sql_state_code, context) AS detail,
            mask_raised(hint, sql_state_code, context) AS hint
        ),
        CASE WHEN colon_at > 0 THEN substr(told, colon_at + 2) END AS unmasked
    FROM worded
),
masked AS (
    -- a plan in JSON or YAML has its strings between double quotes, which are no identifiers
    SELECT *, CASE
            WHEN took_kind = 'plan' THEN mask_words(unmasked)
            WHEN colon_at > 0 THEN mask_body(unmasked)
        END AS body
    FROM cut
)
SELECT
    log_at AS log_time,
    user_name,
    database_name,
    process_number AS process_id,
    connection_from,
    session_id,
    line_number AS session_line_num,
    command_tag,
    session_start_at AS session_start_time,
    virtual_transaction_id,
    nullif(transaction_number, 0) AS transaction_id,
    error_severity,
    sql_state_code,
    CASE
        WHEN body IS NOT NULL THEN left(message, unit_at + 2 + colon_at + 1) || body
        ELSE mask_message(message, error_severity)
    END AS message,
    mask_detail(detail, error_severity) AS detail,
    mask_strict(hint) AS hint,
    mask_sql(internal_query) AS internal_query,
    internal_position AS internal_query_pos,
    mask_context(context, error_severity) AS context,
    mask_sql(query) AS query,
    position_in_query AS query_pos,
    location,
    application_name,
    backend_type,
    leader_number AS leader_pid,
    nullif(query_number, 0) AS query_id,
    took_us AS duration_us,
    took_kind AS duration_kind,
    CASE WHEN took_kind NOT IN ('bare', 'plan') THEN body END AS statement,
    CASE
        WHEN log_at IS NULL THEN 'time stamp cannot be read: ' || coalesce(left(log_time, 40), '')
        WHEN session_id IS NULL OR line_number IS NULL THEN 'no session and line number'
        WHEN error_severity IS NULL THEN 'no severity'
        WHEN (process_number IS NULL AND process_id IS NOT NULL)
            OR (transaction_number IS NULL AND transaction_id IS NOT NULL)
            OR (internal_position IS NULL AND internal_query_pos IS NOT NULL)
            OR (position_in_query IS NULL AND query_pos IS NOT NULL)
            OR (leader_number IS NULL AND leader_pid IS NOT NULL)
            OR (query_number IS NULL AND query_id IS NOT NULL) THEN 'a number cannot be read'
        WHEN session_start_at IS NULL AND session_start_time IS NOT NULL
            THEN 'session start time cannot be read'
    END AS fault,
    source_index,
    source_offset,
    source_line,
    source_lines
FROM masked
