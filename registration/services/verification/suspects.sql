-- Keys of the orders between two keys that verify_orders.py must look at: all with a problem, and the few that take
-- more than a comparison to judge. A problem that is looked for there needs its condition here. cents(x) stands for x
-- in whole cents where sums would be floats, and for x itself where they are exact. The edges are the first and last keys
-- of the payments and refunds of these orders: without them a planner reads all parts of refunds for each piece. They are
-- added to nothing so that they are not looked for along the keys of the whole table.

WITH edges AS (
    SELECT
        (SELECT MIN(id + 0) FROM registration_payment WHERE order_id BETWEEN %(low)s AND %(high)s) AS first_payment,
        (SELECT MAX(id + 0) FROM registration_payment WHERE order_id BETWEEN %(low)s AND %(high)s) AS last_payment,
        (SELECT MIN(id + 0) FROM registration_refund WHERE order_id BETWEEN %(low)s AND %(high)s) AS first_refund,
        (SELECT MAX(id + 0) FROM registration_refund WHERE order_id BETWEEN %(low)s AND %(high)s) AS last_refund
)
SELECT o.id FROM registration_order AS o
JOIN registration_conference AS c ON c.id = o.conference_id
LEFT JOIN (
    SELECT order_id,
        SUM(CASE WHEN status IN ('SUCCEEDED', 'REFUNDED') THEN cents(amount) ELSE 0 END) AS paid,
        SUM(cents(refunded_amount)) AS refunded,
        SUM(cents(reserved_amount)) AS reserved,
        SUM(cents(refundable_amount)) AS refundable
    FROM registration_payment WHERE order_id BETWEEN %(low)s AND %(high)s GROUP BY order_id
) AS p ON p.order_id = o.id
WHERE o.id BETWEEN %(low)s AND %(high)s AND (
    cents(o.paid_amount) <> COALESCE(p.paid, 0)
    OR cents(o.refunded_amount) <> COALESCE(p.refunded, 0)
    OR cents(o.reserved_amount) <> COALESCE(p.reserved, 0)
    OR cents(o.refundable_amount) <> COALESCE(p.refundable, 0)
    OR cents(o.paid_amount) > cents(o.total)
    OR o.currency <> c.currency
    OR CASE o.status
        WHEN 'PENDING' THEN o.paid_amount > 0 AND cents(o.paid_amount) >= cents(o.total)
        WHEN 'PAID' THEN o.refunded_amount > 0 OR cents(o.paid_amount) < cents(o.total)
        WHEN 'PARTIALLY_REFUNDED' THEN o.refunded_amount <= 0 OR cents(o.refunded_amount) >= cents(o.total)
            OR cents(o.paid_amount) < cents(o.total)
        WHEN 'REFUNDED' THEN o.refunded_amount <= 0 OR cents(o.refunded_amount) < cents(o.total)
            OR cents(o.paid_amount) < cents(o.total)
        WHEN 'CANCELLED' THEN o.paid_amount > 0
        ELSE TRUE END
)
UNION
SELECT p.order_id FROM registration_payment AS p
JOIN registration_order AS o ON o.id = p.order_id AND o.id BETWEEN %(low)s AND %(high)s
LEFT JOIN (
    SELECT part.payment_id,
        SUM(CASE WHEN part.state IN ('pending', 'requires_action', 'succeeded') THEN cents(part.amount) ELSE 0 END)
            AS refunded,
        SUM(CASE WHEN part.state IN ('awaiting_approval', 'requested', 'unconfirmed', 'awaiting_transfer')
            THEN cents(part.amount) ELSE 0 END) AS reserved
    FROM registration_refundpart AS part JOIN registration_payment AS whole ON whole.id = part.payment_id
    WHERE whole.order_id BETWEEN %(low)s AND %(high)s
    AND part.payment_id BETWEEN (SELECT first_payment FROM edges) AND (SELECT last_payment FROM edges)
    GROUP BY part.payment_id
) AS sums ON sums.payment_id = p.id
WHERE p.order_id BETWEEN %(low)s AND %(high)s AND (
    cents(p.refunded_amount) <> COALESCE(sums.refunded, 0)
    OR cents(p.reserved_amount) <> COALESCE(sums.reserved, 0)
    OR cents(p.refundable_amount) <>
        CASE WHEN p.status IN ('SUCCEEDED', 'REFUNDED') AND p.method <> 'COMP' THEN cents(p.amount) ELSE 0 END
        - COALESCE(sums.refunded, 0) - COALESCE(sums.reserved, 0)
    OR p.currency <> o.currency
    OR (p.status = 'REFUNDED' AND cents(p.refunded_amount) <> cents(p.amount))
    OR (p.status = 'SUCCEEDED' AND p.amount > 0 AND cents(p.refunded_amount) >= cents(p.amount))
    OR (p.method = 'CREDIT' AND p.credit_id IS NULL)
)
UNION
SELECT p.order_id FROM registration_refundpart AS part
JOIN registration_payment AS p ON p.id = part.payment_id
JOIN registration_refund AS r ON r.id = part.refund_id
WHERE p.order_id BETWEEN %(low)s AND %(high)s AND (part.currency <> p.currency OR r.order_id <> p.order_id)
AND part.payment_id BETWEEN (SELECT first_payment FROM edges) AND (SELECT last_payment FROM edges)
UNION
SELECT r.order_id FROM registration_refund AS r
JOIN registration_order AS o ON o.id = r.order_id AND o.id BETWEEN %(low)s AND %(high)s
LEFT JOIN (
    SELECT part.refund_id,
        SUM(cents(part.amount)) AS amount,
        COUNT(*) AS parts,
        SUM(CASE WHEN part.state = whole.state THEN 1 ELSE 0 END) AS alike,
        SUM(CASE WHEN part.state IN ('awaiting_approval', 'requested', 'unconfirmed') THEN 1 ELSE 0 END) AS waiting,
        SUM(CASE WHEN part.state IN ('awaiting_transfer', 'pending', 'requires_action', 'succeeded')
            AND part.channel <> 'CREDIT_RETURN' THEN 1 ELSE 0 END) AS noted
    FROM registration_refundpart AS part JOIN registration_refund AS whole ON whole.id = part.refund_id
    WHERE whole.order_id BETWEEN %(low)s AND %(high)s
    AND part.refund_id BETWEEN (SELECT first_refund FROM edges) AND (SELECT last_refund FROM edges)
    GROUP BY part.refund_id
) AS sums ON sums.refund_id = r.id
WHERE r.order_id BETWEEN %(low)s AND %(high)s AND (
    r.currency <> o.currency
    OR cents(r.amount) <> COALESCE(sums.amount, 0)
    -- Parts in several states are rare, and what they make of the refund is for Python to say.
    OR sums.parts <> sums.alike
    OR (r.source <> 'EXTERNAL' AND sums.waiting = 0 AND sums.noted > 0
        AND r.id NOT IN (
            SELECT note.refund_id FROM registration_credit AS note
            WHERE note.refund_id BETWEEN (SELECT first_refund FROM edges) AND (SELECT last_refund FROM edges)
        ))
)
UNION
SELECT source_order_id FROM registration_credit
WHERE source_order_id BETWEEN %(low)s AND %(high)s AND refund_id IS NULL AND kind = 'REFUND'
