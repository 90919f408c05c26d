-- grain: one statement fingerprint of the log
-- columns: query_id, statement, during_us (logged time in the window), outside_us, calls_during,
--   p50_during_us, p50_outside_us
SELECT
    f.query_id,
    f.statement,
    d.during_us,
    d.outside_us,
    d.calls_during,
    d.p50_during_us,
    d.p50_outside_us
FROM (
    SELECT
        fingerprint,
        coalesce(sum(CASE WHEN bucket BETWEEN $first AND $last THEN duration_us END), 0) AS during_us,
        coalesce(sum(CASE WHEN bucket NOT BETWEEN $first AND $last THEN duration_us END), 0)
            AS outside_us,
        count(CASE WHEN bucket BETWEEN $first AND $last THEN 1 END) AS calls_during,
        percentile_disc(0.5) WITHIN GROUP
            (ORDER BY CASE WHEN bucket BETWEEN $first AND $last THEN duration_us END) AS p50_during_us,
        percentile_disc(0.5) WITHIN GROUP
            (ORDER BY CASE WHEN bucket NOT BETWEEN $first AND $last THEN duration_us END)
            AS p50_outside_us
    FROM bn_durations
    GROUP BY fingerprint
) d
JOIN bn_fingerprints f ON f.fingerprint = d.fingerprint
ORDER BY d.during_us DESC, f.statement
LIMIT 20
