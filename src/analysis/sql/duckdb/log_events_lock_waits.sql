-- Lock waits as episodes: every wait that the log shows, however it ended.
-- Grain: one wait of one process for one lock (the first line of it has the holders).
-- Columns: session_id, wait_line_num (session_line_num of the first line; with session_id the key),
--   process_id, user_name, database_name, application_name, query_id, query, mode, target,
--   target_kind, transaction_waited_for, relation_oid, database_oid, relation_name, tuple_page,
--   tuple_item, holder_pids, queue_pids (as of the first line; NULL when it has no detail),
--   started_at (log time less the time waited), ended_at (NULL when the log does not show the end),
--   ended_by (when it was over at the latest, as far as the log shows), outcome ('acquired',
--   'deadlock', 'error', 'unknown'), end_sql_state_code (of the error that ended it), wait_us
--   (microseconds that it is known to have lasted).
-- Left-censored: a wait shorter than deadlock_timeout leaves no line.
-- A lane holds the records of one session: that of the server's own session id, and where the
-- import had to make one up (it has a "~", and is another one in each file of a rotated log) that of
-- the process, which the lines of a wait name themselves.
-- A wait goes on in the next record of its lane, if that tells of the same lock and of the same
-- beginning, and ends in it, if that is an error that ends waits (cancelled, timed out, terminated,
-- deadlock, serialization) of the same statement and session. Any other record of that process id
-- (another error, a warning, a duration, another session) comes after an end that the log does not
-- show, such as a lock timeout that a function caught: the outcome is 'unknown', and the last time
-- told is how long it is known to have waited. Where no record follows at all, no end that
-- PostgreSQL logs has come: the wait, 'unknown' too, went on until the server stopped or the log ends.
-- Needs the views log_lock_lines, log_errors and log_stops.
WITH lines AS (
    -- texts that are only compared go by their hashes: the sorts below carry them along
    SELECT session_id, session_line_num, log_time, kind, hash(mode, target) AS lock, waited_us,
        CASE WHEN query IS NOT NULL THEN hash(query) END AS statement,
        CASE WHEN NOT contains(session_id, '~') THEN session_id
            WHEN starts_with(session_id, 'p') THEN 'p' || waiter_pid
            ELSE split_part(session_id, '~', 1) END AS lane,
        coalesce(process_id, waiter_pid) AS process_id,
        hash(session_start_time, user_name, database_name, connection_from) AS who
    FROM log_lock_lines
),
numbered AS (
    -- the server counts a session's records: only the very next one can be of the same wait
    SELECT r.session_id, r.session_line_num, r.log_time,
        CASE WHEN r.query IS NOT NULL THEN hash(r.query) END AS statement,
        r.session_id AS lane, NULL AS who, r.sql_state_code
    FROM log_records AS r
    SEMI JOIN lines AS l
        ON r.session_id = l.session_id AND r.session_line_num = l.session_line_num + 1
    WHERE NOT contains(r.session_id, '~') AND r.sql_state_code <> '00000'
),
unnumbered AS (
    SELECT session_id, session_line_num, log_time,
        CASE WHEN query IS NOT NULL THEN hash(query) END AS statement,
        CASE WHEN starts_with(session_id, 'p') THEN 'p' || process_id
            ELSE split_part(session_id, '~', 1) END AS lane,
        hash(session_start_time, user_name, database_name, connection_from) AS who,
        CASE WHEN message LIKE 'terminating connection because of crash of %' THEN '57P02'
            ELSE sql_state_code END AS sql_state_code
    FROM log_records
    WHERE contains(session_id, '~')
),
others AS (
    SELECT * FROM numbered
    UNION ALL
    SELECT u.* REPLACE (coalesce(u.sql_state_code, e.sql_state_code) AS sql_state_code)
    FROM unnumbered AS u
    LEFT JOIN log_errors AS e USING (session_id, session_line_num)
    WHERE u.lane IN (SELECT lane FROM lines)
        AND (session_id, session_line_num) NOT IN (
            SELECT (session_id, session_line_num) FROM lines
        )
),
events AS (
    SELECT * FROM lines
    UNION ALL BY NAME
    SELECT *,
        CASE WHEN sql_state_code IN ('57014', '55P03', '57P01', '57P02', '25P04', '40P01',
            '40001') THEN 'error' ELSE 'other' END AS kind
    FROM others
),
files AS (
    -- line numbers of made-up sessions count the lines of a file, and the files follow in time
    SELECT session_id, min(log_time) AS file_from
    FROM events
    WHERE contains(session_id, '~')
    GROUP BY session_id
),
placed AS (
    SELECT e.*,
        epoch_us(e.log_time) - e.waited_us AS from_us,
        CASE WHEN f.file_from IS NOT NULL THEN e.log_time END AS told_at,
        f.file_from
    FROM events AS e
    LEFT JOIN files AS f USING (session_id)
),
flagged AS (
    SELECT *,
        row_number() OVER lane AS place,
        coalesce(
            lag(kind) OVER lane IN ('still_waiting', 'avoided') AND CASE kind
                WHEN 'other' THEN FALSE
                -- an error without a statement, after one with, is of a session that was idle
                WHEN 'error' THEN
                    coalesce(lag(statement) OVER lane = statement, lag(statement) OVER lane IS NULL)
                    AND CASE WHEN file_from IS NULL
                        THEN lag(session_line_num) OVER lane = session_line_num - 1
                        ELSE lag(who) OVER lane = who END
                -- a log time may be of whole seconds
                ELSE lag(lock) OVER lane = lock
                    AND abs(from_us - lag(from_us) OVER lane) < 2000000
            END,
            FALSE
        ) AS continues
    FROM placed
    WINDOW lane AS (PARTITION BY lane ORDER BY told_at, file_from, session_line_num)
),
episodes AS (
    SELECT *,
        sum(CASE WHEN continues THEN 0 ELSE 1 END) OVER (
            PARTITION BY lane ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS episode
    FROM flagged
),
waits AS (
    SELECT
        arg_min(session_id, place) AS session_id,
        arg_min(session_line_num, place) AS wait_line_num,
        arg_min(log_time, place) - to_microseconds(arg_min(waited_us, place)) AS started_at,
        arg_max(kind, place) AS last_kind,
        max(log_time) AS last_at,
        max(sql_state_code) AS sql_state_code,
        max(waited_us) AS waited_us,
        max(process_id) AS process_id,
        max(log_time) FILTER (WHERE waited_us IS NOT NULL) AS told_at,
        arg_max(session_id, place) FILTER (WHERE waited_us IS NOT NULL) AS told_session,
        arg_max(session_line_num, place) FILTER (WHERE waited_us IS NOT NULL) AS told_line
    FROM episodes
    GROUP BY lane, episode
    HAVING count(waited_us) > 0
),
doubtful AS (
    -- no end, or one whose session is only known by a process id
    SELECT session_id, wait_line_num, process_id, told_at, told_session, told_line
    FROM waits
    WHERE last_kind IN ('still_waiting', 'avoided')
        OR (last_kind = 'error' AND contains(session_id, '~'))
),
followers AS (
    SELECT session_id, session_line_num, process_id, log_time
    FROM pg_log
    WHERE process_id IN (SELECT process_id FROM doubtful)
        OR session_id IN (SELECT told_session FROM doubtful)
),
bounds AS (
    SELECT d.session_id, d.wait_line_num,
        least(s.log_time, p.log_time) AS next_at,
        x.log_time AS stopped_at,
        n.log_time AS restarted_at
    FROM doubtful AS d
    ASOF LEFT JOIN followers AS s
        ON s.session_id = d.told_session AND d.told_line < s.session_line_num
    ASOF LEFT JOIN followers AS p ON p.process_id = d.process_id AND d.told_at < p.log_time
    ASOF LEFT JOIN log_stops AS x ON d.told_at <= x.log_time
    ASOF LEFT JOIN (FROM log_stops WHERE is_start) AS n ON d.told_at < n.log_time
),
bounded AS (
    SELECT w.*, b.next_at, b.stopped_at, e.log_ended_at,
        w.last_kind = 'error'
            AND coalesce(w.last_at <= least(b.next_at, b.restarted_at), TRUE) AS ends_in_error
    FROM waits AS w
    LEFT JOIN bounds AS b USING (session_id, wait_line_num)
    CROSS JOIN (SELECT max(log_time) AS log_ended_at FROM pg_log) AS e
),
ended AS (
    SELECT *,
        CASE WHEN ends_in_error OR last_kind IN ('acquired', 'deadlock', 'failed') THEN last_at END
            AS ended_at,
        CASE WHEN ends_in_error THEN sql_state_code END AS end_sql_state_code,
        CASE WHEN ends_in_error THEN last_at
            WHEN last_kind IN ('acquired', 'deadlock', 'failed') THEN NULL
            WHEN next_at IS NULL OR stopped_at <= next_at THEN coalesce(stopped_at, log_ended_at)
            END AS lasted_to
    FROM bounded
)
SELECT
    w.session_id,
    w.wait_line_num,
    coalesce(l.process_id, l.waiter_pid) AS process_id,
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
    w.ended_at,
    coalesce(w.ended_at, least(w.next_at, w.stopped_at, w.log_ended_at)) AS ended_by,
    CASE
        WHEN w.ended_at IS NULL THEN 'unknown'
        WHEN w.last_kind IN ('acquired', 'deadlock') THEN w.last_kind
        WHEN w.end_sql_state_code = '40P01' THEN 'deadlock'
        ELSE 'error'
    END AS outcome,
    w.end_sql_state_code,
    greatest(w.waited_us, CAST(epoch_us(w.lasted_to) - epoch_us(w.started_at) AS BIGINT)) AS wait_us
FROM ended AS w
JOIN log_lock_lines AS l
    ON l.session_id = w.session_id AND l.session_line_num = w.wait_line_num
