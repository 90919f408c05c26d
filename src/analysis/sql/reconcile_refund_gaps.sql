-- Refunds on the customer's wish: what the ledger gave back to cards against what the gateway gave back.
-- Reads the table findings. A refund's key differs from its payment's, so both are summed by wallet.
-- Grain: one wallet where the two differ. No row = they agree. Money in whole yen. Sorted by wallet.
SELECT wallet_id,
  min(idempotency_key) AS idempotency_key,
  CAST(sum(CASE WHEN operation = 'refund' THEN -card_jpy ELSE 0 END) AS BIGINT) AS ledger_refunded_jpy,
  CAST(sum(CASE WHEN finding = 'refunded' THEN refunded_jpy ELSE 0 END) AS BIGINT) AS gateway_refunded_jpy
FROM findings
WHERE operation = 'refund' OR finding = 'refunded'
GROUP BY wallet_id
HAVING sum(CASE WHEN operation = 'refund' THEN -card_jpy ELSE 0 END)
    <> sum(CASE WHEN finding = 'refunded' THEN refunded_jpy ELSE 0 END)
ORDER BY wallet_id
