-- grain: one window of $width buckets
-- columns: window, started (attempts whose work began in it), arrival_rate_per_s, mean_service_us,
--   expected (attempts in work by Little's law: rate x mean), counted (attempts in work as the fronts
--   counted them, mean over the window; NULL when not recorded)
WITH work AS (
    SELECT
        ((epoch_us(started_at) - epoch_us($origin::TIMESTAMPTZ)) // ($bucket_us * $width)) AS "window",
        count(*) AS started,
        avg(service_us) AS mean_service_us
    FROM bn_requests
    WHERE started_at IS NOT NULL AND finished_at IS NOT NULL
    GROUP BY 1
),
gauge AS (
    SELECT "window", sum(in_flight) * 1.0 / count(DISTINCT sampled_second) AS counted
    FROM (
        SELECT bucket // $width AS "window", date_trunc('second', sampled_at) AS sampled_second,
            in_flight
        FROM bn_pool
    )
    GROUP BY 1
)
SELECT w."window", w.started,
    w.started * 1000000.0 / ($bucket_us * $width) AS arrival_rate_per_s,
    w.mean_service_us,
    w.started * w.mean_service_us / ($bucket_us * $width) AS expected,
    g.counted
FROM work w
LEFT JOIN gauge g ON g."window" = w."window"
ORDER BY w."window"
