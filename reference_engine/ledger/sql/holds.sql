-- Two-phase transfers for any caller: hold, then post in full or in part, void, or let it expire.
-- A hold counts as spent until it ends, and ends once (unique index on pending_id).

-- Ends every hold whose time is over and that nobody ended; returns how many. Holds of operations that
-- still wait for the gateway are left alone: their outcome is unknown, and only reconciliation ends them.
CREATE FUNCTION expire_holds() RETURNS bigint LANGUAGE sql AS $$
    WITH due AS (
        SELECT p.transfer_id, p.debit_account_id, p.credit_account_id
        FROM transfers AS p
        WHERE p.kind = 'pending' AND p.expires_at <= clock_timestamp()
          AND NOT EXISTS (SELECT 1 FROM transfers AS e WHERE e.pending_id = p.transfer_id)
          AND NOT EXISTS (SELECT 1 FROM operations AS o
                          WHERE o.state = 'pending' AND o.operation_id = p.transfer_id / 16)
    ), ended AS (
        INSERT INTO transfers (transfer_id, pending_id, debit_account_id, credit_account_id,
            amount_jpy, kind, code)
        SELECT transfer_id + 5, transfer_id, debit_account_id, credit_account_id, 0,
            'expire_pending', 'release'
        FROM due ON CONFLICT DO NOTHING RETURNING 1
    )
    SELECT count(*) FROM ended
$$;
