-- What the client was told about each intention, whatever the number of attempts.
-- Grain: one idempotency key. Money in whole yen, times UTC.
-- told: approved when any attempt was; else timed_out (the client does not know); else failed, declined, shed.
-- Columns: idempotency_key, operation, wallet_id, asked_jpy, needs_auto_charge, attempts, told, outcome_unknown (the client
--   was never told for certain), first_at (first intended arrival), told_at (the last answer, NULL when there was none).
SELECT
  idempotency_key,
  min(operation) AS operation,
  min(wallet_id) AS wallet_id,
  max(amount_jpy) AS asked_jpy,
  bool_or(needs_auto_charge) AS needs_auto_charge,
  count(*) AS attempts,
  CASE WHEN bool_or(outcome = 'approved') THEN 'approved'
       WHEN bool_or(outcome = 'timed_out') THEN 'timed_out'
       WHEN bool_or(outcome = 'failed') THEN 'failed'
       WHEN bool_or(outcome = 'declined') THEN 'declined'
       ELSE 'shed' END AS told,
  bool_or(outcome = 'timed_out' OR coalesce(reason, '') = 'outcome_unknown')
    AND NOT bool_or(outcome = 'approved') AS outcome_unknown,
  min(scheduled_at) AS first_at,
  max(finished_at) AS told_at
FROM requests
WHERE operation <> 'balance_inquiry'
GROUP BY idempotency_key
