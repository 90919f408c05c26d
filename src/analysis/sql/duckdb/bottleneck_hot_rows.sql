-- grain: one locked thing: a row (or the page its versions moved in), a table, an advisory lock
-- columns: relation, tuple, kind, waits, wait_s, wait_share, victims (sessions), handover_us_p50
--   (median microseconds from one waiter getting it to the next getting it)
-- Waits for a transaction name the relation in words, waits for a tuple by its oid; sessions that
-- waited for both give the name to the oid. An updated row gets a new place, within its page while
-- there is room: so rows are told by page, and by item only where all waits name one.
WITH spoken AS (
    SELECT w.*,
        lead(CASE WHEN target_kind = 'transaction' THEN relation_name END)
            OVER (PARTITION BY session_id ORDER BY from_us) AS next_name,
        lead(tuple_page) OVER (PARTITION BY session_id ORDER BY from_us) AS next_page
    FROM bn_waits w
),
names AS (
    SELECT relation_oid, mode(coalesce(relation_name, next_name)) AS name
    FROM spoken
    WHERE relation_oid IS NOT NULL AND (relation_name IS NOT NULL
        OR (target_kind = 'tuple' AND next_page = tuple_page))
    GROUP BY relation_oid
),
things AS (
    SELECT
        w.wait_id, w.session_id, w.wait_us, w.to_us, w.outcome,
        CASE WHEN w.target_kind = 'advisory' THEN w.target
            ELSE coalesce(w.relation_name, n.name,
                CASE WHEN w.relation_oid IS NOT NULL THEN concat('oid ', w.relation_oid) END,
                concat('unknown (', w.target_kind, ')')) END AS relation,
        w.tuple_page,
        w.tuple_item,
        CASE WHEN w.target_kind IN ('transaction', 'tuple') THEN 'row' ELSE w.target_kind END AS kind
    FROM bn_waits w
    JOIN bn_wait_buckets b ON b.wait_id = w.wait_id
    LEFT JOIN names n ON n.relation_oid = w.relation_oid
    WHERE b.bucket BETWEEN $first AND $last
),
paced AS (
    SELECT *,
        CASE WHEN outcome = 'acquired' THEN to_us - lag(to_us)
            OVER (PARTITION BY relation, tuple_page, kind, outcome = 'acquired' ORDER BY to_us) END
            AS handover_us
    FROM things
)
SELECT
    relation,
    CASE WHEN tuple_page IS NOT NULL THEN concat('(', tuple_page, ',',
        CASE WHEN count(DISTINCT tuple_item) = 1 THEN CAST(max(tuple_item) AS VARCHAR) ELSE '*' END,
        ')') END AS tuple,
    kind,
    count(*) AS waits,
    sum(wait_us) / 1000000.0 AS wait_s,
    sum(wait_us) / nullif(sum(sum(wait_us)) OVER (), 0) AS wait_share,
    count(DISTINCT session_id) AS victims,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY handover_us) AS handover_us_p50
FROM paced
GROUP BY relation, tuple_page, kind
ORDER BY wait_s DESC, relation, tuple, kind
LIMIT $top
