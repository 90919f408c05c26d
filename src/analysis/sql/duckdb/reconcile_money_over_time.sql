-- Money asked for over time, by how it ended, and the part of it that is owed back.
-- Reads the table findings. $bucket_s = width of a bucket in whole seconds.
-- Grain: one bucket of the first intended arrival. Money in whole yen, time UTC. Sorted by time.
WITH placed AS (
  SELECT *, CAST(floor(date_diff('second', TIMESTAMP WITH TIME ZONE '1970-01-01 00:00:00+00', first_at)
                       / CAST($bucket_s AS DOUBLE)) AS BIGINT) * $bucket_s AS epoch_s
  FROM findings WHERE first_at IS NOT NULL
)
SELECT epoch_s,
  CAST(coalesce(sum(asked_jpy) FILTER (WHERE told = 'approved'), 0) AS BIGINT) AS approved_jpy,
  CAST(coalesce(sum(asked_jpy) FILTER (WHERE told = 'declined'), 0) AS BIGINT) AS declined_jpy,
  CAST(coalesce(sum(asked_jpy) FILTER (WHERE told = 'failed'), 0) AS BIGINT) AS failed_jpy,
  CAST(coalesce(sum(asked_jpy) FILTER (WHERE told IN ('timed_out', 'shed')), 0) AS BIGINT) AS abandoned_jpy,
  CAST(sum(card_due_jpy + balance_due_jpy) AS BIGINT) AS due_jpy,
  count(*) AS intentions
FROM placed
GROUP BY epoch_s
ORDER BY epoch_s
