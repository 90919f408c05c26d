-- What the wallet does, in steps that each fit one short transaction.
--
-- operation_begin  answers at once when no card is needed; else it holds the balance part and leaves
--                  the operation pending, to be finished after the gateway has answered.
-- operation_finish posts (captured) or releases (declined) what was begun. Both give the stored first
--                  answer when the key was answered before.
--
-- Legs of a transfer_id (operation_id * 16 + leg): 0 hold of the balance part, 1 payment or transfer
-- from balance (or all of it), 2 auto-charge, 3 payment or transfer of the charged part, 4 release of
-- the hold; a refund has 1 balance part and 2 card part.

CREATE TYPE answer AS (
    operation_id bigint, state operation_state, reason text, card_part_jpy bigint
);

-- Account that takes the money of an operation: a settlement row, or the receiving wallet.
CREATE FUNCTION taker_of(p_operation operation_kind, p_counterparty bigint, p_shard integer)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_operation = 'p2p_transfer' THEN p_counterparty ELSE 9000001 + p_shard END
$$;

-- The first answer to a key; whoever asks for something else under that key is told so.
CREATE FUNCTION stored_answer(
    p_key text, p_operation operation_kind, p_wallet bigint, p_amount bigint, p_counterparty bigint,
    p_refers_to text DEFAULT NULL
) RETURNS answer LANGUAGE plpgsql AS $$
DECLARE
    o operations;
BEGIN
    SELECT * INTO o FROM operations WHERE idempotency_key = p_key;
    IF o.operation <> p_operation OR o.wallet_id <> p_wallet OR o.amount_jpy <> p_amount
       OR o.refers_to <> p_refers_to
       OR p_operation <> 'refund' AND o.counterparty_id IS DISTINCT FROM p_counterparty THEN
        RETURN (o.operation_id, 'declined', 'key_used_for_another_operation', 0)::answer;
    END IF;
    RETURN (o.operation_id, o.state, o.reason, o.card_part_jpy)::answer;
END
$$;

