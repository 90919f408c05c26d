-- Refunds on the customer's wish that one book has and the other has not.
-- Reads the table findings. A refund's key differs from its payment's: they are matched one to one within the same
-- wallet, amount and card part (within such a group it makes no difference which is which).
-- Grain: one intention without its counterpart. Money in whole yen.
-- half_done = TRUE: the gateway gave the card part back, the ledger posted no refund; FALSE: the other way round.
WITH payments AS (
  SELECT idempotency_key, wallet_id, asked_jpy, card_jpy AS part_jpy,
    row_number() OVER (PARTITION BY wallet_id, asked_jpy, card_jpy ORDER BY idempotency_key) AS turn
  FROM findings WHERE finding = 'refunded' AND done
), refunds AS (
  SELECT idempotency_key, wallet_id, asked_jpy, -card_jpy AS part_jpy,
    row_number() OVER (PARTITION BY wallet_id, asked_jpy, card_jpy ORDER BY idempotency_key) AS turn
  FROM findings WHERE operation = 'refund' AND card_jpy < 0
)
SELECT coalesce(p.idempotency_key, r.idempotency_key) AS idempotency_key,
  r.idempotency_key IS NULL AS half_done,
  coalesce(p.part_jpy, r.part_jpy) AS part_jpy
FROM payments p
FULL OUTER JOIN refunds r
  ON r.wallet_id = p.wallet_id AND r.asked_jpy = p.asked_jpy AND r.part_jpy = p.part_jpy AND r.turn = p.turn
WHERE p.idempotency_key IS NULL OR r.idempotency_key IS NULL
