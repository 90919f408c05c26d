-- grain: one row
-- columns: slow_calls (gateway calls in the window that took three times the usual median and thirty
--   milliseconds more), slow_share (of all time in gateway calls in the window, the part in such calls)
-- Time counts, not calls: while calls are slow there are fewer of them.
SELECT
    count(CASE WHEN slow THEN 1 END) AS slow_calls,
    coalesce(sum(CASE WHEN slow THEN duration_us END), 0) * 1.0 / nullif(sum(duration_us), 0)
        AS slow_share
FROM (
    SELECT s.duration_us, s.duration_us >= greatest(3 * u.p50_us, u.p50_us + 30000) AS slow
    FROM bn_spans s
    CROSS JOIN (
        SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_us) AS p50_us
        FROM bn_spans
        WHERE span = 'gateway_call' AND bucket NOT BETWEEN $first AND $last
    ) u
    WHERE s.span = 'gateway_call' AND s.bucket BETWEEN $first AND $last
)
