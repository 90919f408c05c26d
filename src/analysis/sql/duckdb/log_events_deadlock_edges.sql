-- Deadlock graphs, from the DETAIL of the victim's error.
-- Grain: one edge "waiter is blocked by blocker" of one deadlock.
-- Columns: log_time, session_id, session_line_num (of the victim's error: they name the deadlock),
--   victim_pid, waiter_pid, mode, target (as the server words it), relation_oid, blocker_pid,
--   waiter_statement (first line of it, literals masked as stored; NULL when the log has none).
WITH deadlocks AS (
    SELECT log_time, session_id, session_line_num, process_id, detail
    FROM log_records
    WHERE error_severity IN ('ERROR', 'FATAL') AND detail IS NOT NULL
        AND (sql_state_code = '40P01' OR message = 'deadlock detected')
),
lines AS (
    SELECT log_time, session_id, session_line_num, process_id,
        unnest(string_split(detail, chr(10))) AS line
    FROM deadlocks
),
edges AS (
    SELECT *,
        regexp_extract(
            line, '^Process (\d+) waits for (\w+) on (.+); blocked by process (\d+)\.$',
            ['waiter', 'mode', 'target', 'blocker']
        ) AS m
    FROM lines
),
statements AS (
    SELECT session_id, session_line_num,
        TRY_CAST(regexp_extract(line, '^Process (\d+): ', 1) AS BIGINT) AS pid,
        any_value(regexp_extract(line, '^Process \d+: (.*)$', 1)) AS statement
    FROM lines
    WHERE regexp_matches(line, '^Process \d+: ')
    GROUP BY ALL
)
SELECT
    e.log_time,
    e.session_id,
    e.session_line_num,
    e.process_id AS victim_pid,
    TRY_CAST(e.m.waiter AS BIGINT) AS waiter_pid,
    e.m.mode AS mode,
    e.m.target AS target,
    TRY_CAST(nullif(regexp_extract(e.m.target, 'relation (\d+) of database', 1), '') AS BIGINT)
        AS relation_oid,
    TRY_CAST(e.m.blocker AS BIGINT) AS blocker_pid,
    s.statement AS waiter_statement
FROM edges AS e
LEFT JOIN statements AS s
    ON s.session_id = e.session_id AND s.session_line_num = e.session_line_num
    AND s.pid = TRY_CAST(e.m.waiter AS BIGINT)
WHERE e.m.waiter <> ''
