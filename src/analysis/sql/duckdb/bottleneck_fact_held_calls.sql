-- grain: one row
-- columns: calls (gateway calls in the window), inside (of these, made while the same attempt's ledger
--   transaction was open), holding_us (time of those calls)
SELECT
    count(*) AS calls,
    count(*) FILTER (WHERE inside) AS inside,
    coalesce(sum(CASE WHEN inside THEN duration_us END), 0)::BIGINT AS holding_us
FROM (
    SELECT g.duration_us, EXISTS (
        SELECT 1 FROM bn_spans t
        WHERE t.span = 'ledger_tx' AND t.request_id = g.request_id AND t.attempt = g.attempt
            AND t.started_at <= g.started_at AND t.ended_at >= g.ended_at
    ) AS inside
    FROM bn_spans g
    WHERE g.span = 'gateway_call' AND g.bucket BETWEEN $first AND $last
)
