-- grain: one phase of the run that had an arrival
-- columns: position, phase, seconds (length), offered, answered (approved or declined), failed,
--   timed_out, shed, response_us_p50, _p90, _p99, service_us_p99 (of what was not shed)
SELECT
    p.position,
    p.phase,
    max(p.end_us - p.start_us) / 1000000.0 AS seconds,
    count(*) AS offered,
    count(*) FILTER (WHERE outcome IN ('approved', 'declined')) AS answered,
    count(*) FILTER (WHERE outcome = 'failed') AS failed,
    count(*) FILTER (WHERE outcome = 'timed_out') AS timed_out,
    count(*) FILTER (WHERE outcome = 'shed') AS shed,
    percentile_cont(0.5) WITHIN GROUP (
        ORDER BY CASE WHEN outcome <> 'shed' THEN response_us END) AS response_us_p50,
    percentile_cont(0.9) WITHIN GROUP (
        ORDER BY CASE WHEN outcome <> 'shed' THEN response_us END) AS response_us_p90,
    percentile_cont(0.99) WITHIN GROUP (
        ORDER BY CASE WHEN outcome <> 'shed' THEN response_us END) AS response_us_p99,
    percentile_cont(0.99) WITHIN GROUP (
        ORDER BY CASE WHEN outcome <> 'shed' THEN service_us END) AS service_us_p99
FROM tl_attempts a
JOIN tl_phases p ON a.scheduled_us >= p.start_us AND a.scheduled_us < p.end_us
GROUP BY p.position, p.phase
ORDER BY p.position
