-- grain: one attempt of one operation
-- columns: request_id, idempotency_key, attempt, operation, funding ('auto_charge', 'balance',
--   'not_looked_at' where the funding was never decided, '' where an operation has none), outcome,
--   reason, scheduled_us and finished_us (microseconds from $origin), response_us (from the intended
--   arrival), service_us (from the start of work; NULL when no front began)
SELECT
    request_id, idempotency_key, attempt, operation,
    CASE
        WHEN operation NOT IN ('card_payment', 'p2p_transfer') THEN ''
        WHEN needs_auto_charge IS NULL THEN 'not_looked_at'
        WHEN needs_auto_charge THEN 'auto_charge'
        ELSE 'balance'
    END AS funding,
    outcome, reason,
    (epoch_us(scheduled_at) - epoch_us($origin::TIMESTAMPTZ))::BIGINT AS scheduled_us,
    (epoch_us(finished_at) - epoch_us($origin::TIMESTAMPTZ))::BIGINT AS finished_us,
    (epoch_us(finished_at) - epoch_us(scheduled_at))::BIGINT AS response_us,
    (epoch_us(finished_at) - epoch_us(started_at))::BIGINT AS service_us
FROM requests
