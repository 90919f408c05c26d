-- grain: one interval of intended arrival with at least one attempt that was not shed
-- parameters: $bucket_us (width, microseconds)
-- columns: bucket, measured (attempts), response_us_p50, _p90, _p99, _max (from the intended arrival),
--   service_us_p50, _p90, _p99 (from the start of work)
-- A shed attempt is refused at once and would flatter the percentiles, so it is left out; an attempt
-- that timed out counts with the time its client waited, a lower bound of the truth.
SELECT
    CAST(floor(scheduled_us / $bucket_us) AS BIGINT) AS bucket,
    count(*) AS measured,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY response_us) AS response_us_p50,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY response_us) AS response_us_p90,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY response_us) AS response_us_p99,
    max(response_us) AS response_us_max,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY service_us) AS service_us_p50,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY service_us) AS service_us_p90,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY service_us) AS service_us_p99
FROM tl_attempts
WHERE outcome <> 'shed' AND response_us IS NOT NULL
GROUP BY 1
ORDER BY 1
