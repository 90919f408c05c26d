-- Where the time of each approved request went, from its spans: what a model needs to be calibrated.
-- $start, $end = the window of intended arrivals, UTC.
-- Grain: one approved request. Durations in microseconds. Sorted by request.
-- tx_us = all transactions; first_us = first statement of the first one; gateway_us = card calls; commit_us = commits;
-- visits = transactions; latency_us = from the intended arrival.
SELECT r.request_id, r.operation, coalesce(r.needs_auto_charge, FALSE) AS auto_charged,
  date_diff('microsecond', r.scheduled_at, r.finished_at) AS latency_us,
  CAST(coalesce(sum(s.duration_us) FILTER (WHERE s.span = 'ledger_tx'), 0) AS BIGINT) AS tx_us,
  CAST(coalesce(sum(s.duration_us) FILTER (WHERE s.span = 'statement' AND s.name NOT LIKE '%finish%'), 0)
    AS BIGINT) AS first_us,
  CAST(coalesce(sum(s.duration_us) FILTER (WHERE s.span = 'gateway_call'), 0) AS BIGINT) AS gateway_us,
  CAST(coalesce(sum(s.duration_us) FILTER (WHERE s.span = 'commit'), 0) AS BIGINT) AS commit_us,
  count(*) FILTER (WHERE s.span = 'ledger_tx') AS visits
FROM requests r
JOIN spans s ON s.request_id = r.request_id AND s.attempt = r.attempt
WHERE r.outcome = 'approved' AND r.attempt = 1
  AND r.scheduled_at >= CAST($start AS TIMESTAMP WITH TIME ZONE)
  AND r.scheduled_at < CAST($end AS TIMESTAMP WITH TIME ZONE)
GROUP BY r.request_id, r.operation, coalesce(r.needs_auto_charge, FALSE), r.scheduled_at, r.finished_at
ORDER BY r.request_id
