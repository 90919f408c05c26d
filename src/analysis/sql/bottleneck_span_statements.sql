-- grain: one named stage inside the database: statement or commit, as the client measured it
-- columns: span, name, calls, total_us, p50_us, p95_us, p99_us, p999_us, max_us (exact: each
--   percentile is a measured value, the one at rank ceil(p x calls))
SELECT
    span,
    name,
    count(*) AS calls,
    CAST(sum(duration_us) AS BIGINT) AS total_us,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_us) AS p50_us,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY duration_us) AS p95_us,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY duration_us) AS p99_us,
    percentile_disc(0.999) WITHIN GROUP (ORDER BY duration_us) AS p999_us,
    max(duration_us) AS max_us
FROM bn_spans
WHERE span IN ('statement', 'commit') AND bucket BETWEEN $first AND $last
GROUP BY span, name
ORDER BY total_us DESC, span, name
