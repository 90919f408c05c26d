-- What neither book can decide, or what a person must follow up: never refunded on a guess.
-- Reads the table findings.
-- Grain: one intention. Money in whole yen. Sorted by key.
SELECT idempotency_key, finding AS reason, wallet_id, operation, asked_jpy, told,
  captured_jpy, card_jpy, shortfall_jpy
FROM findings
WHERE finding IN ('approved_but_unpaid', 'credited_but_uncaptured', 'card_part_spent', 'refund_not_at_card',
  'outcome_unknown')
ORDER BY idempotency_key
