-- One steady run in figures, counted over its window (warm-up left out).
-- $start, $end = the window, UTC; $good_us = an approved answer within this counts as goodput.
-- Grain: one row. Durations in microseconds from the intended arrival (residence: from the start of work).
-- Latencies leave out requests that were shed: they were refused at once. Rates are per second of the window.
WITH arrived AS (
  SELECT *,
    date_diff('microsecond', scheduled_at, finished_at) AS latency_us,
    date_diff('microsecond', started_at, finished_at) AS residence_us
  FROM requests
  WHERE scheduled_at >= CAST($start AS TIMESTAMP WITH TIME ZONE)
    AND scheduled_at < CAST($end AS TIMESTAMP WITH TIME ZONE)
), answered AS (
  SELECT count(*) AS answers FROM requests
  WHERE outcome IN ('approved', 'declined')
    AND finished_at >= CAST($start AS TIMESTAMP WITH TIME ZONE)
    AND finished_at < CAST($end AS TIMESTAMP WITH TIME ZONE)
)
SELECT
  count(*) AS arrivals,
  count(*) FILTER (WHERE outcome = 'approved') AS approved,
  count(*) FILTER (WHERE outcome = 'declined') AS declined,
  count(*) FILTER (WHERE outcome = 'failed') AS failed,
  count(*) FILTER (WHERE outcome = 'timed_out') AS timed_out,
  count(*) FILTER (WHERE outcome = 'shed') AS shed,
  count(*) FILTER (WHERE outcome = 'approved' AND latency_us <= $good_us) AS good,
  max(answers) AS answers,
  CAST(percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_us) FILTER (WHERE outcome <> 'shed') AS BIGINT)
    AS latency_us_p50,
  CAST(percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_us) FILTER (WHERE outcome <> 'shed') AS BIGINT)
    AS latency_us_p95,
  CAST(percentile_cont(0.99) WITHIN GROUP (ORDER BY latency_us) FILTER (WHERE outcome <> 'shed') AS BIGINT)
    AS latency_us_p99,
  CAST(avg(residence_us) FILTER (WHERE outcome <> 'shed') AS BIGINT) AS residence_us_mean
FROM arrived CROSS JOIN answered
