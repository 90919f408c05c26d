-- grain: one row
-- columns: share (of gateway calls in the window that took as long as one another to 2 %, at a length of
--   at least half a second and five times the usual median: they ran into a timeout)
WITH calls AS (
    SELECT duration_us, bucket BETWEEN $first AND $last AS inside
    FROM bn_spans
    WHERE span = 'gateway_call'
),
usual AS (
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_us) AS p50 FROM calls WHERE NOT inside
),
binned AS (
    SELECT floor(ln(duration_us) / ln(1.02)) AS bin, count(*) AS calls
    FROM calls, usual
    WHERE inside AND duration_us >= greatest(500000, 5 * coalesce(p50, 0))
    GROUP BY 1
),
neighbours AS (
    SELECT calls + coalesce(lead(calls) OVER (ORDER BY bin), 0) AS crowd FROM binned
)
SELECT max(crowd) * 1.0 / (SELECT count(*) FROM calls WHERE inside) AS share
FROM neighbours
