-- The wallet's side from a user's ledger export, in the columns of reconcile_wallet_book.
-- Reads the table ledger_typed.
-- Grain: one payment of the export. Money in whole yen, times UTC.
-- A failed payment has delivered nothing; what it still draws from the balance is owed back. Of a payment
-- whose outcome the export does not know nothing is decided (settled = FALSE).
SELECT
  idempotency_key, wallet_id, 'card_payment' AS operation, asked_jpy,
  CAST(NULL AS BOOLEAN) AS needs_auto_charge, 1 AS attempts, told,
  told = 'timed_out' AS outcome_unknown, t.at AS first_at, t.at AS told_at,
  CASE WHEN told = 'approved' THEN asked_jpy ELSE 0 END AS delivered_jpy,
  CASE WHEN told = 'approved' THEN card_part_jpy ELSE 0 END AS card_jpy,
  0 AS written_off_jpy,
  0 AS held_jpy,
  CASE WHEN told = 'approved' THEN asked_jpy - card_part_jpy ELSE drawn_jpy END AS balance_jpy,
  0 AS parked_jpy,
  told = 'approved' AS done,
  told <> 'timed_out' AS settled,
  t.at AS ledger_first_at, t.at AS ledger_last_at
FROM ledger_typed t
