-- Durations of the server log.
-- Grain: one kind ('statements': simple and extended execution and fastpath calls, 'binds', 'parses',
--   'plans': of auto_explain, which tells a statement's time again, 'bare': log_duration without a
--   text, of whatever step, 'all').
-- Columns: kind, count, sum_us, p50_us, p95_us, p99_us, max_us (microseconds; percentiles are
--   nearest-rank: each is a duration that was logged).
WITH told AS (
    SELECT
        CASE kind WHEN 'bind' THEN 'binds' WHEN 'parse' THEN 'parses' WHEN 'plan' THEN 'plans'
            WHEN 'bare' THEN 'bare' ELSE 'statements' END AS kind,
        duration_us
    FROM log_durations
),
both_ways AS (
    SELECT kind, duration_us FROM told
    UNION ALL
    SELECT 'all' AS kind, duration_us FROM told
)
SELECT
    kind,
    count(*) AS count,
    CAST(sum(duration_us) AS BIGINT) AS sum_us,
    CAST(percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_us) AS BIGINT) AS p50_us,
    CAST(percentile_disc(0.95) WITHIN GROUP (ORDER BY duration_us) AS BIGINT) AS p95_us,
    CAST(percentile_disc(0.99) WITHIN GROUP (ORDER BY duration_us) AS BIGINT) AS p99_us,
    CAST(max(duration_us) AS BIGINT) AS max_us
FROM both_ways
GROUP BY kind
ORDER BY kind
