-- Everything of the given files that is not in pg_log, and why.
-- Grain: one line (or run of empty lines, or record) set aside.
-- Columns: file, byte_offset and line of its start (NULL where not known), lines (physical lines it
--   stands for), reason, text (its beginning, literals masked unless the import kept them).
-- Needs the tables set_aside (of the careful readers), part_files (part -> file), source_files
--   (source_index -> file), losers, and the view parts.
SELECT file, byte_offset, line, lines, reason, mask_strict(text) AS text
FROM set_aside
UNION ALL BY NAME
SELECT s.file, p.source_offset AS byte_offset, p.source_line AS line, p.source_lines AS lines,
    split_part(p.fault, ':', 1) AS reason, left(p.fault || ' | ' || coalesce(p.message, ''), 500)
        AS text
FROM parts AS p
JOIN source_files AS s ON s.source_index = p.source_index
WHERE p.fault IS NOT NULL
UNION ALL BY NAME
SELECT coalesce(s.file, f.file) AS file, p.source_offset AS byte_offset, p.source_line AS line,
    coalesce(p.source_lines, 1) AS lines, l.reason,
    left(p.session_id || ',' || p.session_line_num || ' | ' || coalesce(p.message, ''), 500) AS text
FROM (
    -- the table has no reasons when it has no rows
    FROM losers
    UNION ALL BY NAME SELECT NULL::VARCHAR AS reason WHERE FALSE
) AS l
JOIN parts AS p ON p.part = l.part AND p.part_row = l.part_row
LEFT JOIN part_files AS f ON f.part = l.part
LEFT JOIN source_files AS s ON s.source_index = p.source_index
