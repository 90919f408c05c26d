-- grain: one bucket with logged durations
-- columns: bucket, log_statements (statements that ended), log_slow (of them, those of 0.1 s and more),
--   log_aas (sessions in logged statements, mean), log_duration_us_p95 (of statements that ended)
SELECT
    o.bucket,
    coalesce(d.log_statements, 0) AS log_statements,
    coalesce(d.log_slow, 0) AS log_slow,
    o.log_aas,
    d.log_duration_us_p95
FROM (SELECT bucket, log_aas FROM bn_overlap WHERE log_aas IS NOT NULL) o
LEFT JOIN (
    SELECT bucket, count(*) AS log_statements,
        count(*) FILTER (WHERE duration_us >= 100000) AS log_slow,
        percentile_disc(0.95) WITHIN GROUP (ORDER BY duration_us) AS log_duration_us_p95
    FROM bn_durations
    GROUP BY bucket
) d ON d.bucket = o.bucket
ORDER BY o.bucket
