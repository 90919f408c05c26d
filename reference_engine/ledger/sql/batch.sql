-- Group commit: many requests in one statement and one transaction, with the same answers as if they
-- had come one by one: first, in the order given, whatever pays, then whatever only receives. They
-- are concurrent, so nobody can tell this order from another.

-- Grain: one request of the batch that was not simply approved. Columns: key, answer.
-- Auto-charge makes the set-based way exact: whatever was asked before takes the balance first, so
-- that the balance left for a request is what remains after the running sum of those before it.
CREATE FUNCTION batch_begin(
    p_keys text[], p_operations operation_kind[], p_wallets bigint[], p_counterparties bigint[],
    p_amounts bigint[], p_auto_charge boolean, p_shards integer, p_limited boolean,
    p_chain boolean, p_hold_s integer DEFAULT 3600
) RETURNS TABLE (
    idempotency_key text, operation_id bigint, state operation_state, reason text,
    card_part_jpy bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    locked bigint[] := p_wallets || ARRAY(
        SELECT c FROM unnest(p_operations, p_counterparties) AS u (o, c) WHERE o = 'p2p_transfer');
BEGIN
    IF p_limited OR p_chain OR NOT p_auto_charge THEN
        -- posted one by one below: the rows they share are locked first, too, in the one order
        locked := locked || ARRAY(
            SELECT CASE o WHEN 'top_up' THEN 9200001 ELSE 9000001 END + w % p_shards
            FROM unnest(p_operations, p_wallets) AS u (o, w) WHERE o <> 'p2p_transfer');
    END IF;
    -- An array, not a join: for each row that another batch changed while we waited, PostgreSQL
    -- checks the whole condition anew, and a join would be run again in full each time.
    PERFORM 1 FROM accounts AS a WHERE a.account_id = ANY (locked)
    ORDER BY a.account_id FOR NO KEY UPDATE;
    IF p_limited OR p_chain OR NOT p_auto_charge THEN
        RETURN QUERY
        SELECT u.k, (g.given).operation_id, (g.given).state, (g.given).reason,
               (g.given).card_part_jpy
        FROM unnest(p_keys, p_operations, p_wallets, p_counterparties, p_amounts)
             WITH ORDINALITY AS u (k, o, w, c, y, position)
        CROSS JOIN LATERAL (
            SELECT operation_begin(u.k, u.o, u.w, u.c, u.y, p_auto_charge,
                (u.w % p_shards)::integer, p_limited, p_chain, true, p_hold_s) AS given
        ) AS g
        ORDER BY u.position;
        RETURN;
    END IF;
    RETURN QUERY
    -- LIMIT 1 keeps the question "is this key known?" a search by key, however large the table grows
    WITH looked AS MATERIALIZED (
        SELECT u.*, k.known IS NOT NULL AS known
        FROM unnest(p_keys, p_operations, p_wallets, p_counterparties, p_amounts)
             WITH ORDINALITY AS u (k, o, w, c, y, position)
        LEFT JOIN LATERAL (
            SELECT 1 AS known FROM operations AS o WHERE o.idempotency_key = u.k LIMIT 1
        ) AS k ON true
    ), asked AS MATERIALIZED (
        SELECT u.k, u.o, u.w, u.c, u.y, (u.w % p_shards)::integer AS shard,
               CASE WHEN u.o = 'top_up' THEN u.y ELSE greatest(0, least(u.y,
                   a.credits_posted_jpy - a.debits_posted_jpy - a.debits_pending_jpy - coalesce(
                       sum(u.y) FILTER (WHERE u.o <> 'top_up') OVER (
                           PARTITION BY u.w ORDER BY u.position
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)))
               END::bigint AS balance_part,
               a.account_id IS NULL AS stranger
        FROM looked AS u
        LEFT JOIN accounts AS a ON a.account_id = u.w AND a.kind = 'wallet'
        WHERE NOT u.known
    ), judged AS MATERIALIZED (
        SELECT a.*, nextval('operation_ids') AS id,
               CASE WHEN a.stranger THEN 'declined' WHEN a.balance_part = a.y THEN 'approved'
                    ELSE 'pending' END::operation_state AS given
        FROM asked AS a
    ), written AS (
        INSERT INTO operations (idempotency_key, operation_id, operation, state, wallet_id,
            counterparty_id, amount_jpy, balance_part_jpy, card_part_jpy, shard, reason)
        SELECT j.k, j.id, j.o, j.given, j.w, j.c, j.y,
               CASE WHEN j.stranger THEN j.y ELSE j.balance_part END,
               CASE WHEN j.stranger THEN 0 ELSE j.y - j.balance_part END, j.shard,
               CASE WHEN j.stranger THEN 'no_such_wallet' END
        FROM judged AS j
    ), moved AS (
        INSERT INTO transfers (transfer_id, debit_account_id, credit_account_id, amount_jpy, kind,
            code, expires_at)
        SELECT j.id * 16 + CASE WHEN j.given = 'approved' THEN 1 ELSE 0 END,
               CASE WHEN j.o = 'top_up' THEN 9200001 + j.shard ELSE j.w END,
               CASE j.o WHEN 'top_up' THEN j.w WHEN 'p2p_transfer' THEN j.c
                   ELSE 9000001 + j.shard END,
               j.balance_part,
               CASE WHEN j.given = 'approved' THEN 'posted' ELSE 'pending' END::transfer_kind,
               CASE j.o WHEN 'card_payment' THEN 'payment' WHEN 'p2p_transfer' THEN 'p2p'
                   WHEN 'top_up' THEN 'top_up' ELSE 'transfer' END::transfer_code,
               CASE WHEN j.given = 'pending' THEN clock_timestamp() + make_interval(secs => p_hold_s)
               END
        FROM judged AS j WHERE NOT j.stranger AND j.balance_part > 0
    )
    SELECT j.k, j.id, j.given, CASE WHEN j.stranger THEN 'no_such_wallet'
               WHEN j.o = 'p2p_transfer' THEN receiver_fault(j.w, j.c) END, j.y - j.balance_part
    FROM judged AS j WHERE j.given <> 'approved'
    UNION ALL
    SELECT u.k, (s.given).operation_id, (s.given).state, (s.given).reason, (s.given).card_part_jpy
    FROM looked AS u
    CROSS JOIN LATERAL (SELECT stored_answer(u.k, u.o, u.w, u.y, u.c) AS given) AS s
    WHERE u.known;
END
$$;

-- Finishes many operations in one transaction. Grain: one operation. Columns: key, answer.
CREATE FUNCTION batch_finish(p_keys text[], p_outcomes text[], p_reasons text[], p_chain boolean)
RETURNS TABLE (
    idempotency_key text, operation_id bigint, state operation_state, reason text,
    card_part_jpy bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    locked bigint[] := ARRAY(
        SELECT v.account_id FROM operations AS o
        CROSS JOIN LATERAL (VALUES (o.wallet_id),
            (taker_of(o.operation, o.counterparty_id, o.shard)), (9100001 + o.shard)
        ) AS v (account_id)
        WHERE o.idempotency_key = ANY (p_keys));
BEGIN
    -- operations before accounts, as who finishes a single one takes them
    PERFORM 1 FROM operations AS o WHERE o.idempotency_key = ANY (p_keys)
    ORDER BY o.idempotency_key FOR NO KEY UPDATE;
    -- every row that the postings below will touch is locked here, in one order for all batches
    PERFORM 1 FROM accounts AS a WHERE a.account_id = ANY (locked)
    ORDER BY a.account_id FOR NO KEY UPDATE;
    RETURN QUERY
    SELECT u.k, (g.given).operation_id, (g.given).state, (g.given).reason, (g.given).card_part_jpy
    FROM unnest(p_keys, p_outcomes, p_reasons) AS u (k, o, r)
    CROSS JOIN LATERAL (SELECT operation_finish(u.k, u.o, u.r, p_chain) AS given) AS g
    ORDER BY u.k;
END
$$;
