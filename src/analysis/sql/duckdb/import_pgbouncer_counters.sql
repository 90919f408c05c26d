-- pgBouncer's "stats:" lines as counters.
-- Grain: one number of one stats line. Columns as in the contract's pg_counters; view is
--   'pgbouncer_stats', metric is the line's own word with its unit (xacts_per_s, wait_us, ...).
WITH lines AS (
    SELECT DISTINCT ON (log_time, process_id) log_time, process_id, message
    FROM parts
    WHERE fault IS NULL AND backend_type = 'pgbouncer'
        AND (message LIKE 'stats: %' OR message LIKE 'Stats: %')
),
numbers AS (
    SELECT log_time, process_id,
        unnest([
            {'metric': 'xacts_per_s', 'value': regexp_extract(message, '(\d+) xacts/s', 1)},
            {'metric': 'queries_per_s', 'value': regexp_extract(message, '(\d+) queries/s', 1)},
            {'metric': 'in_bytes_per_s', 'value': regexp_extract(message, 'in (\d+) B/s', 1)},
            {'metric': 'out_bytes_per_s', 'value': regexp_extract(message, 'out (\d+) B/s', 1)},
            {'metric': 'xact_us', 'value': regexp_extract(message, 'xact (\d+) us', 1)},
            {'metric': 'query_us', 'value': regexp_extract(message, 'query (\d+) us', 1)},
            {'metric': 'wait_us', 'value': regexp_extract(message, 'wait (?:time )?(\d+) us', 1)}
        ]) AS n
    FROM lines
)
SELECT
    log_time AS sampled_at,
    'pgbouncer_stats' AS view,
    'process ' || process_id AS object,
    n.metric AS metric,
    TRY_CAST(n.value AS DOUBLE) AS value
FROM numbers
WHERE n.value <> ''
