-- grain: one interval of intended arrival x one band of latency (attempts that were not shed)
-- parameters: $bucket_us (width of the interval), $bands_per_decade (bands in each factor of ten)
-- columns: bucket, band (floor of bands_per_decade x log10 of the latency in microseconds), attempts
SELECT
    CAST(floor(scheduled_us / $bucket_us) AS BIGINT) AS bucket,
    CAST(floor($bands_per_decade * log10(greatest(response_us, 1))) AS BIGINT) AS band,
    count(*) AS attempts
FROM tl_attempts
WHERE outcome <> 'shed' AND response_us IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2
