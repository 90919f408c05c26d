-- grain: one row
-- columns: index_builds (logged statements that built an index and ended in the window or shortly after)
SELECT count(*) AS index_builds
FROM bn_durations d
JOIN bn_fingerprints f ON f.fingerprint = d.fingerprint
WHERE d.bucket BETWEEN $first AND $last + $slack
    AND (upper(f.statement) LIKE 'CREATE%INDEX%' OR upper(f.statement) LIKE 'REINDEX%')
