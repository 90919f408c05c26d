-- grain: one row
-- columns: gap_us (longest pause between two activity samples that touches the window), median_us (of
--   all pauses)
SELECT
    max(CASE WHEN bucket BETWEEN $first AND $last + 1 THEN pause_us END) AS gap_us,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY pause_us) AS median_us
FROM (
    SELECT
        ((epoch_us(sampled_at) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket,
        epoch_us(sampled_at) - lag(epoch_us(sampled_at)) OVER (ORDER BY sampled_at) AS pause_us
    FROM (SELECT DISTINCT sampled_at FROM pg_activity WHERE $use)
)
