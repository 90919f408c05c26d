-- Proof that the accounts are the sum of the transfers, account by account.
-- Grain: one account whose stored sums differ from its transfers, or a wallet below zero. No row = proven.
-- Money in whole yen. Sorted by account.
WITH ended AS (
  SELECT DISTINCT pending_id FROM ledger_transfers WHERE pending_id IS NOT NULL
), effect AS (
  SELECT t.debit_account_id, t.credit_account_id,
    CASE WHEN t.kind IN ('posted', 'post_pending') THEN t.amount_jpy ELSE 0 END AS posted_jpy,
    CASE WHEN t.kind = 'pending' AND e.pending_id IS NULL THEN t.amount_jpy ELSE 0 END AS pending_jpy
  FROM ledger_transfers t LEFT JOIN ended e ON e.pending_id = t.transfer_id
), sides AS (
  SELECT debit_account_id AS account_id, posted_jpy AS debit, 0 AS credit, pending_jpy AS debit_hold, 0 AS credit_hold
  FROM effect
  UNION ALL
  SELECT credit_account_id, 0, posted_jpy, 0, pending_jpy FROM effect
), summed AS (
  SELECT account_id, CAST(sum(debit) AS BIGINT) AS debit, CAST(sum(credit) AS BIGINT) AS credit,
    CAST(sum(debit_hold) AS BIGINT) AS debit_hold, CAST(sum(credit_hold) AS BIGINT) AS credit_hold
  FROM sides GROUP BY account_id
)
SELECT coalesce(a.account_id, s.account_id) AS account_id, a.kind,
  a.debits_posted_jpy, s.debit AS debits_of_transfers_jpy,
  a.credits_posted_jpy, s.credit AS credits_of_transfers_jpy
FROM ledger_accounts a
FULL OUTER JOIN summed s ON s.account_id = a.account_id
WHERE a.account_id IS NULL
   OR a.debits_posted_jpy <> coalesce(s.debit, 0) OR a.credits_posted_jpy <> coalesce(s.credit, 0)
   OR a.debits_pending_jpy <> coalesce(s.debit_hold, 0) OR a.credits_pending_jpy <> coalesce(s.credit_hold, 0)
   OR (a.kind = 'wallet' AND NOT a.overdraft_allowed
       AND a.credits_posted_jpy - a.debits_posted_jpy - a.debits_pending_jpy < 0)
ORDER BY account_id
