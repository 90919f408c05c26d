-- Records that another record of the import already says: the later of two with one key, and
-- those of a format without the server's own keys (session_id has a "~") that a csvlog or jsonlog
-- of the same server has too (same process, second, severity and message).
-- Grain: one record to leave out, of the view parts.
-- Columns: part, part_row (with part the place of the record).
WITH keys AS (
    SELECT session_id, session_line_num
    FROM parts
    WHERE fault IS NULL
    GROUP BY ALL
    HAVING count(*) > 1
),
ranked AS (
    SELECT part, part_row,
        row_number() OVER (
            PARTITION BY session_id, session_line_num ORDER BY part, part_row
        ) AS place
    FROM parts
    SEMI JOIN keys USING (session_id, session_line_num)
    WHERE fault IS NULL
),
told AS (
    SELECT DISTINCT process_id, epoch(log_time)::BIGINT AS second, error_severity, message
    FROM parts
    WHERE fault IS NULL AND NOT contains(session_id, '~')
        AND EXISTS (SELECT 1 FROM parts WHERE fault IS NULL AND contains(session_id, '~'))
),
retold AS (
    SELECT p.part, p.part_row
    FROM parts AS p
    SEMI JOIN told AS t
        ON p.process_id = t.process_id AND epoch(p.log_time)::BIGINT = t.second
        AND p.error_severity = t.error_severity AND p.message = t.message
    WHERE p.fault IS NULL AND contains(p.session_id, '~')
)
SELECT part, part_row FROM ranked WHERE place > 1
UNION
SELECT part, part_row FROM retold
