-- grain: one row
-- columns: waiters (blocked sessions, mean over samples that have any), roots (distinct roots, mean over
--   the same samples), samples (samples with anybody blocked), cycles (samples with a waiter without root)
SELECT
    avg(waiters) AS waiters,
    avg(roots) AS roots,
    count(*) AS samples,
    count(*) FILTER (WHERE rootless > 0) AS cycles
FROM (
    SELECT sampled_at, count(DISTINCT pid) AS waiters, count(DISTINCT root) AS roots,
        count(*) FILTER (WHERE root IS NULL) AS rootless
    FROM bn_roots
    WHERE bucket BETWEEN $first AND $last
    GROUP BY sampled_at
)
