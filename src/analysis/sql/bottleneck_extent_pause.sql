-- grain: one row
-- columns: pause_s (median seconds between two activity samples, NULL with fewer than two)
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY pause_us) / 1000000.0 AS pause_s
FROM (
    SELECT epoch_us(sampled_at) - lag(epoch_us(sampled_at)) OVER (ORDER BY sampled_at) AS pause_us
    FROM (SELECT DISTINCT sampled_at FROM pg_activity)
)
