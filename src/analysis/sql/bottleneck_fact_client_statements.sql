-- grain: one named statement as clients measured it
-- columns: name, calls_during, p50_during_us, p50_outside_us (medians inside and outside the window)
SELECT
    name,
    count(CASE WHEN bucket BETWEEN $first AND $last THEN 1 END) AS calls_during,
    percentile_disc(0.5) WITHIN GROUP
        (ORDER BY CASE WHEN bucket BETWEEN $first AND $last THEN duration_us END) AS p50_during_us,
    percentile_disc(0.5) WITHIN GROUP
        (ORDER BY CASE WHEN bucket NOT BETWEEN $first AND $last THEN duration_us END)
        AS p50_outside_us
FROM bn_spans
WHERE span = 'statement'
GROUP BY name
ORDER BY name
