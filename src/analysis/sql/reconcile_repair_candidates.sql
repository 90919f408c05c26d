-- The intentions that a repair can put right: refunds due, refunds half done, losses to be written off.
-- Reads the table findings.
-- Grain: one intention. Money in whole yen. Sorted by key.
-- account_id = the wallet's account, NULL when the ledger has none.
SELECT f.idempotency_key, f.finding, a.account_id, f.done, f.captures, f.captured_jpy, f.card_jpy,
  f.card_due_jpy, f.balance_due_jpy, f.shortfall_jpy
FROM findings f
LEFT JOIN ledger_accounts a ON a.account_id = f.wallet_id
WHERE card_due_jpy > 0 OR balance_due_jpy > 0 OR finding IN ('paid_but_uncaptured', 'refund_half_done')
ORDER BY idempotency_key
