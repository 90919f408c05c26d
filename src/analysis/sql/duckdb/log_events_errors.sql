-- Errors.
-- Grain: one record of severity ERROR, FATAL or PANIC (or, in another language, of an SQLSTATE that
--   is an error).
-- Columns: log_time, session_id, session_line_num, process_id, user_name, database_name,
--   application_name, query_id, severity, sql_state_code (the server's; where the log format has
--   none, the one that PostgreSQL's source gives to exactly this message; else NULL),
--   sql_state_class (its first two characters), message, detail, context, query.
WITH errors AS (
    SELECT *,
        CASE
            WHEN message = 'deadlock detected' THEN '40P01'
            WHEN message LIKE 'could not serialize access%' THEN '40001'
            WHEN message LIKE 'canceling statement due to lock timeout%' THEN '55P03'
            WHEN message LIKE 'could not obtain lock on %' THEN '55P03'
            WHEN message LIKE '% due to conflict with recovery%' THEN '40001'
            WHEN message LIKE 'canceling statement due to %' THEN '57014'
            WHEN message LIKE 'canceling autovacuum task%' THEN '57014'
            WHEN message LIKE 'terminating connection due to idle-in-transaction timeout%' THEN '25P03'
            WHEN message LIKE 'terminating connection due to transaction timeout%' THEN '25P04'
            WHEN message LIKE 'terminating % due to administrator command' THEN '57P01'
            WHEN message LIKE 'sorry, too many clients already%' THEN '53300'
            WHEN message LIKE 'remaining connection slots are reserved%' THEN '53300'
            WHEN message LIKE 'too many connections for %' THEN '53300'
            WHEN message LIKE 'the database system is starting up%' THEN '57P03'
            WHEN message LIKE 'the database system is shutting down%' THEN '57P03'
            WHEN message LIKE 'duplicate key value violates unique constraint%' THEN '23505'
            WHEN message LIKE '%violates foreign key constraint%' THEN '23503'
            WHEN message LIKE '%violates not-null constraint%' THEN '23502'
            WHEN message LIKE '%violates check constraint%' THEN '23514'
            WHEN message LIKE 'current transaction is aborted%' THEN '25P02'
            WHEN message = 'division by zero' THEN '22012'
            WHEN message LIKE 'invalid input syntax for %' THEN '22P02'
            WHEN message LIKE 'syntax error at %' THEN '42601'
            WHEN message LIKE 'unterminated quoted %' THEN '42601'
            WHEN message LIKE 'relation "%" does not exist%' THEN '42P01'
            WHEN message LIKE 'column "%" does not exist%' THEN '42703'
            WHEN message LIKE 'column %.% does not exist%' THEN '42703'
            WHEN message LIKE 'permission denied for %' THEN '42501'
            WHEN message LIKE 'database "%" does not exist%' THEN '3D000'
            WHEN message LIKE 'role "%" does not exist%' THEN '28000'
            WHEN message LIKE 'password authentication failed for user%' THEN '28P01'
        END AS code_of_message
    FROM log_records
    WHERE error_severity IN ('ERROR', 'FATAL', 'PANIC')
        OR (error_severity NOT IN ('LOG', 'WARNING', 'NOTICE', 'INFO', 'DEBUG', 'DEBUG1', 'DEBUG2',
            'DEBUG3', 'DEBUG4', 'DEBUG5') AND substr(sql_state_code, 1, 2) > '02')
)
SELECT
    log_time,
    session_id,
    session_line_num,
    process_id,
    user_name,
    database_name,
    application_name,
    query_id,
    error_severity AS severity,
    coalesce(sql_state_code, code_of_message) AS sql_state_code,
    substr(coalesce(sql_state_code, code_of_message), 1, 2) AS sql_state_class,
    message,
    detail,
    context,
    query
FROM errors
