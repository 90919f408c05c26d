-- grain: one function (as in timeline_functions) in one interval of intended arrival
-- parameters: $bucket_us (width, microseconds)
-- columns: operation, funding, bucket, offered (attempts), answered (approved or declined)
SELECT
    operation,
    CASE WHEN any_funding THEN 'all' ELSE funding END AS funding,
    CAST(floor(scheduled_us / $bucket_us) AS BIGINT) AS bucket,
    count(*) AS offered,
    count(*) FILTER (WHERE outcome IN ('approved', 'declined')) AS answered
FROM tl_attempts
CROSS JOIN (SELECT TRUE AS any_funding UNION ALL SELECT FALSE) AS w
WHERE funding <> '' OR NOT any_funding
GROUP BY any_funding, operation, CASE WHEN any_funding THEN 'all' ELSE funding END, 3
ORDER BY any_funding DESC, 1, 2, 3
