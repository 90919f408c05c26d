-- grain: one row a side of the window ('during', 'before')
-- columns: side, calls, p50_us, p90_us, max_us
SELECT
    CASE WHEN bucket BETWEEN $first AND $last THEN 'during' ELSE 'before' END AS side,
    count(*) AS calls,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_us) AS p50_us,
    percentile_disc(0.9) WITHIN GROUP (ORDER BY duration_us) AS p90_us,
    max(duration_us) AS max_us
FROM bn_spans
WHERE span = 'gateway_call' AND bucket <= $last
GROUP BY 1
ORDER BY side
