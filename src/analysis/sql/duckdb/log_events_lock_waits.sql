-- Lock waits as episodes: every wait that the log shows, however it ended.
-- Grain: one wait of one session for one lock (the first line of it has the holders).
-- Columns: session_id, wait_line_num (session_line_num of the first line; with session_id the key),
--   process_id, user_name, database_name, application_name, query_id, query, mode, target,
--   target_kind, transaction_waited_for, relation_oid, database_oid, relation_name, tuple_page,
--   tuple_item, holder_pids, queue_pids (as of the first line; NULL when it has no detail),
--   started_at (log time less the time waited), ended_at (NULL when the log does not show the end),
--   outcome ('acquired', 'deadlock', 'error', 'unknown'), end_sql_state_code (of the error that
--   ended it), wait_us (microseconds; up to the error for 'error', the last time told for 'unknown').
-- Left-censored: a wait shorter than deadlock_timeout leaves no line.
-- Needs the view log_lock_lines.
WITH events AS (
    SELECT session_id, session_line_num, log_time, kind, mode, target, waited_us,
        NULL AS sql_state_code
    FROM log_lock_lines
    UNION ALL
    SELECT session_id, session_line_num, log_time, 'error', NULL, NULL, NULL, sql_state_code
    FROM log_records
    WHERE error_severity IN ('ERROR', 'FATAL', 'PANIC')
        AND session_id IN (SELECT session_id FROM log_lock_lines)
),
flagged AS (
    SELECT *,
        coalesce(
            lag(kind) OVER session IN ('still_waiting', 'avoided')
            AND (kind = 'error' OR (lag(mode) OVER session = mode
                AND lag(target) OVER session = target)),
            FALSE
        ) AS continues
    FROM events
    WINDOW session AS (PARTITION BY session_id ORDER BY session_line_num)
),
episodes AS (
    SELECT *,
        sum(CASE WHEN continues THEN 0 ELSE 1 END) OVER (
            PARTITION BY session_id ORDER BY session_line_num
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS episode
    FROM flagged
),
waits AS (
    SELECT
        session_id,
        min(session_line_num) AS wait_line_num,
        arg_min(log_time, session_line_num) - to_microseconds(arg_min(waited_us, session_line_num))
            AS started_at,
        arg_max(kind, session_line_num) AS last_kind,
        max(log_time) AS last_at,
        max(sql_state_code) AS end_sql_state_code,
        max(waited_us) AS waited_us
    FROM episodes
    GROUP BY session_id, episode
    HAVING count(*) FILTER (WHERE kind <> 'error') > 0
)
SELECT
    w.session_id,
    w.wait_line_num,
    l.process_id,
    l.user_name,
    l.database_name,
    l.application_name,
    l.query_id,
    l.query,
    l.mode,
    l.target,
    l.target_kind,
    l.transaction_waited_for,
    l.relation_oid,
    l.database_oid,
    l.relation_name,
    l.tuple_page,
    l.tuple_item,
    l.holder_pids,
    l.queue_pids,
    w.started_at,
    CASE WHEN w.last_kind NOT IN ('still_waiting', 'avoided') THEN w.last_at END AS ended_at,
    CASE w.last_kind
        WHEN 'acquired' THEN 'acquired'
        WHEN 'deadlock' THEN 'deadlock'
        WHEN 'error' THEN 'error'
        WHEN 'failed' THEN 'error'
        ELSE 'unknown'
    END AS outcome,
    w.end_sql_state_code,
    CASE
        WHEN w.last_kind = 'error'
            THEN greatest(w.waited_us, CAST(epoch_us(w.last_at) - epoch_us(w.started_at) AS BIGINT))
        ELSE w.waited_us
    END AS wait_us
FROM waits AS w
JOIN log_lock_lines AS l
    ON l.session_id = w.session_id AND l.session_line_num = w.wait_line_num
