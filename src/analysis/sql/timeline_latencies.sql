-- grain: one attempt that was not shed, with the phase of its intended arrival
-- columns: position, phase, response_us (from the intended arrival), service_us
SELECT p.position, p.phase, a.response_us, a.service_us
FROM tl_attempts a
JOIN tl_phases p ON a.scheduled_us >= p.start_us AND a.scheduled_us < p.end_us
WHERE a.outcome <> 'shed' AND a.response_us IS NOT NULL
ORDER BY p.position, a.response_us, a.service_us
