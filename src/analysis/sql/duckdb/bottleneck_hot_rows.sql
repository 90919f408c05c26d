-- grain: one locked thing: a row (or the page its versions moved in), a table, an advisory lock
-- columns: relation, tuple, kind, waits, wait_s, wait_share (of all logged waiting in the window),
--   relation_share (of the whole relation), victims (sessions), longest_us
-- Waits for a transaction name the relation in words, waits for a tuple by its oid; sessions that
-- waited for both give the name to the oid. An updated row gets a new place, within its page while
-- there is room, later in another page: so rows are told by page, and by item only where all waits
-- name one, and one hot row that is updated all the time shows as several pages of one relation.
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
    sum(sum(wait_us)) OVER (PARTITION BY relation) / nullif(sum(sum(wait_us)) OVER (), 0)
        AS relation_share,
    count(DISTINCT session_id) AS victims,
    max(wait_us) AS longest_us
FROM things
GROUP BY relation, tuple_page, kind
ORDER BY wait_s DESC, relation, tuple, kind
LIMIT $top
