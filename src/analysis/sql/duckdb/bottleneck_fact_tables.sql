-- grain: one counter of one object, from samples of the statistics views
-- columns: view, object, metric, during (growth inside the window), before (growth before it),
--   near_start (growth from shortly before the window to shortly after its begin), lost (the object
--   was there before the window and is missing from its middle sample on)
WITH middle AS (
    SELECT min(sampled_at) AS middle_at FROM bn_counters WHERE bucket >= ($first + $last) // 2
)
SELECT
    view, object, metric,
    coalesce(sum(CASE WHEN bucket BETWEEN $first AND $last THEN delta END), 0) AS during,
    coalesce(sum(CASE WHEN bucket < $first THEN delta END), 0) AS before,
    coalesce(sum(CASE WHEN bucket BETWEEN $first - $slack AND $first + 2 THEN delta END), 0)
        AS near_start,
    count(CASE WHEN bucket < $first THEN 1 END) > 0
        AND count(CASE WHEN sampled_at >= (SELECT middle_at FROM middle) AND bucket <= $last THEN 1 END) = 0
        AND (SELECT middle_at FROM middle) IS NOT NULL AS lost
FROM bn_counters
WHERE view IN ('pg_stat_user_tables', 'pg_stat_user_indexes', 'pg_stat_database')
GROUP BY view, object, metric
ORDER BY view, object, metric
