-- grain: one outcome x reason of attempts that were not approved
-- columns: outcome, reason, attempts, during (attempts inside the window), outside, untaken (attempts
--   inside the window that no front took up)
SELECT
    outcome,
    coalesce(reason, '') AS reason,
    count(*) AS attempts,
    count(*) FILTER (WHERE bucket BETWEEN $first AND $last) AS during,
    count(*) FILTER (WHERE bucket NOT BETWEEN $first AND $last) AS outside,
    count(*) FILTER (WHERE bucket BETWEEN $first AND $last AND front_id IS NULL
        AND started_at IS NULL) AS untaken
FROM bn_requests
WHERE outcome <> 'approved'
GROUP BY outcome, coalesce(reason, '')
ORDER BY attempts DESC, outcome, reason
