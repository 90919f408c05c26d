-- The totals of a reconciliation.
-- Reads the table findings.
-- Grain: one row. Money in whole yen.
-- attempted = every intention but refunds on wish, once, whatever the retries; abandoned = the client gave up (timed out) or
--   was turned away before work began (shed), and no attempt was approved.
SELECT
  count(*) AS intentions,
  CAST(coalesce(sum(asked_jpy) FILTER (WHERE operation <> 'refund'), 0) AS BIGINT) AS attempted_jpy,
  CAST(coalesce(sum(asked_jpy) FILTER (WHERE told = 'approved' AND operation <> 'refund'), 0) AS BIGINT) AS approved_jpy,
  CAST(coalesce(sum(asked_jpy) FILTER (WHERE told = 'declined' AND operation <> 'refund'), 0) AS BIGINT) AS declined_jpy,
  CAST(coalesce(sum(asked_jpy) FILTER (WHERE told = 'failed' AND operation <> 'refund'), 0) AS BIGINT) AS failed_jpy,
  CAST(coalesce(sum(asked_jpy) FILTER (WHERE told IN ('timed_out', 'shed') AND operation <> 'refund'), 0) AS BIGINT) AS abandoned_jpy,
  count(*) FILTER (WHERE card_due_jpy > 0 OR balance_due_jpy > 0) AS refunds_due,
  CAST(sum(card_due_jpy) AS BIGINT) AS refund_card_jpy,
  CAST(sum(balance_due_jpy) AS BIGINT) AS refund_balance_jpy,
  CAST(sum(shortfall_jpy) AS BIGINT) AS shortfall_jpy,
  CAST(sum(card_jpy) AS BIGINT) AS ledger_card_jpy,
  CAST(sum(captured_jpy) AS BIGINT) AS gateway_captured_jpy,
  CAST(sum(returned_jpy) AS BIGINT) AS gateway_returned_jpy,
  count(*) FILTER (WHERE gap_jpy <> 0) AS keys_that_differ,
  count(*) FILTER (WHERE held_jpy > 0) AS open_holds,
  count(*) FILTER (WHERE outcome_unknown) AS unknown_outcomes,
  count(*) FILTER (WHERE outcome_unknown AND done) AS unknown_outcomes_paid,
  count(*) FILTER (WHERE finding = 'paid_but_told_otherwise') AS paid_but_told_otherwise,
  count(*) FILTER (WHERE finding = 'late_reversal') AS late_reversals
FROM findings
