-- The list of refunds due by the official rule: balance part to the balance, card part cancelled.
-- Reads the table findings.
-- Grain: one intention that is owed money. Money in whole yen. Sorted by key.
SELECT idempotency_key,
  card_due_jpy AS card_part_jpy,
  balance_due_jpy AS balance_part_jpy,
  finding AS reason,
  wallet_id, operation, asked_jpy, told, captures, coalesce(captured_at, ledger_first_at) AS since
FROM findings
WHERE card_due_jpy > 0 OR balance_due_jpy > 0
ORDER BY idempotency_key
