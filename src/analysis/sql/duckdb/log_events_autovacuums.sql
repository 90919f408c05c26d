-- Automatic vacuum and analyze runs (log_autovacuum_min_duration).
-- Grain: one such record.
-- Columns: log_time (end), started_at, kind ('vacuum', 'analyze'), aggressive (BOOLEAN),
--   prevents_wraparound (BOOLEAN), relation_name ("database.schema.table"), elapsed_us
--   (microseconds; NULL when not told), pages_removed, tuples_removed, tuples_remain,
--   tuples_dead_not_removable, buffer_misses, buffer_dirtied, session_id, session_line_num.
WITH lines AS (
    SELECT log_time, session_id, session_line_num, message,
        regexp_extract(
            message, '^automatic (aggressive )?(vacuum|analyze)( to prevent wraparound)? of table "((?:[^"]|"")+)"',
            ['aggressive', 'kind', 'wraparound', 'relation']
        ) AS m,
        CAST(TRY_CAST(regexp_extract(message, 'elapsed: (\d+\.\d+) s', 1) AS DECIMAL(18, 6))
            * 1000000 AS BIGINT) AS elapsed_us
    FROM log_records
    WHERE message LIKE 'automatic % of table %'
)
SELECT
    log_time,
    log_time - to_microseconds(coalesce(elapsed_us, 0)) AS started_at,
    m.kind AS kind,
    m.aggressive <> '' AS aggressive,
    m.wraparound <> '' AS prevents_wraparound,
    m.relation AS relation_name,
    elapsed_us,
    TRY_CAST(nullif(regexp_extract(message, 'pages: (\d+) removed', 1), '') AS BIGINT)
        AS pages_removed,
    TRY_CAST(nullif(regexp_extract(message, 'tuples: (\d+) removed', 1), '') AS BIGINT)
        AS tuples_removed,
    TRY_CAST(nullif(regexp_extract(message, 'tuples: \d+ removed, (\d+) remain', 1), '') AS BIGINT)
        AS tuples_remain,
    TRY_CAST(nullif(regexp_extract(message, '(\d+) are dead but not yet removable', 1), '')
        AS BIGINT) AS tuples_dead_not_removable,
    TRY_CAST(nullif(regexp_extract(message, 'buffer usage: \d+ hits, (\d+) (?:misses|reads)', 1), '')
        AS BIGINT) AS buffer_misses,
    TRY_CAST(nullif(regexp_extract(message, '(\d+) dirtied', 1), '') AS BIGINT) AS buffer_dirtied,
    session_id,
    session_line_num
FROM lines
WHERE m.kind <> ''
