-- The wallet's side of each intention: what was asked, what the client was told, what the ledger did.
-- Reads the tables ledger_by_key and requests_by_key (reconcile_ledger, reconcile_requests).
-- Grain: one idempotency key. Money in whole yen, times UTC.
-- Columns: delivered_jpy = what reached the payee (or, for a top-up, the wallet); card_jpy = what the ledger says
--   the card gave; balance_jpy = what was taken from the balance; parked_jpy = card money left lying in the
--   balance; held_jpy = still on hold; done = the whole amount was delivered; settled = the ledger has decided
--   (always, here: what it holds is what happened, whatever the client was told).
WITH both_sides AS (
  SELECT
    coalesce(r.idempotency_key, l.idempotency_key) AS idempotency_key,
    coalesce(r.wallet_id, l.wallet_id) AS wallet_id,
    coalesce(r.operation,
             CASE WHEN l.shop_jpy < 0 THEN 'refund'
                  WHEN l.shop_jpy > 0 THEN 'card_payment'
                  WHEN l.peer_jpy > 0 THEN 'p2p_transfer'
                  ELSE 'top_up' END) AS operation,
    r.asked_jpy, r.needs_auto_charge, coalesce(r.attempts, 0) AS attempts, r.told, r.outcome_unknown, r.first_at, r.told_at,
    coalesce(l.card_in_jpy - l.card_out_jpy, 0) AS card_jpy,
    coalesce(l.bank_in_jpy, 0) AS bank_jpy,
    coalesce(l.shop_jpy, 0) AS shop_jpy,
    coalesce(l.peer_jpy, 0) AS peer_jpy,
    coalesce(l.written_off_jpy, 0) AS written_off_jpy,
    coalesce(l.held_jpy, 0) AS held_jpy,
    l.first_at AS ledger_first_at, l.last_at AS ledger_last_at
  FROM requests_by_key r
  FULL OUTER JOIN ledger_by_key l ON l.idempotency_key = r.idempotency_key
), delivered AS (
  SELECT *,
    CASE operation WHEN 'card_payment' THEN shop_jpy
                   WHEN 'p2p_transfer' THEN peer_jpy
                   WHEN 'top_up' THEN card_jpy + bank_jpy + written_off_jpy
                   ELSE -shop_jpy END AS delivered_jpy
  FROM both_sides
)
SELECT
  idempotency_key, wallet_id, operation, asked_jpy, needs_auto_charge, attempts, told, outcome_unknown, first_at, told_at,
  delivered_jpy, card_jpy, written_off_jpy, held_jpy,
  CASE WHEN operation IN ('card_payment', 'p2p_transfer')
       THEN greatest(delivered_jpy - card_jpy - written_off_jpy, 0) ELSE 0 END AS balance_jpy,
  CASE WHEN operation IN ('card_payment', 'p2p_transfer')
       THEN greatest(card_jpy + written_off_jpy - delivered_jpy, 0) ELSE 0 END AS parked_jpy,
  delivered_jpy > 0 AND delivered_jpy >= coalesce(asked_jpy, delivered_jpy) AS done,
  TRUE AS settled,
  ledger_first_at, ledger_last_at
FROM delivered
