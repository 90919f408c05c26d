-- grain: one row
-- columns: share (of gateway calls in the window that ended at the longest time any call takes, to 5 %,
--   where that is at least half a second and five times the usual median: they ran into a timeout)
-- The 98th percentile stands for the longest time: single calls may end later than their timeout.
WITH calls AS (
    SELECT duration_us, bucket BETWEEN $first AND $last AS inside
    FROM bn_spans
    WHERE span = 'gateway_call'
),
usual AS (
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_us) AS p50 FROM calls WHERE NOT inside
),
ending AS (
    SELECT percentile_disc(0.98) WITHIN GROUP (ORDER BY duration_us) AS limit_us
    FROM calls WHERE inside
)
SELECT avg(CASE
    WHEN duration_us >= 0.95 * limit_us AND limit_us >= greatest(500000, 5 * coalesce(p50, 0))
        THEN 1.0
    ELSE 0.0
    END) AS share
FROM calls, usual, ending
WHERE inside
