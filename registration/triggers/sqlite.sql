-- Balances kept by SQLite itself. Sums are floats there, so each is rounded back to the two stored places.
-- Statements are separated by lines holding only "-- next".

CREATE TRIGGER kept_part_inserted AFTER INSERT ON registration_refundpart BEGIN
    UPDATE registration_payment SET refundable_amount = refundable_amount WHERE id = NEW.payment_id;
END
-- next
CREATE TRIGGER kept_part_updated AFTER UPDATE OF state, amount, payment_id ON registration_refundpart BEGIN
    UPDATE registration_payment SET refundable_amount = refundable_amount WHERE id IN (OLD.payment_id, NEW.payment_id);
END
-- next
CREATE TRIGGER kept_part_deleted AFTER DELETE ON registration_refundpart BEGIN
    UPDATE registration_payment SET refundable_amount = refundable_amount WHERE id = OLD.payment_id;
END
-- next
CREATE TRIGGER kept_payment_inserted AFTER INSERT ON registration_payment BEGIN
    UPDATE registration_payment SET refundable_amount = refundable_amount WHERE id = NEW.id;
END
-- next
CREATE TRIGGER kept_payment_updated AFTER UPDATE ON registration_payment BEGIN
    UPDATE registration_payment SET
        refunded_amount = sums.refunded,
        reserved_amount = sums.reserved,
        refundable_amount = ROUND(
            CASE WHEN NEW.status IN ('SUCCEEDED', 'REFUNDED') AND NEW.method <> 'COMP' THEN NEW.amount ELSE 0 END
            - sums.refunded - sums.reserved, 2)
    FROM (
        SELECT
            CASE WHEN NEW.status = 'REFUNDED' AND COUNT(*) = 0 THEN NEW.amount
                ELSE ROUND(COALESCE(SUM(CASE WHEN state IN ('pending', 'requires_action', 'succeeded')
                    THEN amount END), 0), 2) END AS refunded,
            ROUND(COALESCE(SUM(CASE WHEN state IN ('awaiting_approval', 'requested', 'unconfirmed', 'awaiting_transfer')
                THEN amount END), 0), 2) AS reserved
        FROM registration_refundpart WHERE payment_id = NEW.id
    ) AS sums
    WHERE registration_payment.id = NEW.id;
    UPDATE registration_order SET refundable_amount = refundable_amount WHERE id IN (OLD.order_id, NEW.order_id);
END
-- next
CREATE TRIGGER kept_payment_deleted AFTER DELETE ON registration_payment BEGIN
    UPDATE registration_order SET refundable_amount = refundable_amount WHERE id = OLD.order_id;
END
-- next
CREATE TRIGGER kept_order_updated AFTER UPDATE OF refundable_amount ON registration_order BEGIN
    UPDATE registration_order SET
        paid_amount = sums.paid,
        refunded_amount = ROUND(sums.refunded + notes.amount, 2),
        reserved_amount = sums.reserved,
        refundable_amount = ROUND(sums.refundable - notes.amount, 2)
    FROM (
        SELECT
            ROUND(COALESCE(SUM(CASE WHEN status IN ('SUCCEEDED', 'REFUNDED') THEN amount END), 0), 2) AS paid,
            ROUND(COALESCE(SUM(refunded_amount), 0), 2) AS refunded,
            ROUND(COALESCE(SUM(reserved_amount), 0), 2) AS reserved,
            ROUND(COALESCE(SUM(refundable_amount), 0), 2) AS refundable
        FROM registration_payment WHERE order_id = NEW.id
    ) AS sums, (
        SELECT ROUND(COALESCE(SUM(CASE WHEN status <> 'VOIDED' THEN amount ELSE (
                SELECT COALESCE(-SUM(entry.amount), 0) FROM registration_creditentry AS entry
                WHERE entry.credit_id = credit.id AND entry.kind IN ('APPLIED', 'RESTORED')
            ) END), 0), 2) AS amount
        FROM registration_credit AS credit
        WHERE source_order_id = NEW.id AND refund_id IS NULL AND kind = 'REFUND'
    ) AS notes
    WHERE registration_order.id = NEW.id;
