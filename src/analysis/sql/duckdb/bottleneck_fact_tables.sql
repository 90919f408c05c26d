-- grain: one counter of one object, from samples of the statistics views
-- columns: view, object, metric, during (growth inside the window), before (growth before it),
--   near_start (growth from shortly before the window to shortly after its begin), lost (the object
--   was there before the window and is missing from most of its samples)
WITH inside AS (
    SELECT count(DISTINCT sampled_at) AS samples FROM bn_counters WHERE bucket BETWEEN $first AND $last
)
SELECT
    view, object, metric,
    coalesce(sum(CASE WHEN bucket BETWEEN $first AND $last THEN delta END), 0) AS during,
    coalesce(sum(CASE WHEN bucket < $first THEN delta END), 0) AS before,
    coalesce(sum(CASE WHEN bucket BETWEEN $first - $slack AND $first + 2 THEN delta END), 0)
        AS near_start,
    count(CASE WHEN bucket < $first THEN 1 END) > 0
        AND 2 * count(CASE WHEN bucket BETWEEN $first AND $last THEN 1 END)
            < (SELECT samples FROM inside) AS lost
FROM bn_counters
WHERE view IN ('pg_stat_user_tables', 'pg_stat_user_indexes', 'pg_stat_database')
GROUP BY view, object, metric
ORDER BY view, object, metric
