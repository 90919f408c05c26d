-- What the card gateway holds for each intention.
-- Grain: one idempotency key. Money in whole yen, times UTC.
-- Columns: idempotency_key, charges, captures, captured_jpy, returned_jpy (voided or refunded),
--   refunded_jpy (of these, refunded), captured_at
--   (first capture that stands), returned_at (last reversal).
SELECT
  idempotency_key,
  count(*) AS charges,
  count(*) FILTER (WHERE status = 'captured') AS captures,
  CAST(coalesce(sum(amount_jpy) FILTER (WHERE status = 'captured'), 0) AS BIGINT) AS captured_jpy,
  CAST(coalesce(sum(amount_jpy) FILTER (WHERE status <> 'captured'), 0) AS BIGINT) AS returned_jpy,
  CAST(coalesce(sum(amount_jpy) FILTER (WHERE status = 'refunded'), 0) AS BIGINT) AS refunded_jpy,
  min(g.at) FILTER (WHERE status = 'captured') AS captured_at,
  max(g.at) FILTER (WHERE status <> 'captured') AS returned_at
FROM gateway_charges g
GROUP BY idempotency_key
