-- Marks refunds that only one book has; changes the table findings.
-- Reads the table refund_matches (reconcile_refund_matches).
-- Grain of the change: one idempotency key.
-- Half done: the card has its part back, so the balance part is due too, and the ledger must follow.
UPDATE findings SET
  finding = CASE WHEN half_done THEN 'refund_half_done' ELSE 'refund_not_at_card' END,
  balance_due_jpy = CASE WHEN half_done THEN balance_jpy ELSE 0 END,
  gap_jpy = CASE WHEN half_done THEN -part_jpy ELSE part_jpy END
FROM refund_matches
WHERE refund_matches.idempotency_key = findings.idempotency_key
