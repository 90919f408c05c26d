-- Balances of the past and the proofs of the books.

-- Balance in yen that an account had at a moment: transfers posted until then (holds not counted).
CREATE FUNCTION balance_at(p_account bigint, p_at timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(CASE WHEN credit_account_id = p_account THEN amount_jpy ELSE -amount_jpy END), 0)::bigint
    FROM transfers
    WHERE (credit_account_id = p_account OR debit_account_id = p_account)
      AND kind IN ('posted', 'post_pending') AND posted_at <= p_at
$$;

-- Grain: one broken promise of the books. Columns: what, example. Empty when the books are sound.
CREATE FUNCTION book_faults() RETURNS TABLE (what text, example text) LANGUAGE sql STABLE AS $$
    SELECT 'the balances do not sum to zero', sum(credits_posted_jpy - debits_posted_jpy)::text
    FROM accounts HAVING sum(credits_posted_jpy - debits_posted_jpy) <> 0
    UNION ALL
    SELECT 'a wallet is below zero', a.account_id::text
    FROM accounts AS a
    WHERE NOT overdraft_allowed AND credits_posted_jpy - debits_posted_jpy - debits_pending_jpy < 0
    UNION ALL
    SELECT 'an account differs from its transfers', a.account_id::text
    FROM accounts AS a
    LEFT JOIN (
        SELECT account_id, sum(dp) AS dp, sum(cp) AS cp, sum(dh) AS dh, sum(ch) AS ch
        FROM (
            SELECT t.debit_account_id AS account_id,
                   CASE WHEN t.kind <> 'pending' THEN t.amount_jpy ELSE 0 END AS dp, 0 AS cp,
                   CASE WHEN t.kind = 'pending' AND e.pending_id IS NULL
                        THEN t.amount_jpy ELSE 0 END AS dh, 0 AS ch
            FROM transfers AS t LEFT JOIN transfers AS e ON e.pending_id = t.transfer_id
            UNION ALL
            SELECT t.credit_account_id, 0,
                   CASE WHEN t.kind <> 'pending' THEN t.amount_jpy ELSE 0 END, 0,
                   CASE WHEN t.kind = 'pending' AND e.pending_id IS NULL
                        THEN t.amount_jpy ELSE 0 END
            FROM transfers AS t LEFT JOIN transfers AS e ON e.pending_id = t.transfer_id
        ) AS sides GROUP BY account_id
    ) AS s ON s.account_id = a.account_id
    WHERE (a.debits_posted_jpy, a.credits_posted_jpy, a.debits_pending_jpy, a.credits_pending_jpy)
       <> (coalesce(s.dp, 0), coalesce(s.cp, 0), coalesce(s.dh, 0), coalesce(s.ch, 0))
    UNION ALL
    SELECT 'an approved operation lacks its transfers, or another has some', o.idempotency_key
    FROM operations AS o
    LEFT JOIN (
        SELECT transfer_id / 16 AS operation_id,
               sum(amount_jpy) FILTER (WHERE code IN ('payment', 'p2p', 'top_up', 'refund_balance',
                   'refund_card', 'transfer', 'repair')) AS main,
               sum(amount_jpy) FILTER (WHERE code = 'auto_charge') AS charged
        FROM transfers WHERE kind IN ('posted', 'post_pending') GROUP BY transfer_id / 16
    ) AS t ON t.operation_id = o.operation_id
    WHERE o.operation <> 'transfer' AND (
          coalesce(t.main, 0) <> CASE WHEN o.state = 'approved' THEN o.amount_jpy ELSE 0 END
       OR coalesce(t.charged, 0) <> CASE WHEN o.state = 'approved' AND o.operation <> 'refund'
                                         THEN o.card_part_jpy ELSE 0 END)
    UNION ALL
    SELECT 'a transfer of an operation that is not there', t.transfer_id::text
    FROM transfers AS t
    WHERE t.code IN ('payment', 'p2p', 'top_up', 'auto_charge', 'refund_balance', 'refund_card',
                     'repair')
      AND NOT EXISTS (SELECT 1 FROM operations AS o WHERE o.operation_id = t.transfer_id / 16)
$$;
