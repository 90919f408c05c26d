-- The wallets that were hit, and how often: a technical failure (failed, timed out, shed) or a refund due.
-- Reads the table findings.
-- Grain: one wallet. Money in whole yen. Sorted by hits, then wallet.
SELECT wallet_id,
  count(*) AS hits,
  CAST(coalesce(sum(asked_jpy), 0) AS BIGINT) AS asked_jpy,
  CAST(sum(card_due_jpy + balance_due_jpy) AS BIGINT) AS due_jpy
FROM findings
WHERE wallet_id IS NOT NULL
  AND (told IN ('failed', 'timed_out', 'shed') OR card_due_jpy > 0 OR balance_due_jpy > 0)
GROUP BY wallet_id
ORDER BY hits DESC, wallet_id