END
-- next
CREATE TRIGGER kept_credit_inserted AFTER INSERT ON registration_credit BEGIN
    INSERT INTO registration_creditentry (credit_id, kind, amount, order_id, actor_id, reason, created_at)
    VALUES (NEW.id, 'ISSUED', NEW.amount, NEW.source_order_id, NEW.issued_by_id, NEW.note, NEW.created_at);
    INSERT INTO registration_creditentry (credit_id, kind, amount, order_id, actor_id, reason, created_at)
    SELECT NEW.id, CASE NEW.status WHEN 'PAID_OUT' THEN 'PAID_OUT' WHEN 'APPLIED' THEN 'APPLIED'
            WHEN 'EXPIRED' THEN 'EXPIRED' WHEN 'VOIDED' THEN 'VOIDED' ELSE 'ADJUSTED' END,
        ROUND(NEW.remaining_amount - NEW.amount, 2),
        COALESCE(NEW.applied_to_order_id, NEW.source_order_id), NEW.issued_by_id, NEW.note, NEW.created_at
    WHERE NEW.remaining_amount <> NEW.amount;
    UPDATE registration_order SET refundable_amount = refundable_amount
    WHERE id = NEW.source_order_id AND NEW.refund_id IS NULL;
END
-- next
CREATE TRIGGER kept_credit_updated
AFTER UPDATE OF status, kind, amount, source_order_id, refund_id ON registration_credit BEGIN
    UPDATE registration_order SET refundable_amount = refundable_amount
    WHERE id IN (OLD.source_order_id, NEW.source_order_id) AND (OLD.refund_id IS NULL OR NEW.refund_id IS NULL);
END
-- next
CREATE TRIGGER kept_credit_deleted AFTER DELETE ON registration_credit BEGIN
    UPDATE registration_order SET refundable_amount = refundable_amount WHERE id = OLD.source_order_id;
END
-- next
CREATE TRIGGER kept_entry_inserted AFTER INSERT ON registration_creditentry BEGIN
    UPDATE registration_credit SET remaining_amount = ROUND(
        (SELECT SUM(amount) FROM registration_creditentry WHERE credit_id = NEW.credit_id), 2)
    WHERE id = NEW.credit_id AND NOT (NEW.kind = 'ISSUED' AND remaining_amount <> amount);
END
-- next
CREATE TRIGGER kept_history_inserted AFTER INSERT ON registration_historyentry BEGIN
    UPDATE registration_order SET history_length = history_length + 1 WHERE id = NEW.order_id;
END
-- next
CREATE TRIGGER guard_payment_currency_inserted BEFORE INSERT ON registration_payment
WHEN NEW.currency <> (SELECT currency FROM registration_order WHERE id = NEW.order_id) BEGIN
    SELECT RAISE(ABORT, 'a payment is in the currency of its order');
END
-- next
CREATE TRIGGER guard_payment_currency_updated BEFORE UPDATE OF currency, order_id ON registration_payment
WHEN NEW.currency <> (SELECT currency FROM registration_order WHERE id = NEW.order_id) BEGIN
    SELECT RAISE(ABORT, 'a payment is in the currency of its order');
END
-- next
CREATE TRIGGER guard_refund_currency_inserted BEFORE INSERT ON registration_refund
WHEN NEW.currency <> (SELECT currency FROM registration_order WHERE id = NEW.order_id) BEGIN
    SELECT RAISE(ABORT, 'a refund is in the currency of its order');
END
-- next
CREATE TRIGGER guard_refund_currency_updated BEFORE UPDATE OF currency, order_id ON registration_refund
WHEN NEW.currency <> (SELECT currency FROM registration_order WHERE id = NEW.order_id) BEGIN
    SELECT RAISE(ABORT, 'a refund is in the currency of its order');
