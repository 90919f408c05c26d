-- grain: one minute of the incident clock in which an attempt ended, by the time it ended
-- parameters: $minute_us (one minute of the incident clock in run time, microseconds; may be a
--   fraction), $threshold_us (an answer slower than this is bad)
-- columns: minute (0 is the run's start), total (attempts ended), bad (failed, timed out, shed, or
--   answered late)
SELECT
    CAST(floor(finished_us / $minute_us) AS BIGINT) AS minute,
    count(*) AS total,
    count(*) FILTER (
        WHERE outcome NOT IN ('approved', 'declined') OR response_us > $threshold_us) AS bad
FROM tl_attempts
WHERE finished_us IS NOT NULL
GROUP BY 1
ORDER BY 1
