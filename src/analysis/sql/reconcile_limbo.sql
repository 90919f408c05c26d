-- How long money was in limbo: charged or held for a purchase that did not happen, until it was given back.
-- Reads the table findings. $books_end closes what is still open (the last time in either book).
-- Grain: one intention whose money was in limbo. Durations in microseconds, money in whole yen. Sorted by key.
-- A charge that was given back has only its final time in the gateway's books, so its limbo is counted from the
-- moment the client was told (or asked, when never told); a charge that stands is counted from its capture.
SELECT idempotency_key, finding, wallet_id,
  CASE WHEN finding = 'late_reversal' THEN returned_jpy
       ELSE card_due_jpy + balance_due_jpy END AS amount_jpy,
  finding = 'late_reversal' AS given_back,
  CASE WHEN finding = 'late_reversal' THEN coalesce(told_at, first_at)
       ELSE coalesce(captured_at, ledger_first_at, first_at) END AS since,
  CASE WHEN finding = 'late_reversal' THEN returned_at
       ELSE CAST($books_end AS TIMESTAMP WITH TIME ZONE) END AS until
FROM findings
WHERE finding = 'late_reversal' OR card_due_jpy > 0 OR balance_due_jpy > 0
ORDER BY idempotency_key
