-- Optional hash chain over operations. One ledger-wide advisory lock puts all postings in a row: the
-- price of a chain that is written at once (Formance Ledger documents the same for HASH_LOGS=SYNC).

CREATE FUNCTION chain_append(p_operation_id bigint, p_key text, p_amount bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    previous record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || '.hash_chain', 0));
    SELECT h.chain_id, h.hash INTO previous
    FROM hash_chain AS h ORDER BY h.chain_id DESC LIMIT 1;
    INSERT INTO hash_chain (chain_id, operation_id, hash) VALUES (
        coalesce(previous.chain_id, 0) + 1, p_operation_id,
        sha256(coalesce(previous.hash, ''::bytea)
               || convert_to(p_operation_id || '|' || p_key || '|' || coalesce(p_amount, 0), 'UTF8')))
    -- never a conflict at read committed; a snapshot from before the lock fails here with 40001
    ON CONFLICT (chain_id) DO NOTHING;
END
$$;

-- Grain: one link that does not follow from the one before it, or whose operation is not there.
-- Columns: chain_id. Empty when sound.
CREATE FUNCTION chain_faults() RETURNS TABLE (chain_id bigint) LANGUAGE sql AS $$
    SELECT h.chain_id
    FROM (
        SELECT c.chain_id, c.operation_id, c.hash,
               lag(c.hash) OVER (ORDER BY c.chain_id) AS previous,
               lag(c.chain_id) OVER (ORDER BY c.chain_id) AS previous_id
        FROM hash_chain AS c
    ) AS h
    LEFT JOIN operations AS o ON o.operation_id = h.operation_id
    WHERE h.hash IS DISTINCT FROM sha256(coalesce(h.previous, ''::bytea) || convert_to(
              h.operation_id || '|' || o.idempotency_key || '|' || coalesce(o.amount_jpy, 0), 'UTF8'))
       OR h.chain_id <> coalesce(h.previous_id, 0) + 1
$$;
