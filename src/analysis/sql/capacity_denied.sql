-- Payments that came through, and payments the wallet itself refused because the card may not be charged.
-- Grain: one row. paid, denied = intentions (card payments and transfers); denied_jpy in whole yen.
-- denied: declined for want of balance, which only happens while auto-charge is switched off.
SELECT
  count(*) FILTER (WHERE approved) AS paid,
  count(*) FILTER (WHERE denied AND NOT approved) AS denied,
  CAST(coalesce(sum(amount_jpy) FILTER (WHERE denied AND NOT approved), 0) AS BIGINT) AS denied_jpy
FROM (
  SELECT idempotency_key, max(amount_jpy) AS amount_jpy,
    bool_or(outcome = 'approved') AS approved,
    bool_or(outcome = 'declined' AND reason = 'insufficient_balance') AS denied
  FROM requests
  WHERE operation IN ('card_payment', 'p2p_transfer')
  GROUP BY idempotency_key
) AS intentions
