-- Card money that a failed purchase left in a balance, and how much of it is still there to be given back.
-- Reads the tables findings and ledger_accounts. Money is fungible: the earliest failure is served first.
-- Grain: one finding 'card_part_in_balance'. Money in whole yen.
-- Columns: idempotency_key, returnable_jpy = the part of parked_jpy that the wallet can still give back.
WITH parked AS (
  SELECT f.idempotency_key, f.parked_jpy,
    greatest(a.credits_posted_jpy - a.debits_posted_jpy - a.debits_pending_jpy, 0) AS available_jpy,
    sum(f.parked_jpy) OVER (PARTITION BY f.wallet_id ORDER BY f.ledger_first_at, f.idempotency_key)
      - f.parked_jpy AS served_before_jpy
  FROM findings f
  JOIN ledger_accounts a ON a.account_id = f.wallet_id
  WHERE f.finding = 'card_part_in_balance'
)
SELECT idempotency_key,
  CAST(greatest(least(parked_jpy, available_jpy - served_before_jpy), 0) AS BIGINT) AS returnable_jpy
FROM parked