-- Locks the wallets of an operation and returns what the payer can spend. NULL: no such wallet.
CREATE FUNCTION lock_wallets(
    p_operation operation_kind, p_wallet bigint, p_counterparty bigint, p_sorted boolean
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    available bigint;
BEGIN
    IF p_operation = 'p2p_transfer' AND p_sorted THEN
        PERFORM 1 FROM accounts WHERE account_id IN (p_wallet, p_counterparty)
        ORDER BY account_id FOR NO KEY UPDATE;
    END IF;
    SELECT credits_posted_jpy - debits_posted_jpy - debits_pending_jpy INTO available
    FROM accounts WHERE account_id = p_wallet AND kind = 'wallet' FOR NO KEY UPDATE;
    IF p_operation = 'p2p_transfer' AND NOT p_sorted THEN
        PERFORM 1 FROM accounts WHERE account_id = p_counterparty FOR NO KEY UPDATE;
    END IF;
    RETURN available;
END
$$;

CREATE FUNCTION operation_begin(
    p_key text, p_operation operation_kind, p_wallet bigint, p_counterparty bigint, p_amount bigint,
    p_auto_charge boolean, p_shard integer, p_limited boolean, p_chain boolean, p_sorted boolean,
    p_hold_s integer DEFAULT 3600
) RETURNS answer LANGUAGE plpgsql AS $$
DECLARE
    id bigint;
    taker bigint := taker_of(p_operation, p_counterparty, p_shard);
    available bigint;
    given answer;
    balance_part bigint;
BEGIN
    available := lock_wallets(p_operation, p_wallet, p_counterparty, p_sorted);
    given := judge(p_key, p_operation, p_wallet, p_counterparty, p_amount, available,
                   p_auto_charge, p_limited);
    balance_part := p_amount - given.card_part_jpy;
    id := given.operation_id;
    INSERT INTO operations (idempotency_key, operation_id, operation, state, wallet_id,
        counterparty_id, amount_jpy, balance_part_jpy, card_part_jpy, shard, reason, answered_at)
    VALUES (p_key, id, p_operation, given.state, p_wallet, p_counterparty, p_amount, balance_part,
        given.card_part_jpy, p_shard, given.reason,
        CASE WHEN given.state = 'pending' THEN now() ELSE clock_timestamp() END)
    ON CONFLICT (idempotency_key) DO NOTHING;
    IF NOT FOUND THEN
        RETURN stored_answer(p_key, p_operation, p_wallet, p_amount, p_counterparty);
    END IF;
    IF p_limited AND given.state <> 'declined' THEN
        PERFORM limit_use(p_operation, p_wallet, p_amount);
    END IF;
    IF given.state = 'approved' THEN
        INSERT INTO transfers (transfer_id, debit_account_id, credit_account_id, amount_jpy, code)
        VALUES (id * 16 + 1,
            CASE WHEN p_operation = 'top_up' THEN 9200001 + p_shard ELSE p_wallet END,
            CASE WHEN p_operation = 'top_up' THEN p_wallet ELSE taker END, p_amount,
            code_of(p_operation));
    ELSIF given.state = 'pending' AND balance_part > 0 THEN
        INSERT INTO transfers (transfer_id, debit_account_id, credit_account_id, amount_jpy, kind,
            code, expires_at)
        VALUES (id * 16, p_wallet, taker, balance_part, 'pending', code_of(p_operation),
            clock_timestamp() + make_interval(secs => p_hold_s));
    END IF;
    IF p_chain AND given.state <> 'pending' THEN
        PERFORM chain_append(id, p_key, p_amount);
    END IF;
    RETURN given;
END
$$;

-- Decides what a new operation may do: approved at once, pending on the card, or declined and why.
CREATE FUNCTION judge(
    p_key text, p_operation operation_kind, p_wallet bigint, p_counterparty bigint, p_amount bigint,
    p_available bigint, p_auto_charge boolean, p_limited boolean
) RETURNS answer LANGUAGE plpgsql AS $$
DECLARE
    id bigint := nextval('operation_ids');
    why text;
BEGIN
    IF p_available IS NULL THEN
        RETURN (id, 'declined', 'no_such_wallet', 0)::answer;
    END IF;
    IF p_limited THEN
        why := limit_reached(p_operation, p_wallet,
            CASE p_operation WHEN 'top_up' THEN p_wallet WHEN 'p2p_transfer' THEN p_counterparty END,
            p_amount);
        IF why IS NOT NULL THEN
            RETURN (id, 'declined', why, 0)::answer;
        END IF;
    END IF;
    IF p_operation = 'top_up' OR p_available >= p_amount THEN
        RETURN (id, 'approved', NULL, 0)::answer;
    END IF;
    IF NOT p_auto_charge THEN
        RETURN (id, 'declined', 'insufficient_balance', 0)::answer;
    END IF;
    why := CASE p_operation WHEN 'p2p_transfer' THEN receiver_fault(p_wallet, p_counterparty) END;
    RETURN (id, 'pending', why, p_amount - p_available)::answer;
END
$$;

-- Returns NULL, or fails as posting would: a transfer that can never be posted must not reach the card.
CREATE FUNCTION receiver_fault(p_wallet bigint, p_receiver bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF p_wallet = p_receiver THEN
        RAISE EXCEPTION 'a transfer has two accounts' USING ERRCODE = 'check_violation';
    ELSIF NOT EXISTS (SELECT 1 FROM accounts WHERE account_id = p_receiver) THEN
        RAISE EXCEPTION 'a transfer names an account that does not exist'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION code_of(p_operation operation_kind) RETURNS transfer_code LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_operation WHEN 'card_payment' THEN 'payment' WHEN 'p2p_transfer' THEN 'p2p'
        WHEN 'top_up' THEN 'top_up' WHEN 'repair' THEN 'repair' ELSE 'transfer' END::transfer_code
$$;

-- p_outcome: 'captured' (the card was charged), 'declined' (it was not, says the gateway), 'failed'
-- (it was not, and never will be: the gateway has cancelled the key). Without a hold, as in the design
-- that kept its locks instead, the balance part is posted directly.
CREATE FUNCTION operation_finish(p_key text, p_outcome text, p_reason text, p_chain boolean)
RETURNS answer LANGUAGE plpgsql AS $$
DECLARE
    o operations;
    taker bigint;
    held boolean;
    given operation_state := CASE p_outcome WHEN 'captured' THEN 'approved'
                             WHEN 'declined' THEN 'declined' ELSE 'failed' END;
BEGIN
    SELECT * INTO o FROM operations WHERE idempotency_key = p_key FOR NO KEY UPDATE;
    IF o.state IS DISTINCT FROM 'pending' THEN
        RETURN (o.operation_id, o.state, o.reason, o.card_part_jpy)::answer;
    END IF;
    taker := taker_of(o.operation, o.counterparty_id, o.shard);
    held := EXISTS (SELECT 1 FROM transfers WHERE transfer_id = o.operation_id * 16);
    IF o.operation = 'refund' THEN
        PERFORM refund_post(o, p_outcome);
    ELSIF given = 'approved' THEN
        INSERT INTO transfers (transfer_id, pending_id, debit_account_id, credit_account_id,
            amount_jpy, kind, code)
        SELECT o.operation_id * 16 + leg, pending_id, debit, credit, amount, kind, code
        FROM (VALUES
            (1, CASE WHEN held THEN o.operation_id * 16 END, o.wallet_id, taker, o.balance_part_jpy,
                CASE WHEN held THEN 'post_pending' ELSE 'posted' END::transfer_kind,
                code_of(o.operation)),
            (2, NULL, 9100001 + o.shard, o.wallet_id, o.card_part_jpy, 'posted', 'auto_charge'),
            (3, NULL, o.wallet_id, taker, o.card_part_jpy, 'posted', code_of(o.operation))
        ) AS legs (leg, pending_id, debit, credit, amount, kind, code)
        WHERE amount > 0;
    ELSE
        INSERT INTO transfers (transfer_id, pending_id, debit_account_id, credit_account_id,
            amount_jpy, kind, code)
        SELECT o.operation_id * 16 + 4, o.operation_id * 16, o.wallet_id, taker, 0, 'void_pending',
            'release'
        WHERE held;
        -- until now answered_at is when it began: it may be past midnight since
        PERFORM limit_use(o.operation, o.wallet_id, -o.amount_jpy, japanese_day(o.answered_at));
    END IF;
    UPDATE operations SET state = given, reason = CASE WHEN given <> 'approved' THEN p_reason END,
        answered_at = clock_timestamp()
    WHERE idempotency_key = p_key;
    IF p_chain THEN
        PERFORM chain_append(o.operation_id, p_key, o.amount_jpy);
    END IF;
    RETURN (o.operation_id, given, CASE WHEN given <> 'approved' THEN p_reason END,
            o.card_part_jpy)::answer;
END
$$;

-- A refund gives each part back to its own source: balance to balance, the card part is cancelled.
-- Refunds of one payment wait for each other at its row; refunds under one key at that key.
CREATE FUNCTION refund_begin(p_key text, p_payment_key text, p_wallet bigint, p_chain boolean)
RETURNS answer LANGUAGE plpgsql AS $$
DECLARE
    paid operations;
    id bigint := nextval('operation_ids');
    given operation_state := 'declined';
    why text;
BEGIN
    SELECT * INTO paid FROM operations WHERE idempotency_key = p_payment_key FOR NO KEY UPDATE;
    IF paid.state IS DISTINCT FROM 'approved' OR paid.operation <> 'card_payment'
       OR paid.wallet_id IS DISTINCT FROM p_wallet THEN
        why := 'nothing_to_refund';
    ELSIF EXISTS (SELECT 1 FROM refunds WHERE payment_key = p_payment_key) THEN
        why := 'already_refunded';
    ELSE
        given := CASE WHEN paid.card_part_jpy > 0 THEN 'pending' ELSE 'approved' END;
    END IF;
    INSERT INTO operations (idempotency_key, operation_id, operation, state, wallet_id,
        counterparty_id, amount_jpy, balance_part_jpy, card_part_jpy, shard, reason, refers_to)
    VALUES (p_key, id, 'refund', given, p_wallet, paid.counterparty_id, paid.amount_jpy,
        paid.balance_part_jpy, paid.card_part_jpy, coalesce(paid.shard, 0), why, p_payment_key)
    ON CONFLICT (idempotency_key) DO NOTHING;
    IF NOT FOUND THEN
        RETURN stored_answer(p_key, 'refund', p_wallet, NULL, NULL, p_payment_key);
    END IF;
    IF given <> 'declined' THEN
        -- never a conflict at read committed; a snapshot that is too old fails here with 40001
        INSERT INTO refunds (payment_key, refund_key) VALUES (p_payment_key, p_key)
        ON CONFLICT (payment_key) DO NOTHING;
    END IF;
    IF given = 'approved' THEN
        PERFORM refund_post(o, 'captured') FROM operations AS o WHERE idempotency_key = p_key;
        IF p_chain THEN
            PERFORM chain_append(id, p_key, paid.amount_jpy);
        END IF;
    END IF;
    RETURN (id, given, why, coalesce(paid.card_part_jpy, 0))::answer;
END
$$;

CREATE FUNCTION refund_post(o operations, p_outcome text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_outcome <> 'captured' THEN
        DELETE FROM refunds WHERE payment_key = o.refers_to;
        RETURN;
    END IF;
    INSERT INTO transfers (transfer_id, debit_account_id, credit_account_id, amount_jpy, code)
    SELECT o.operation_id * 16 + leg, 9000001 + o.shard, taker, amount, code
    FROM (VALUES (1, o.wallet_id, o.balance_part_jpy, 'refund_balance'::transfer_code),
                 (2, 9100001 + o.shard, o.card_part_jpy, 'refund_card')) AS legs (leg, taker, amount, code)
    WHERE amount > 0;
END
$$;
