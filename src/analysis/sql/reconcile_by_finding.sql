-- How many intentions and how much money each finding holds.
-- Reads the table findings.
-- Grain: one finding. Money in whole yen. Sorted by name.
SELECT finding,
  count(*) AS intentions,
  count(DISTINCT wallet_id) AS wallets,
  CAST(coalesce(sum(asked_jpy), 0) AS BIGINT) AS asked_jpy,
  CAST(sum(captured_jpy) AS BIGINT) AS captured_jpy,
  CAST(sum(card_due_jpy) AS BIGINT) AS card_due_jpy,
  CAST(sum(balance_due_jpy) AS BIGINT) AS balance_due_jpy,
  CAST(sum(shortfall_jpy) AS BIGINT) AS shortfall_jpy
FROM findings
GROUP BY finding
ORDER BY finding
