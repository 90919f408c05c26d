-- grain: one operation, whatever its funding, in one phase of the run, by intended arrival
-- parameters: $threshold_us (an answer slower than this is late)
-- columns: as in timeline_functions, with funding 'all'
SELECT
    p.position,
    p.phase,
    a.operation,
    'all' AS funding,
    count(*) AS offered,
    count(*) FILTER (WHERE outcome IN ('approved', 'declined')) AS answered,
    count(*) FILTER (
        WHERE outcome IN ('approved', 'declined') AND response_us <= $threshold_us) AS in_time,
    count(*) FILTER (WHERE outcome = 'approved') AS approved,
    count(*) FILTER (WHERE outcome = 'failed') AS failed,
    count(*) FILTER (WHERE outcome = 'timed_out') AS timed_out,
    count(*) FILTER (WHERE outcome = 'shed') AS shed,
    count(DISTINCT idempotency_key) AS intentions,
    count(DISTINCT CASE WHEN outcome IN ('approved', 'declined') THEN idempotency_key END)
        AS intentions_answered
FROM tl_attempts a
JOIN tl_phases p ON a.scheduled_us >= p.start_us AND a.scheduled_us < p.end_us
WHERE a.funding <> ''
GROUP BY p.position, p.phase, a.operation
ORDER BY a.operation, p.position
