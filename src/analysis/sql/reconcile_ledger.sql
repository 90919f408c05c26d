-- What the wallet's ledger did for each intention.
-- Grain: one idempotency key. Money in whole yen, times UTC.
-- A repair posted under the key 'repair:K' belongs to the intention K.
-- Columns: idempotency_key; wallet_id = a wallet account that gave or received; card_in_jpy / card_out_jpy =
--   posted from / to the card funding account; bank_in_jpy; shop_jpy = net posted to merchants, settlement and
--   external accounts (from anyone), less what the company itself wrote off; peer_jpy = wallet to wallet;
--   written_off_jpy = net posted from an external account to the card funding account (a capture that never came);
--   held_jpy = pending and not ended; first_at, last_at = first and last transfer.
WITH ended AS (
  SELECT DISTINCT pending_id FROM ledger_transfers WHERE pending_id IS NOT NULL
), kinds AS (
  SELECT account_id, kind, kind IN ('merchant', 'settlement', 'external') AS is_shop FROM ledger_accounts
), legs AS (
  SELECT
    CASE WHEN t.idempotency_key LIKE 'repair:%' THEN substring(t.idempotency_key, 8)
         ELSE t.idempotency_key END AS idempotency_key,
    CASE WHEN d.kind = 'wallet' THEN t.debit_account_id
         WHEN c.kind = 'wallet' THEN t.credit_account_id END AS wallet_id,
    CASE WHEN t.kind IN ('posted', 'post_pending') THEN t.amount_jpy ELSE 0 END AS moved_jpy,
    CASE WHEN t.kind = 'pending' AND e.pending_id IS NULL THEN t.amount_jpy ELSE 0 END AS held_jpy,
    d.kind AS giver, c.kind AS taker, d.is_shop AS giver_is_shop, c.is_shop AS taker_is_shop,
    t.posted_at
  FROM ledger_transfers t
  JOIN kinds d ON d.account_id = t.debit_account_id
  JOIN kinds c ON c.account_id = t.credit_account_id
  LEFT JOIN ended e ON e.pending_id = t.transfer_id
  WHERE t.idempotency_key IS NOT NULL
)
SELECT
  idempotency_key,
  min(wallet_id) AS wallet_id,
  CAST(sum(CASE WHEN giver = 'card_funding' THEN moved_jpy ELSE 0 END) AS BIGINT) AS card_in_jpy,
  CAST(sum(CASE WHEN taker = 'card_funding' THEN moved_jpy ELSE 0 END) AS BIGINT) AS card_out_jpy,
  CAST(sum(CASE WHEN giver = 'bank_funding' THEN moved_jpy ELSE 0 END) AS BIGINT) AS bank_in_jpy,
  CAST(sum(CASE WHEN giver = 'external' AND taker = 'card_funding' THEN 0
                WHEN taker_is_shop AND NOT giver_is_shop THEN moved_jpy
                WHEN giver_is_shop AND NOT taker_is_shop THEN -moved_jpy
                ELSE 0 END) AS BIGINT) AS shop_jpy,
  CAST(sum(CASE WHEN giver = 'wallet' AND taker = 'wallet' THEN moved_jpy ELSE 0 END) AS BIGINT) AS peer_jpy,
  CAST(sum(CASE WHEN giver = 'external' AND taker = 'card_funding' THEN moved_jpy ELSE 0 END)
       AS BIGINT) AS written_off_jpy,
  CAST(sum(CASE WHEN giver = 'wallet' THEN held_jpy ELSE 0 END) AS BIGINT) AS held_jpy,
  min(posted_at) AS first_at,
  max(posted_at) AS last_at
FROM legs
GROUP BY idempotency_key
