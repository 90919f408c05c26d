-- The first step of the design that keeps its row locks while the card gateway is called; the second,
-- operation_finish, runs in the same transaction. Deliberately the wrong way to do it: the ledger stays
-- correct, the wallet stalls.

-- Locks the payer (and receiver), then the one settlement row, and reads what is needed. Posts at
-- once when the balance is enough; else returns 'pending' with the locks still held.
CREATE FUNCTION locked_begin(
    p_key text, p_operation operation_kind, p_wallet bigint, p_counterparty bigint, p_amount bigint,
    p_auto_charge boolean, p_shard integer, p_limited boolean, p_chain boolean, p_sorted boolean
) RETURNS answer LANGUAGE plpgsql AS $$
DECLARE
    available bigint;
    given answer;
    taker bigint := taker_of(p_operation, p_counterparty, p_shard);
BEGIN
    available := lock_wallets(p_operation, p_wallet, p_counterparty, p_sorted);
    IF p_operation = 'card_payment' THEN
        PERFORM 1 FROM accounts WHERE account_id = taker FOR NO KEY UPDATE;
    END IF;
    given := judge(p_key, p_operation, p_wallet, p_counterparty, p_amount, available,
                   p_auto_charge, p_limited);
    INSERT INTO operations (idempotency_key, operation_id, operation, state, wallet_id,
        counterparty_id, amount_jpy, balance_part_jpy, card_part_jpy, shard, reason, answered_at)
    VALUES (p_key, given.operation_id, p_operation, given.state, p_wallet, p_counterparty, p_amount,
        p_amount - given.card_part_jpy, given.card_part_jpy, p_shard, given.reason,
        CASE WHEN given.state = 'pending' THEN now() ELSE clock_timestamp() END)
    ON CONFLICT (idempotency_key) DO NOTHING;
    IF NOT FOUND THEN
        RETURN stored_answer(p_key, p_operation, p_wallet, p_amount, p_counterparty);
    END IF;
    IF given.state = 'approved' THEN
        INSERT INTO transfers (transfer_id, debit_account_id, credit_account_id, amount_jpy, code)
        VALUES (given.operation_id * 16 + 1,
            CASE WHEN p_operation = 'top_up' THEN 9200001 + p_shard ELSE p_wallet END,
            CASE WHEN p_operation = 'top_up' THEN p_wallet ELSE taker END, p_amount,
            code_of(p_operation));
    END IF;
    IF p_limited AND given.state <> 'declined' THEN
        PERFORM limit_use(p_operation, p_wallet, p_amount);
    END IF;
    IF p_chain AND given.state <> 'pending' THEN
        PERFORM chain_append(given.operation_id, p_key, p_amount);
    END IF;
    RETURN given;
END
$$;
