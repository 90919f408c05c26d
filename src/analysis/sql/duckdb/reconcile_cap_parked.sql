-- Lowers what is due on parked card money to what the wallet can still give back; changes the table findings.
-- Reads the table parked (reconcile_parked).
-- Grain of the change: one idempotency key. Money in whole yen.
UPDATE findings SET
  card_due_jpy = captured_jpy - parked_jpy + parked.returnable_jpy,
  finding = CASE WHEN captured_jpy - parked_jpy + parked.returnable_jpy > 0
                 THEN finding ELSE 'card_part_spent' END
FROM parked
WHERE parked.idempotency_key = findings.idempotency_key
