-- grain: one row
-- columns: calls (gateway calls in the window), held (of these, made while the same attempt's ledger
--   transaction was open), calls_outside, held_outside (the same before and after the window)
SELECT
    count(*) FILTER (WHERE inside) AS calls,
    count(*) FILTER (WHERE inside AND held) AS held,
    count(*) FILTER (WHERE NOT inside) AS calls_outside,
    count(*) FILTER (WHERE NOT inside AND held) AS held_outside
FROM (
    SELECT g.bucket BETWEEN $first AND $last AS inside, EXISTS (
        SELECT 1 FROM bn_spans t
        WHERE t.span = 'ledger_tx' AND t.request_id = g.request_id AND t.attempt = g.attempt
            AND t.started_at <= g.started_at AND t.ended_at >= g.ended_at
    ) AS held
    FROM bn_spans g
    WHERE g.span = 'gateway_call'
)
