-- A run second by second: what was asked for and how it ended.
-- $run_start = start of the run, UTC; $good_us = an approved answer within this counts as goodput.
-- Grain: one second of the intended arrival of the first attempt, by intention (idempotency key). Sorted by second.
-- attempts = tries of the intentions of that second, whenever they were made.
WITH intentions AS (
  SELECT idempotency_key,
    min(scheduled_at) AS first_at,
    count(*) AS attempts,
    bool_or(outcome = 'approved') AS approved,
    bool_or(outcome = 'declined') AS declined,
    min(finished_at) FILTER (WHERE outcome = 'approved') AS approved_at
  FROM requests
  WHERE operation <> 'balance_inquiry'
  GROUP BY idempotency_key
)
SELECT
  CAST(floor(date_diff('microsecond', CAST($run_start AS TIMESTAMP WITH TIME ZONE), first_at) / 1000000.0)
    AS BIGINT) AS second,
  count(*) AS intentions,
  CAST(sum(attempts) AS BIGINT) AS attempts,
  count(*) FILTER (WHERE approved) AS approved,
  count(*) FILTER (WHERE declined AND NOT approved) AS declined,
  count(*) FILTER (WHERE NOT approved AND NOT declined) AS unanswered,
  count(*) FILTER (WHERE approved AND date_diff('microsecond', first_at, approved_at) <= $good_us) AS good
FROM intentions
GROUP BY 1
ORDER BY second
