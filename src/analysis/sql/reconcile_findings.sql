-- Both books side by side, with what is wrong and what is due.
-- Reads the tables wallet_book (reconcile_wallet_book or a ledger export) and card_book (reconcile_card_book).
-- Grain: one idempotency key of either book. Money in whole yen, times UTC.
-- Columns: finding (see below), card_due_jpy and balance_due_jpy = to be given back by the official rule, each
--   part to its own source; shortfall_jpy = owed to the company, never by the customer; gap_jpy = captured less
--   what the ledger says the card gave (0 = the books agree on this key).
-- finding: agrees, no_effect, captured_but_unpaid, partial_effect, balance_taken_unpaid, card_part_in_balance,
--   double_capture, captured_too_much, paid_but_uncaptured, credited_but_uncaptured, late_reversal,
--   paid_but_told_otherwise, approved_but_unpaid, outcome_unknown (the ledger has not decided, money was taken:
--   nothing is due on a guess), refunded (paid, and given back later on the customer's wish: the
--   refund has a key of its own; reconcile_refund_matches compares both).
WITH joined AS (
  SELECT
    coalesce(w.idempotency_key, c.idempotency_key) AS idempotency_key,
    w.wallet_id, w.operation, w.asked_jpy, w.told, w.outcome_unknown, w.needs_auto_charge, w.first_at, w.told_at,
    w.ledger_first_at, w.ledger_last_at, c.captured_at, c.returned_at,
    w.idempotency_key IS NOT NULL AS in_wallet_book,
    coalesce(w.attempts, 0) AS attempts,
    coalesce(w.done, FALSE) AS done,
    coalesce(w.settled, TRUE) AS settled,
    coalesce(w.delivered_jpy, 0) AS delivered_jpy,
    coalesce(w.card_jpy, 0) AS card_jpy,
    coalesce(w.balance_jpy, 0) AS balance_jpy,
    coalesce(w.parked_jpy, 0) AS parked_jpy,
    coalesce(w.held_jpy, 0) AS held_jpy,
    coalesce(c.captures, 0) AS captures,
    coalesce(c.captured_jpy, 0) AS captured_jpy,
    coalesce(c.returned_jpy, 0) AS returned_jpy,
    coalesce(c.refunded_jpy, 0) AS refunded_jpy
  FROM wallet_book w
  FULL OUTER JOIN card_book c ON c.idempotency_key = w.idempotency_key
), judged AS (
  SELECT *,
    CASE WHEN operation = 'refund' THEN 0
         WHEN done THEN captured_jpy + refunded_jpy - card_jpy
         ELSE captured_jpy - card_jpy END AS gap_jpy,
    CASE
      WHEN operation = 'refund' AND done THEN 'agrees'
      WHEN operation = 'refund' THEN 'no_effect'
      WHEN done AND captured_jpy > card_jpy AND captures > 1 THEN 'double_capture'
      WHEN done AND captured_jpy > card_jpy THEN 'captured_too_much'
      WHEN done AND captured_jpy + refunded_jpy < card_jpy THEN 'paid_but_uncaptured'
      WHEN done AND held_jpy > 0 THEN 'partial_effect'
      WHEN done AND refunded_jpy > 0 THEN 'refunded'
      WHEN done AND told <> 'approved' THEN 'paid_but_told_otherwise'
      WHEN done THEN 'agrees'
      WHEN told = 'approved' AND captured_jpy = 0 AND card_jpy = 0 AND returned_jpy > 0
        AND ledger_first_at IS NOT NULL THEN 'refunded'
      WHEN told = 'approved' THEN 'approved_but_unpaid'
      WHEN NOT settled AND captured_jpy + balance_jpy + held_jpy > 0 THEN 'outcome_unknown'
      WHEN captured_jpy = 0 AND card_jpy > 0 THEN 'credited_but_uncaptured'
      WHEN captured_jpy > 0 AND parked_jpy > 0 THEN 'card_part_in_balance'
      WHEN captured_jpy > 0 AND balance_jpy + held_jpy > 0 THEN 'partial_effect'
      WHEN captured_jpy > 0 THEN 'captured_but_unpaid'
      WHEN balance_jpy + held_jpy > 0 THEN 'balance_taken_unpaid'
      WHEN returned_jpy > 0 THEN 'late_reversal'
      ELSE 'no_effect' END AS finding
  FROM joined
)
SELECT *,
  CAST(CASE WHEN finding IN ('double_capture', 'captured_too_much') THEN captured_jpy - card_jpy
            WHEN finding IN ('captured_but_unpaid', 'partial_effect', 'card_part_in_balance') AND NOT done
              THEN captured_jpy
            ELSE 0 END AS BIGINT) AS card_due_jpy,
  CAST(CASE WHEN done THEN held_jpy
            WHEN finding IN ('partial_effect', 'balance_taken_unpaid') THEN balance_jpy + held_jpy
            ELSE 0 END AS BIGINT) AS balance_due_jpy,
  CAST(CASE WHEN finding IN ('paid_but_uncaptured', 'credited_but_uncaptured')
            THEN card_jpy - captured_jpy - CASE WHEN done THEN refunded_jpy ELSE 0 END
            ELSE 0 END AS BIGINT) AS shortfall_jpy
FROM judged
