-- grain: one statement fingerprint of the server log x kind ('statement', 'execute', 'bind', 'parse', ...)
-- columns: query_id, statement (masked), kind, calls, total_us, share (of all logged time), mean_us,
--   p50_us, p95_us, p99_us, p999_us, max_us (exact: each percentile is a logged value, the one at
--   rank ceil(p x calls))
SELECT
    f.query_id,
    f.statement,
    d.kind,
    d.calls,
    d.total_us,
    d.total_us * 1.0 / nullif(sum(d.total_us) OVER (), 0) AS share,
    d.total_us * 1.0 / d.calls AS mean_us,
    d.p50_us,
    d.p95_us,
    d.p99_us,
    d.p999_us,
    d.max_us
FROM (
    SELECT
        fingerprint,
        kind,
        count(*) AS calls,
        CAST(sum(duration_us) AS BIGINT) AS total_us,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_us) AS p50_us,
        percentile_disc(0.95) WITHIN GROUP (ORDER BY duration_us) AS p95_us,
        percentile_disc(0.99) WITHIN GROUP (ORDER BY duration_us) AS p99_us,
        percentile_disc(0.999) WITHIN GROUP (ORDER BY duration_us) AS p999_us,
        max(duration_us) AS max_us
    FROM bn_durations
    WHERE bucket BETWEEN $first AND $last
    GROUP BY fingerprint, kind
) d
JOIN bn_fingerprints f ON f.fingerprint = d.fingerprint
ORDER BY d.total_us DESC, f.statement, d.kind
LIMIT $top
