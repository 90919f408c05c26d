-- Records that have no place in pg_log beside another one: the later of two with one key, and
-- those of a format without the server's own keys (session_id has a "~") that a csvlog or jsonlog
-- of the same server has too (same process, second, severity and message; a prefix with %t tells
-- whole seconds, cut off).
-- A server gives a key once. Two records of one key that differ in time or severity come from two
-- servers (a session's id is its second and its process id), of which the key has room for one.
-- Grain: one record to leave out, of the view parts.
-- Columns: part, part_row (with part the place of the record), reason.
WITH keys AS (
    SELECT session_id, session_line_num
    FROM parts
    WHERE fault IS NULL
    GROUP BY ALL
    HAVING count(*) > 1
),
ranked AS (
    SELECT part, part_row,
        row_number() OVER same AS place,
        (log_time, error_severity) IS DISTINCT FROM first_value((log_time, error_severity)) OVER same
            AS differs
    FROM parts
    SEMI JOIN keys USING (session_id, session_line_num)
    WHERE fault IS NULL
    WINDOW same AS (PARTITION BY session_id, session_line_num ORDER BY part, part_row)
),
told AS (
    SELECT DISTINCT process_id, epoch_us(log_time) // 1000000 AS second, error_severity, message
    FROM parts
    WHERE fault IS NULL AND NOT contains(session_id, '~')
        AND EXISTS (SELECT 1 FROM parts WHERE fault IS NULL AND contains(session_id, '~'))
),
retold AS (
    SELECT p.part, p.part_row
    FROM parts AS p
    SEMI JOIN told AS t
        ON p.process_id = t.process_id AND epoch_us(p.log_time) // 1000000 = t.second
        AND p.error_severity = t.error_severity AND p.message = t.message
    WHERE p.fault IS NULL AND contains(p.session_id, '~')
),
reasons AS (
    SELECT part, part_row, CASE WHEN differs THEN 'session and line number of another record'
        ELSE 'duplicate of another record' END AS reason
    FROM ranked
    WHERE place > 1
    UNION ALL
    SELECT part, part_row, 'duplicate of another record' FROM retold
)
SELECT part, part_row, min(reason) AS reason
FROM reasons
GROUP BY part, part_row
