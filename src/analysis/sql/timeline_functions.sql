-- grain: one function in one phase of the run, by intended arrival: an operation with one funding, and
--   an operation that has fundings with all of them together (funding 'all'; these rows come first)
-- parameters: $threshold_us (an answer slower than this is late)
-- columns: position, phase, operation, funding, offered (attempts), answered (approved or declined),
--   in_time (answered within the threshold), approved, failed, timed_out, shed, intentions (distinct
--   idempotency keys), intentions_answered (of them with an answered attempt in this phase)
SELECT
    p.position,
    p.phase,
    a.operation,
    CASE WHEN w.any_funding THEN 'all' ELSE a.funding END AS funding,
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
CROSS JOIN (SELECT TRUE AS any_funding UNION ALL SELECT FALSE) AS w
JOIN tl_phases p ON a.scheduled_us >= p.start_us AND a.scheduled_us < p.end_us
WHERE a.funding <> '' OR NOT w.any_funding
GROUP BY p.position, p.phase, a.operation, w.any_funding,
    CASE WHEN w.any_funding THEN 'all' ELSE a.funding END
ORDER BY w.any_funding DESC, a.operation, funding, p.position
