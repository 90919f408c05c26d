-- grain: one bucket of the start of a stage
-- columns: bucket; medians in microseconds of gateway calls, pool waits, statements and commits;
--   gateway_us_p95, statement_us_p95, commit_us_p95; gateway_calls (count)
SELECT
    bucket,
    percentile_cont(0.5) WITHIN GROUP
        (ORDER BY CASE WHEN span = 'gateway_call' THEN duration_us END) AS gateway_us_p50,
    percentile_cont(0.95) WITHIN GROUP
        (ORDER BY CASE WHEN span = 'gateway_call' THEN duration_us END) AS gateway_us_p95,
    percentile_cont(0.5) WITHIN GROUP
        (ORDER BY CASE WHEN span = 'pool_wait' THEN duration_us END) AS pool_wait_us_p50,
    percentile_cont(0.5) WITHIN GROUP
        (ORDER BY CASE WHEN span = 'statement' THEN duration_us END) AS statement_us_p50,
    percentile_cont(0.95) WITHIN GROUP
        (ORDER BY CASE WHEN span = 'statement' THEN duration_us END) AS statement_us_p95,
    percentile_cont(0.5) WITHIN GROUP
        (ORDER BY CASE WHEN span = 'commit' THEN duration_us END) AS commit_us_p50,
    percentile_cont(0.95) WITHIN GROUP
        (ORDER BY CASE WHEN span = 'commit' THEN duration_us END) AS commit_us_p95,
    count(*) FILTER (WHERE span = 'gateway_call') AS gateway_calls
FROM bn_spans
GROUP BY bucket
ORDER BY bucket
