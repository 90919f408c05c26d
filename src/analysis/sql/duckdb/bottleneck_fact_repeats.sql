-- grain: one row
-- columns: repeats (later attempts scheduled in the window), pause_us_p50 (from the end of an attempt to
--   the intended start of the next one), attempt_max, repeated (requests that these attempts repeat)
SELECT
    count(*) AS repeats,
    count(DISTINCT request_id) AS repeated,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY pause_us) AS pause_us_p50,
    max(attempt) AS attempt_max
FROM (
    SELECT request_id, bucket, attempt,
        epoch_us(scheduled_at) - lag(epoch_us(finished_at))
            OVER (PARTITION BY request_id ORDER BY attempt) AS pause_us
    FROM bn_requests
)
WHERE attempt > 1 AND bucket BETWEEN $first AND $last
