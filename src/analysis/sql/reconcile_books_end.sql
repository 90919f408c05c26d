-- The last time recorded in either book or in the requests.
-- Grain: one row (books_end), UTC.
SELECT max(greatest(told_at, ledger_last_at, captured_at, returned_at, first_at)) AS books_end
FROM findings
