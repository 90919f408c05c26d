-- grain: one bucket
-- columns: bucket, worst_statement (natural logarithm of how many times its usual median the statement
--   takes that slowed down most; ten milliseconds are added to both, so that trifles count for little)
-- The usual median of a statement is the lower quartile of its medians a bucket. A median of fewer
-- than five calls is not taken.
WITH medians AS (
    SELECT bucket, name, percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_us) AS p50_us
    FROM bn_spans
    WHERE span = 'statement'
    GROUP BY bucket, name
    HAVING count(*) >= 5
),
usual AS (
    SELECT name, percentile_disc(0.25) WITHIN GROUP (ORDER BY p50_us) AS p50_us
    FROM medians
    GROUP BY name
)
SELECT m.bucket, max(ln((m.p50_us + 10000.0) / (u.p50_us + 10000.0))) AS worst_statement
FROM medians m
JOIN usual u ON u.name = m.name
GROUP BY m.bucket
ORDER BY m.bucket