END
-- next
CREATE TRIGGER guard_part_currency_inserted BEFORE INSERT ON registration_refundpart
WHEN NEW.currency <> (SELECT currency FROM registration_payment WHERE id = NEW.payment_id) BEGIN
    SELECT RAISE(ABORT, 'a refund part is in the currency of its payment');
END
-- next
CREATE TRIGGER guard_part_currency_updated BEFORE UPDATE OF currency, payment_id ON registration_refundpart
WHEN NEW.currency <> (SELECT currency FROM registration_payment WHERE id = NEW.payment_id) BEGIN
    SELECT RAISE(ABORT, 'a refund part is in the currency of its payment');
END
-- next
CREATE TRIGGER guard_order_currency_updated BEFORE UPDATE OF currency ON registration_order
WHEN NEW.currency <> OLD.currency AND EXISTS (SELECT 1 FROM registration_payment WHERE order_id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'an order with payments keeps its currency');
END
-- next
CREATE TRIGGER guard_entry_updated BEFORE UPDATE ON registration_creditentry BEGIN
    SELECT RAISE(ABORT, 'credit entries are only added');
END
-- next
CREATE TRIGGER guard_entry_deleted BEFORE DELETE ON registration_creditentry BEGIN
    SELECT RAISE(ABORT, 'credit entries are only added');
END
-- next
CREATE TRIGGER guard_history_updated BEFORE UPDATE ON registration_historyentry BEGIN
    SELECT RAISE(ABORT, 'history is only added to');
END
-- next
CREATE TRIGGER guard_history_deleted BEFORE DELETE ON registration_historyentry BEGIN
    SELECT RAISE(ABORT, 'history is only added to');
END
-- next
-- The words of each order, and as no word can look, the key of its conference. Found by registration/order_search.py.
CREATE VIRTUAL TABLE IF NOT EXISTS registration_ordersearch
USING fts5(words, tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* P* S* C*'", prefix = '2 3')
-- next
CREATE TRIGGER kept_search_inserted AFTER INSERT ON registration_order BEGIN
    UPDATE registration_order SET search_text = '' WHERE id = NEW.id;
END
-- next
CREATE TRIGGER kept_search_updated
AFTER UPDATE OF reference, billing_name, billing_email, billing_company, search_text ON registration_order BEGIN
    UPDATE registration_order SET search_text = registration_search_text(
        NEW.reference, NEW.billing_name, NEW.billing_email, NEW.billing_company,
        (SELECT group_concat(card_last4, ' ') FROM (
            SELECT card_last4 FROM registration_payment WHERE order_id = NEW.id AND card_last4 <> '' ORDER BY id
        ))
    ) WHERE id = NEW.id;
    INSERT OR REPLACE INTO registration_ordersearch (rowid, words)
    SELECT id, search_text || ' _' || conference_id FROM registration_order WHERE id = NEW.id;
END
-- next
CREATE TRIGGER kept_search_deleted AFTER DELETE ON registration_order BEGIN
    DELETE FROM registration_ordersearch WHERE rowid = OLD.id;
END
-- next
CREATE TRIGGER kept_search_card_inserted AFTER INSERT ON registration_payment WHEN NEW.card_last4 <> '' BEGIN
    UPDATE registration_order SET search_text = '' WHERE id = NEW.order_id;
END
-- next
CREATE TRIGGER kept_search_card_updated AFTER UPDATE OF card_last4, order_id ON registration_payment
WHEN OLD.card_last4 <> NEW.card_last4 OR OLD.order_id <> NEW.order_id BEGIN
    UPDATE registration_order SET search_text = '' WHERE id IN (OLD.order_id, NEW.order_id);
END
-- next
CREATE TRIGGER kept_search_card_deleted AFTER DELETE ON registration_payment WHEN OLD.card_last4 <> '' BEGIN
    UPDATE registration_order SET search_text = '' WHERE id = OLD.order_id;
END
