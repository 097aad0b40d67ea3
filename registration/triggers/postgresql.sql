-- Balances kept by PostgreSQL itself. Each function locks the row it keeps before it sums, so that the sum is taken
-- after the one who held the lock has committed. Statements are separated by lines holding only "-- next".

CREATE OR REPLACE FUNCTION registration_keep_payment(key bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM registration_payment WHERE id = key FOR NO KEY UPDATE;
    UPDATE registration_payment AS payment SET
        refunded_amount = CASE WHEN payment.status = 'REFUNDED' AND sums.parts = 0 THEN payment.amount
            ELSE sums.refunded END,
        reserved_amount = sums.reserved,
        refundable_amount =
            CASE WHEN payment.status IN ('SUCCEEDED', 'REFUNDED') AND payment.method <> 'COMP'
                THEN payment.amount ELSE 0 END
            - CASE WHEN payment.status = 'REFUNDED' AND sums.parts = 0 THEN payment.amount ELSE sums.refunded END
            - sums.reserved
    FROM (
        SELECT COUNT(*) AS parts,
            COALESCE(SUM(amount) FILTER (WHERE state IN ('pending', 'requires_action', 'succeeded')), 0) AS refunded,
            COALESCE(SUM(amount) FILTER (
                WHERE state IN ('awaiting_approval', 'requested', 'unconfirmed', 'awaiting_transfer')), 0) AS reserved
        FROM registration_refundpart WHERE payment_id = key
    ) AS sums
    WHERE payment.id = key;
END $$
-- next
CREATE OR REPLACE FUNCTION registration_keep_order(key bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM registration_order WHERE id = key FOR NO KEY UPDATE;
    UPDATE registration_order SET
        paid_amount = sums.paid,
        refunded_amount = sums.refunded + notes.amount,
        reserved_amount = sums.reserved,
        refundable_amount = sums.refundable - notes.amount
    FROM (
        SELECT COALESCE(SUM(amount) FILTER (WHERE status IN ('SUCCEEDED', 'REFUNDED')), 0) AS paid,
            COALESCE(SUM(refunded_amount), 0) AS refunded,
            COALESCE(SUM(reserved_amount), 0) AS reserved,
            COALESCE(SUM(refundable_amount), 0) AS refundable
        FROM registration_payment WHERE order_id = key
    ) AS sums, (
        SELECT COALESCE(SUM(CASE WHEN status <> 'VOIDED' THEN amount ELSE (
                SELECT COALESCE(-SUM(entry.amount), 0) FROM registration_creditentry AS entry
                WHERE entry.credit_id = credit.id AND entry.kind IN ('APPLIED', 'RESTORED')
            ) END), 0) AS amount
        FROM registration_credit AS credit
        WHERE source_order_id = key AND refund_id IS NULL AND kind = 'REFUND'
    ) AS notes
    WHERE registration_order.id = key;
END $$
-- next
CREATE OR REPLACE FUNCTION registration_part_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN PERFORM registration_keep_payment(OLD.payment_id); END IF;
    IF TG_OP <> 'DELETE' AND (TG_OP = 'INSERT' OR NEW.payment_id <> OLD.payment_id) THEN
        PERFORM registration_keep_payment(NEW.payment_id);
    END IF;
    RETURN NULL;
END $$
-- next
CREATE OR REPLACE FUNCTION registration_payment_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' AND pg_trigger_depth() = 1 THEN PERFORM registration_keep_payment(NEW.id); END IF;
    IF TG_OP <> 'INSERT' THEN PERFORM registration_keep_order(OLD.order_id); END IF;
    IF TG_OP <> 'DELETE' AND (TG_OP = 'INSERT' OR NEW.order_id <> OLD.order_id) THEN
        PERFORM registration_keep_order(NEW.order_id);
    END IF;
    RETURN NULL;
END $$
-- next
CREATE OR REPLACE FUNCTION registration_credit_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO registration_creditentry (credit_id, kind, amount, order_id, actor_id, reason, created_at)
        VALUES (NEW.id, 'ISSUED', NEW.amount, NEW.source_order_id, NEW.issued_by_id, NEW.note, NEW.created_at);
        IF NEW.remaining_amount <> NEW.amount THEN
            INSERT INTO registration_creditentry (credit_id, kind, amount, order_id, actor_id, reason, created_at)
            VALUES (NEW.id, CASE NEW.status WHEN 'PAID_OUT' THEN 'PAID_OUT' WHEN 'APPLIED' THEN 'APPLIED'
                    WHEN 'EXPIRED' THEN 'EXPIRED' WHEN 'VOIDED' THEN 'VOIDED' ELSE 'ADJUSTED' END,
                NEW.remaining_amount - NEW.amount,
                COALESCE(NEW.applied_to_order_id, NEW.source_order_id), NEW.issued_by_id, NEW.note, NEW.created_at);
        END IF;
        IF NEW.refund_id IS NULL AND NEW.source_order_id IS NOT NULL THEN
            PERFORM registration_keep_order(NEW.source_order_id);
        END IF;
        RETURN NULL;
    END IF;
    -- Spending a credit changes nothing for the order it came from, and must not wait for that order's lock.
    IF TG_OP = 'UPDATE' AND (OLD.status = 'VOIDED') = (NEW.status = 'VOIDED')
        AND (OLD.kind, OLD.amount, OLD.source_order_id, OLD.refund_id)
            IS NOT DISTINCT FROM (NEW.kind, NEW.amount, NEW.source_order_id, NEW.refund_id) THEN
        RETURN NULL;
    END IF;
    IF OLD.refund_id IS NULL AND OLD.source_order_id IS NOT NULL THEN
        PERFORM registration_keep_order(OLD.source_order_id);
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.refund_id IS NULL AND NEW.source_order_id IS DISTINCT FROM OLD.source_order_id THEN
        PERFORM registration_keep_order(NEW.source_order_id);
    END IF;
    RETURN NULL;
END $$
-- next
CREATE OR REPLACE FUNCTION registration_entry_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM registration_credit WHERE id = NEW.credit_id FOR NO KEY UPDATE;
    UPDATE registration_credit SET remaining_amount =
        (SELECT SUM(amount) FROM registration_creditentry WHERE credit_id = NEW.credit_id)
    WHERE id = NEW.credit_id AND NOT (NEW.kind = 'ISSUED' AND remaining_amount <> amount);
    RETURN NULL;
END $$
-- next
CREATE OR REPLACE FUNCTION registration_only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
-- next
CREATE OR REPLACE FUNCTION registration_history_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE registration_order SET history_length = history_length + 1 WHERE id = NEW.order_id;
    RETURN NULL;
END $$
-- next
CREATE OR REPLACE FUNCTION registration_same_currency() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE theirs text;
BEGIN
    IF TG_TABLE_NAME = 'registration_refundpart' THEN
        SELECT currency INTO theirs FROM registration_payment WHERE id = NEW.payment_id;
    ELSE
        SELECT currency INTO theirs FROM registration_order WHERE id = NEW.order_id;
    END IF;
    IF theirs <> NEW.currency THEN
        RAISE EXCEPTION '% is in %, what it belongs to in %', TG_TABLE_NAME, NEW.currency, theirs
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
-- next
CREATE OR REPLACE FUNCTION registration_currency_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.currency <> OLD.currency AND EXISTS (SELECT 1 FROM registration_payment WHERE order_id = NEW.id) THEN
        RAISE EXCEPTION 'an order with payments keeps its currency' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
-- next
CREATE OR REPLACE TRIGGER kept_part AFTER INSERT OR DELETE OR UPDATE OF state, amount, payment_id
ON registration_refundpart FOR EACH ROW EXECUTE FUNCTION registration_part_changed()
-- next
CREATE OR REPLACE TRIGGER kept_payment AFTER INSERT OR DELETE OR UPDATE
ON registration_payment FOR EACH ROW EXECUTE FUNCTION registration_payment_changed()
-- next
CREATE OR REPLACE TRIGGER kept_credit AFTER INSERT OR DELETE OR UPDATE OF status, kind, amount, source_order_id,
refund_id ON registration_credit FOR EACH ROW EXECUTE FUNCTION registration_credit_changed()
-- next
CREATE OR REPLACE TRIGGER kept_entry AFTER INSERT
ON registration_creditentry FOR EACH ROW EXECUTE FUNCTION registration_entry_added()
-- next
CREATE OR REPLACE TRIGGER kept_history AFTER INSERT
ON registration_historyentry FOR EACH ROW EXECUTE FUNCTION registration_history_added()
-- next
CREATE OR REPLACE TRIGGER guard_payment_currency BEFORE INSERT OR UPDATE OF currency, order_id
ON registration_payment FOR EACH ROW EXECUTE FUNCTION registration_same_currency()
-- next
CREATE OR REPLACE TRIGGER guard_refund_currency BEFORE INSERT OR UPDATE OF currency, order_id
ON registration_refund FOR EACH ROW EXECUTE FUNCTION registration_same_currency()
-- next
CREATE OR REPLACE TRIGGER guard_part_currency BEFORE INSERT OR UPDATE OF currency, payment_id
ON registration_refundpart FOR EACH ROW EXECUTE FUNCTION registration_same_currency()
-- next
CREATE OR REPLACE TRIGGER guard_order_currency BEFORE UPDATE OF currency
ON registration_order FOR EACH ROW EXECUTE FUNCTION registration_currency_stays()
-- next
CREATE OR REPLACE TRIGGER guard_entry BEFORE UPDATE OR DELETE
ON registration_creditentry FOR EACH ROW EXECUTE FUNCTION registration_only_added()
-- next
CREATE OR REPLACE TRIGGER guard_history BEFORE UPDATE OR DELETE
ON registration_historyentry FOR EACH ROW EXECUTE FUNCTION registration_only_added()
-- next
-- Folds as registration/search.py does: the tables in braces come from there. Most letters are plain once their marks are
-- gone, and the long tables are asked for the others alone.
CREATE OR REPLACE FUNCTION registration_fold_letters(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    plain text := regexp_replace(normalize(value, NFKD), '[{marks}]', '', 'g');
    letter text;
BEGIN
    plain := lower(plain COLLATE "C");
    IF octet_length(plain) = char_length(plain) THEN RETURN plain; END IF;
    FOREACH letter IN ARRAY string_to_array(regexp_replace(plain, '[\x01-\x7f]+', '', 'g'), NULL) LOOP
        plain := replace(plain, letter, translate(letter, '{from}', '{to}'));
    END LOOP;
    RETURN {several_before}plain{several_behind};
END $$
-- next
CREATE OR REPLACE FUNCTION registration_fold(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN octet_length(value) = char_length(value) THEN lower(value COLLATE "C")
        ELSE registration_fold_letters(value) END
$$
-- next
CREATE OR REPLACE FUNCTION registration_search_text(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    found text := '';
    word text;
BEGIN
    FOREACH word IN ARRAY regexp_split_to_array(registration_fold(value), '[{separators}]+') LOOP
        word := left(word, {longest_word});
        IF word <> '' AND strpos(found || ' ', ' ' || word || ' ') = 0 THEN found := found || ' ' || word; END IF;
    END LOOP;
    RETURN found;
END $$
-- next
CREATE OR REPLACE FUNCTION registration_search_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.search_text := registration_search_text(concat_ws(' ', NEW.reference, NEW.billing_name, NEW.billing_email,
        NEW.billing_company, (
            SELECT string_agg(card_last4, ' ' ORDER BY id) FROM registration_payment
            WHERE order_id = NEW.id AND card_last4 <> ''
        )));
    RETURN NEW;
END $$
-- next
CREATE OR REPLACE FUNCTION registration_card_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.card_last4, OLD.order_id) = (NEW.card_last4, NEW.order_id) THEN RETURN NULL; END IF;
    IF TG_OP <> 'INSERT' AND OLD.card_last4 <> '' THEN
        UPDATE registration_order SET search_text = '' WHERE id = OLD.order_id;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.card_last4 <> '' THEN
        UPDATE registration_order SET search_text = '' WHERE id = NEW.order_id;
    END IF;
    RETURN NULL;
END $$
-- next
CREATE OR REPLACE TRIGGER kept_search BEFORE INSERT OR UPDATE OF reference, billing_name, billing_email,
billing_company, search_text ON registration_order FOR EACH ROW EXECUTE FUNCTION registration_search_changed()
-- next
CREATE OR REPLACE TRIGGER kept_search_card AFTER INSERT OR DELETE OR UPDATE OF card_last4, order_id
ON registration_payment FOR EACH ROW EXECUTE FUNCTION registration_card_changed()
-- next
-- The beginnings of an order's words, each with the key of its conference before it. An index of them finds what several
-- words have together at the cost of the rarest; asked for by prefix, an index of whole words would collect all that each
-- has first. Long beginnings are kept of names, where many begin alike; a reference or number is rare by its first few.
CREATE OR REPLACE FUNCTION registration_word_beginnings(search_text text, conference bigint) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1000 AS $$
    SELECT array_to_tsvector(COALESCE(array_agg(conference || ':' || left(word, letters)), '{}'))
    FROM unnest(string_to_array(search_text, ' ')) AS word, generate_series(1, {indexed_letters}) AS letters
    WHERE word <> '' AND letters <= char_length(word)
    AND (letters <= {indexed_signs} OR left(word, letters) !~ '[0-9]')
$$
-- next
CREATE INDEX IF NOT EXISTS order_by_words ON registration_order
USING gin (registration_word_beginnings(search_text, conference_id)) WITH (fastupdate = off)
-- next
-- Small parts of the same index tell, before a search, whether what is asked for is common.
CREATE INDEX IF NOT EXISTS order_by_words_sample ON registration_order
USING gin (registration_word_beginnings(search_text, conference_id)) WITH (fastupdate = off) WHERE id % 64 = 0
-- next
CREATE INDEX IF NOT EXISTS order_by_words_few ON registration_order
USING gin (registration_word_beginnings(search_text, conference_id)) WITH (fastupdate = off) WHERE id % 4096 = 0
