-- grain: one table x kind of automatic maintenance
-- columns: relation_name, kind, runs, elapsed_us, tuples_removed, tuples_dead_not_removable (maximum)
SELECT
    relation_name,
    kind,
    count(*) AS runs,
    CAST(sum(elapsed_us) AS BIGINT) AS elapsed_us,
    CAST(sum(tuples_removed) AS BIGINT) AS tuples_removed,
    max(tuples_dead_not_removable) AS tuples_dead_not_removable
FROM log_autovacuums
WHERE log_time >= $start AND log_time < $end
GROUP BY relation_name, kind
ORDER BY runs DESC, relation_name, kind
LIMIT $top
