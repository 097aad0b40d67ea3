"""The words that orders are found by, against the columns they come from. The database folds and compares."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

STALE = """
    SELECT o.reference FROM registration_order AS o
    LEFT JOIN (
        SELECT order_id, {cards} AS cards FROM (
            SELECT order_id, id, card_last4 FROM registration_payment
            WHERE order_id BETWEEN %(low)s AND %(high)s AND card_last4 <> '' ORDER BY order_id, id
        ) AS card GROUP BY order_id
    ) AS paid ON paid.order_id = o.id
    {index}
    WHERE o.id BETWEEN %(low)s AND %(high)s AND ({differs})
    ORDER BY o.id
"""
FIELDS = "o.reference, o.billing_name, o.billing_email, o.billing_company, paid.cards"
PIECES = {
    "postgresql": {
        "cards": "string_agg(card_last4, ' ' ORDER BY id)",
        "index": "",
        "differs": f"o.search_text <> registration_search_text(concat_ws(' ', {FIELDS}))",
    },
    # Its index is a table of its own, which somebody may have left behind.
    "sqlite": {
        "cards": "group_concat(card_last4, ' ')",
        "index": "LEFT JOIN registration_ordersearch AS kept ON kept.rowid = o.id",
        "differs": f"o.search_text <> registration_search_text({FIELDS})"
        " OR kept.words IS NOT o.search_text || ' _' || o.conference_id",
    },
}


def check(low: int, high: int) -> Iterator[tuple[str, str]]:
    """Yield (row, problem) for the orders with keys from ``low`` to ``high`` that a search would not find rightly."""
    with connection.cursor() as cursor:
        cursor.execute(STALE.format(**PIECES[connection.vendor]), {"low": low, "high": high})
        references = [reference for (reference,) in cursor.fetchall()]
    for reference in references:
        yield f"order {reference}", "is not found by the words it has now; save it once more"
