-- grain: one function (operation x funding) in one interval of intended arrival
-- parameters: $bucket_us (width, microseconds)
-- columns: operation, funding, bucket, offered (attempts), answered (approved or declined)
SELECT
    operation,
    funding,
    CAST(floor(scheduled_us / $bucket_us) AS BIGINT) AS bucket,
    count(*) AS offered,
    count(*) FILTER (WHERE outcome IN ('approved', 'declined')) AS answered
FROM tl_attempts
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
