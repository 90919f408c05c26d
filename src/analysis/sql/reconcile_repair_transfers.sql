-- The transfers that a failed intention left behind: what moved money, and holds nobody has ended.
-- Reads the tables findings and ledger_transfers.
-- Grain: one transfer. Money in whole yen. Sorted by key, transfer.
WITH ended AS (
  SELECT DISTINCT pending_id FROM ledger_transfers WHERE pending_id IS NOT NULL
)
SELECT f.idempotency_key, t.transfer_id, t.debit_account_id, t.credit_account_id, t.amount_jpy,
  t.kind = 'pending' AS is_open_hold
FROM findings f
JOIN ledger_transfers t ON t.idempotency_key = f.idempotency_key
LEFT JOIN ended e ON e.pending_id = t.transfer_id
WHERE (f.card_due_jpy > 0 OR f.balance_due_jpy > 0 OR f.finding = 'refund_half_done')
  AND t.amount_jpy > 0
  AND ((t.kind IN ('posted', 'post_pending') AND (NOT f.done OR f.finding = 'refund_half_done')) OR (t.kind = 'pending' AND e.pending_id IS NULL))
ORDER BY f.idempotency_key, t.transfer_id
